using System.CommandLine;
using Toolkit;
using Toolkit.Backends;
using Toolkit.Samples;
using Toolkit.Samples.Spawn;

Option<string> loop = Arguments.Loop();
var pty = new Option<bool>("--pty") { Description = "Give the command a terminal of its own." };
var shell = new Option<bool>("--shell") { Description = "Have a shell run the command." };
var timeout = new Option<double?>("--timeout")
{
    Description = "End the command after so many seconds: SIGTERM, and two seconds later SIGKILL. The exit code is 124 then.",
};
timeout.Require(value => value is > 0 and < 1e6, "--timeout is more than 0 and less than a million seconds.");
var command = new Argument<string[]>("command")
{
    Description = "The program and its arguments, after --.",
    Arity = ArgumentArity.OneOrMore,
};
command.Validators.Add(result =>
{
    int separator = Array.IndexOf(args, "--");
    if (separator < 0 || result.Tokens.Count != args.Length - separator - 1)
    {
        result.AddError("The program and its arguments stand behind --, and before it there are options only.");
    }
});

var root = new RootCommand(
    "Runs a program: its streams are this program's, and so are its signals and its exit code. Ctrl-C at a terminal reaches the "
    + "program by itself; other signals are handed on.")
{
    loop, pty, shell, timeout, command,
};
root.SetAction(result =>
{
    if (!OperatingSystem.IsLinux())
    {
        Console.Error.WriteLine("The streams of this program can be pipes and terminals on Linux only.");
        return ExitCode.CannotRun;
    }

    var settings = new SpawnSettings
    {
        Command = result.GetValue(command)!,
        HasTerminal = result.GetValue(pty),
        IsForShell = result.GetValue(shell),
        Timeout = result.GetValue(timeout) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
    };
    try
    {
        using var eventLoop = new EventLoop(new EventLoopOptions { Kind = result.GetLoopKind(loop) });
        return SpawnRun.Run(eventLoop, settings);
    }
    catch (BackendUnavailableException exception)
    {
        Console.Error.WriteLine(exception.Message);
        return ExitCode.CannotRun;
    }
});
return root.Invoke(args);
