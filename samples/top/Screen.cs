using Spectre.Console;
using Spectre.Console.Rendering;

namespace Toolkit.Samples.Top;

/// <summary>The terminal, whose other screen is used while this lives, so that the first is as it was afterwards.</summary>
internal sealed class Screen : IDisposable
{
    private const int WidthOfPaper = 110;
    private const int RowsOfPaper = 20;

    public Screen() => Console.Out.Write("\e[?1049h\e[?25l");

    /// <summary>Writes it to the output, at whatever width that has.</summary>
    public static void Print(TopView view)
    {
        bool isPaper = Console.IsOutputRedirected;
        int width = isPaper ? WidthOfPaper : Console.WindowWidth;
        Console.Out.Write(Render(view.Render(RowsOfPaper, RowsOfPaper), width, !isPaper));
    }

    /// <summary>Shows it in the place of what was there, as much of it as there is room for.</summary>
    public void Show(TopView view)
    {
        int height = Math.Max(Console.WindowHeight, 10);
        int room = Math.Max(height - view.FixedLines, 4);
        int taskRows = Math.Min(view.TaskCount + 1, Math.Max(3, room / 3));
        string[] lines = Render(view.Render(Math.Max(room - taskRows, 1), taskRows), Console.WindowWidth, isTerminal: true)
            .TrimEnd('\n').Split('\n');
        Console.Out.Write($"\e[H{string.Join("\e[K\n", lines.Take(height))}\e[K\e[J");
    }

    public void Dispose() => Console.Out.Write("\e[?25h\e[?1049l");

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
