using Toolkit;
using Toolkit.Samples.Probe;

// Ctrl-C cancels the main coroutine, and Ctrl-\ shows who waits for what. Nobody waits for a line that may never come.
var options = new EventLoopOptions
{
    HandleInterrupts = true,
    TaskDumpOnQuit = Console.Error,
    ThreadTimeout = TimeSpan.Zero,
};
return EventLoop.Run(loop => new ProbeService(loop, Console.In, Console.Out).RunAsync(), options);
