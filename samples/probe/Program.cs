using System.CommandLine;
using Toolkit;
using Toolkit.Samples;
using Toolkit.Samples.Probe;

Option<ServiceAddress[]> connect = Arguments.Connect(many: true);
var root = new RootCommand("Says whether somebody listens at the addresses that it reads, a line each, or is given.") { connect };
root.SetAction(result =>
{
    ServiceAddress[] given = result.GetValue(connect)!;
    TextReader input = given.Length > 0 ? new StringReader(string.Join('\n', (object[])given)) : Console.In;

    // Ctrl-C cancels the main coroutine, and Ctrl-\ shows who waits for what. Nobody waits for a line that may never come.
    var options = new EventLoopOptions
    {
        HandleInterrupts = true,
        TaskDumpOnQuit = Console.Error,
        ThreadTimeout = TimeSpan.Zero,
    };
    return EventLoop.Run(loop => new ProbeService(loop, input, Console.Out).RunAsync(), options);
});
return root.Invoke(args);
