using System.Runtime.InteropServices;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Toolkit.Samples.Top;

/// <summary>
/// The terminal, whose other screen is used while this lives, so that the first is as it was afterwards, also when the process is
/// made to quit by a key.
/// </summary>
internal sealed class Screen : IDisposable
{
    private const int WidthOfPaper = 110;
    private const int RowsOfPaper = 20;
    private const int LeastHeight = 10;
    private const string Enter = "\e[?1049h\e[?25l";
    private const string Leave = "\e[?25h\e[?1049l";

    private readonly PosixSignalRegistration[] _signals;

    public Screen()
    {
        Console.Out.Write(Enter);

        // Of being suspended nothing is said: with a handler for that, .NET does not suspend.
        _signals = OperatingSystem.IsWindows() ? [] : [On(PosixSignal.SIGQUIT, Leave), On(PosixSignal.SIGCONT, Enter)];
    }

    // A terminal that does not know its size says zero.
    private static int Width => Console.WindowWidth is > 0 and var width ? width : WidthOfPaper;

    /// <summary>Writes it to the output, at whatever width that has.</summary>
    public static void Print(TopView view)
    {
        bool isPaper = Console.IsOutputRedirected;
        Console.Out.Write(Render(view.Render(RowsOfPaper, RowsOfPaper), isPaper ? WidthOfPaper : Width, !isPaper));
    }

    /// <summary>Shows it in the place of what was there, as much of it as there is room for.</summary>
    public void Show(TopView view)
    {
        int height = Console.WindowHeight is > 0 and var known ? known : LeastHeight;
        int room = Math.Max(Math.Max(height, LeastHeight) - view.FixedLines, 4);
        int taskRows = Math.Min(view.TaskCount + 1, Math.Max(3, room / 3));
        string[] lines = Render(view.Render(Math.Max(room - taskRows, 1), taskRows), Width, isTerminal: true)
            .TrimEnd('\n').Split('\n');
        Console.Out.Write($"\e[H{string.Join("\e[K\n", lines.Take(height))}\e[K\e[J");
    }

    public void Dispose()
    {
        Array.ForEach(_signals, signal => signal.Dispose());
        Console.Out.Write(Leave);
    }

    // What the signal does otherwise, it does: nothing is cancelled.
    private static PosixSignalRegistration On(PosixSignal signal, string text)
        => PosixSignalRegistration.Create(signal, _ => Console.Out.Write(text));

    private static string Render(IRenderable view, int width, bool isTerminal)
    {
        using var text = new StringWriter { NewLine = "\n" };
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(text),
            Ansi = isTerminal ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Width = width;
        console.Profile.Capabilities.Unicode = true;
        console.Write(view);
        return string.Join('\n', text.ToString().Split('\n').Select(line => line.TrimEnd()));
    }
}
