namespace Toolkit.Samples.Echo;

/// <summary>Echoes lines, and goes on with TLS after the line STARTTLS, which it answers with GO.</summary>
internal sealed class StartTlsEchoProtocol(TlsServerOptions options) : LineProtocol
{
    public override void PauseWriting() => Transport.PauseReading();

    public override void ResumeWriting() => Transport.ResumeReading();

    protected override void LineReceived(ReadOnlySpan<byte> line)
    {
        if (Transport.Tls is null && line.SequenceEqual("STARTTLS"u8))
        {
            Transport.Write("GO\n"u8); // leaves in the clear: it was written before
            _ = UpgradeAsync();
            return;
        }

        Transport.Write(line);
        Transport.Write("\n"u8);
    }

    private async Task UpgradeAsync()
    {
        try
        {
            await Transport.StartTlsAsync(options);
        }
        catch (ConnectionException)
        {
            // The connection has ended with that, and a peer's mistake is nothing to report.
        }
    }
}
