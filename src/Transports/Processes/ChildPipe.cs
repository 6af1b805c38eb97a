namespace Toolkit.Transports;

/// <summary>The protocol of one of a child's pipes, which tells the child's protocol.</summary>
internal sealed class ChildPipe(ChildTransport child, int fd) : Protocol
{
    public override void DataReceived(ReadOnlySpan<byte> data)
    {
        try
        {
            child.Protocol.PipeDataReceived(fd, data);
        }
        catch (Exception exception)
        {
            child.FailByProtocol(exception, nameof(SubprocessProtocol.PipeDataReceived));
        }
    }

    public override void PauseWriting()
    {
        try
        {
            child.Protocol.PauseWriting(fd);
        }
        catch (Exception exception)
        {
            child.FailByProtocol(exception, nameof(SubprocessProtocol.PauseWriting));
        }
    }

    public override void ResumeWriting()
    {
        try
        {
            child.Protocol.ResumeWriting(fd);
        }
        catch (Exception exception)
        {
            child.FailByProtocol(exception, nameof(SubprocessProtocol.ResumeWriting));
        }
    }
}
