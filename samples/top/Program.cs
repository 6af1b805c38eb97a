using System.CommandLine;
using Toolkit;
using Toolkit.Samples;
using Toolkit.Samples.Top;

var socket = new Argument<string>("socket") { Description = "The path that the process was given with --diagnostics." };
var once = new Option<bool>("--once") { Description = "Print once and end, as it is when the output is no terminal." };
var interval = new Option<double>("--interval")
{
    Description = "How many seconds to measure for, and to show it.",
    DefaultValueFactory = _ => 1,
};
interval.Require(value => value is >= 0.05 and <= 3600, "--interval is 0.05 to 3600 seconds.");
var order = new Option<string>("--order")
{
    Description = "What comes first. The key s changes it.",
    DefaultValueFactory = _ => "queued",
};
order.AcceptOnlyFromAmong([.. Enum.GetNames<TransportOrder>().Select(name => name.ToLowerInvariant())]);
var all = new Option<bool>("--all") { Description = "Show what is there only because it is looked at, too." };

var root = new RootCommand("Shows what a running process does: its loops, servers, transports and tasks.")
{
    socket, once, interval, order, all,
};
root.SetAction(result =>
{
    var settings = new TopSettings
    {
        Socket = result.GetValue(socket)!,
        IsOnce = result.GetValue(once) || Console.IsOutputRedirected,
        Interval = TimeSpan.FromSeconds(result.GetValue(interval)),
        Order = Enum.Parse<TransportOrder>(result.GetValue(order)!, ignoreCase: true),
        ShowsAll = result.GetValue(all),
    };
    try
    {
        // Nobody waits for a key that may never be pressed.
        EventLoop.Run(
            loop => new TopRun(loop, settings).RunAsync(),
            new EventLoopOptions { HandleInterrupts = true, ThreadTimeout = TimeSpan.Zero });
        return 0;
    }
    catch (OperationCanceledException)
    {
        return 0; // Ctrl-C is a way to quit
    }
    catch (Exception exception) when (exception is AskFailedException or ArgumentException)
    {
        Console.Error.WriteLine(exception.Message);
        return 1;
    }
});
return root.Invoke(args);
