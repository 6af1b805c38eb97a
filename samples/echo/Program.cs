using System.CommandLine;
using Toolkit;
using Toolkit.Samples;
using Toolkit.Samples.Echo;

const int MaxFrame = 16 * 1024 * 1024;

Option<string> host = Arguments.Host();
Option<int> port = Arguments.Port(8888);
Option<string> loop = Arguments.Loop();
var style = new Option<string>("--style")
{
    Description = "Whether the protocol is handed the bytes, or hands out the buffer for them.",
    DefaultValueFactory = _ => "protocol",
};
style.AcceptOnlyFromAmong("protocol", "buffered");

var frame = new Option<int?>("--frame") { Description = "Answer each frame of so many bytes with a write of its own." };
frame.Require(value => value is > 0 and <= MaxFrame, $"--frame is 1 to {MaxFrame}.");

var ignoreBackpressure = new Option<bool>("--ignore-backpressure")
{
    Description = "Go on reading while writing is paused, to see what the hard cap is for.",
};

var idle = new Option<double?>("--idle") { Description = "Close what has sent nothing for so many seconds." };
idle.Require(value => value is > 0 and < 1e6, "--idle is more than 0 and less than a million seconds.");

var max = new Option<int?>("--max") { Description = "How many connections there may be at a time." };
max.Require(value => value > 0, "--max is at least 1.");

Option<string[]> tls = Arguments.Certificate("--tls", "Speak TLS, with a certificate and its key in PEM files.");
Option<string[]> startTls = Arguments.Certificate("--starttls", "Echo lines, and go on with TLS after the line STARTTLS.");
var withTls = new Option<bool>("--tls") { Description = "Speak TLS with the server, whose certificate must be for the host." };
var authority = new Option<string?>("--ca")
{
    Description = "A PEM file with the authorities to trust, instead of the system's.",
};

Option[] serving = [host, port, loop, style, frame, ignoreBackpressure, idle, max, tls, startTls];
var serve = new Command("serve", "Echo what clients send (the default).");
var client = new Command("client", "Send standard input to a server, and print what comes back.")
{
    host, port, withTls, authority,
};
var root = new RootCommand("An echo server and its client.") { serve, client };
foreach (Option option in serving)
{
    root.Options.Add(option);
    serve.Options.Add(option);
}

root.SetAction(Serve);
serve.SetAction(Serve);
client.SetAction(result => EchoClient.Run(
    result.GetValue(host)!, result.GetValue(port), result.GetValue(withTls), result.GetValue(authority)));
return root.Invoke(args);

int Serve(ParseResult result)
{
    var settings = new EchoSettings
    {
        Buffered = string.Equals(result.GetValue(style), "buffered", StringComparison.Ordinal),
        FrameSize = result.GetValue(frame),
        IgnoreBackpressure = result.GetValue(ignoreBackpressure),
        IdleTimeout = result.GetValue(idle) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
    };
    return ServerProgram.Run(result.GetLoopKind(loop), on =>
    {
        TlsServerOptions? upgrade = result.GetTls(startTls);
        return on.CreateServerAsync(
            () => upgrade is null ? EchoProtocol.Create(on, settings) : new StartTlsEchoProtocol(upgrade),
            result.GetValue(host)!,
            result.GetValue(port),
            new ServerOptions { MaxConnections = result.GetValue(max), Tls = result.GetTls(tls) });
    });
}
