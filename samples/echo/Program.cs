using System.CommandLine;
using System.Net;
using Toolkit;
using Toolkit.Samples.Echo;

const int MaxFrame = 16 * 1024 * 1024;

var host = new Option<string>("--host")
{
    Description = "The host to listen on or to connect to.",
    DefaultValueFactory = _ => "127.0.0.1",
};
var port = new Option<int>("--port")
{
    Description = "The port; 0 lets the system choose one to listen on.",
    DefaultValueFactory = _ => 8888,
};
Require(port, value => value is >= 0 and <= IPEndPoint.MaxPort, "--port is 0 to 65535.");

var loop = new Option<string>("--loop")
{
    Description = "The kind of event loop; auto is what TOOLKIT_BACKEND says, or the best of this machine.",
    DefaultValueFactory = _ => "auto",
};
// A simulated network has nobody to echo to.
loop.AcceptOnlyFromAmong([.. Enum.GetNames<LoopKind>()
    .Where(name => name != nameof(LoopKind.Simulated))
    .Select(name => name.ToLowerInvariant())]);

var style = new Option<string>("--style")
{
    Description = "Whether the protocol is handed the bytes, or hands out the buffer for them.",
    DefaultValueFactory = _ => "protocol",
};
style.AcceptOnlyFromAmong("protocol", "buffered");

var frame = new Option<int?>("--frame") { Description = "Answer each frame of so many bytes with a write of its own." };
Require(frame, value => value is > 0 and <= MaxFrame, $"--frame is 1 to {MaxFrame}.");

var ignoreBackpressure = new Option<bool>("--ignore-backpressure")
{
    Description = "Go on reading while writing is paused, to see what the hard cap is for.",
};

var idle = new Option<double?>("--idle") { Description = "Close what has sent nothing for so many seconds." };
Require(idle, value => value is > 0 and < 1e6, "--idle is more than 0 and less than a million seconds.");

var max = new Option<int?>("--max") { Description = "How many connections there may be at a time." };
Require(max, value => value > 0, "--max is at least 1.");

Option[] serving = [host, port, loop, style, frame, ignoreBackpressure, idle, max];
var serve = new Command("serve", "Echo what clients send (the default).");
var client = new Command("client", "Send standard input to a server, and print what comes back.") { host, port };
var root = new RootCommand("An echo server and its client.") { serve, client };
foreach (Option option in serving)
{
    root.Options.Add(option);
    serve.Options.Add(option);
}

root.SetAction(Serve);
serve.SetAction(Serve);
client.SetAction(result => EchoClient.Run(result.GetValue(host)!, result.GetValue(port)));

ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (System.CommandLine.Parsing.ParseError error in parsed.Errors)
    {
        Console.Error.WriteLine(error.Message);
    }

    return 2;
}

// Without a time-out the library leaves signals to us; with one it ends the process in the middle of a drain.
return parsed.Invoke(new InvocationConfiguration { ProcessTerminationTimeout = null });

int Serve(ParseResult result) => EchoServer.Run(
    result.GetValue(host)!,
    result.GetValue(port),
    Enum.Parse<LoopKind>(result.GetValue(loop)!, ignoreCase: true),
    new EchoSettings
    {
        Buffered = string.Equals(result.GetValue(style), "buffered", StringComparison.Ordinal),
        FrameSize = result.GetValue(frame),
        IgnoreBackpressure = result.GetValue(ignoreBackpressure),
        IdleTimeout = result.GetValue(idle) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
    },
    result.GetValue(max));

// What is no number at all has its own message from the library.
static void Require<T>(Option<T> option, Predicate<double> condition, string message)
    => option.Validators.Add(result =>
    {
        if (result.Tokens is [{ Value: var text }] && double.TryParse(text, out double value) && !condition(value))
        {
            result.AddError(message);
        }
    });
