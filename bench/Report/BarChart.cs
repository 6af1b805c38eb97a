using System.Security;
using System.Text;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Report;

/// <summary>A bar, with its quartiles as a whisker.</summary>
internal sealed record Bar(string Label, Quartiles Figures, bool IsOurs);

/// <summary>The bars of a cell, which have a scale of their own.</summary>
internal sealed record Panel(string Title, string Unit, IReadOnlyList<Bar> Bars);

/// <summary>Panels of horizontal bars, two beside each other, as SVG.</summary>
internal static class BarChart
{
    private const int Columns = 2;
    private const int PanelWidth = 480;
    private const int LabelWidth = 170;
    private const int FigureWidth = 60;
    private const int BarWidth = PanelWidth - LabelWidth - FigureWidth - Margin;
    private const int RowHeight = 17;
    private const int BarHeight = 11;
    private const int TitleHeight = 30;
    private const int Margin = 14;

    private const string Style = """
        text { font: 11px sans-serif; fill: #333 } .title { font-weight: bold; font-size: 12px }
        .label { text-anchor: end } .ours { fill: #2f6fb0 } .theirs { fill: #b4bcc6 } line { stroke: #333 }
        """;

    public static string Draw(IReadOnlyList<Panel> panels)
    {
        var body = new StringBuilder();
        int top = Margin;
        foreach (Panel[] row in panels.Chunk(Columns))
        {
            for (int column = 0; column < row.Length; column++)
            {
                DrawPanel(body, row[column], Margin + (column * PanelWidth), top);
            }

            top += TitleHeight + (row.Max(panel => panel.Bars.Count) * RowHeight) + Margin;
        }

        int width = Margin + (Math.Min(Columns, panels.Count) * PanelWidth);
        return $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">
            <style>{Style}</style>
            <rect width="100%" height="100%" fill="white"/>
            {body}</svg>

            """;
    }

    private static void DrawPanel(StringBuilder body, Panel panel, int left, int top)
    {
        double most = panel.Bars.Max(bar => Math.Max(bar.Figures.Upper, 0));
        double scale = most > 0 ? BarWidth / most : 0;
        body.AppendLine($"""<text class="title" x="{left}" y="{top + 12}">{Escape($"{panel.Title}, {panel.Unit}")}</text>""");
        for (int i = 0; i < panel.Bars.Count; i++)
        {
            Bar bar = panel.Bars[i];
            int y = top + TitleHeight + (i * RowHeight);
            int middle = y + (BarHeight / 2);
            int x = left + LabelWidth;
            string kind = bar.IsOurs ? "ours" : "theirs";
            body.AppendLine($"""
                <text class="label" x="{x - 6}" y="{y + 9}">{Escape(bar.Label)}</text>
                <rect class="{kind}" x="{x}" y="{y}" height="{BarHeight}" width="{At(bar.Figures.Median)}"/>
                <line x1="{x + At(bar.Figures.Lower)}" x2="{x + At(bar.Figures.Upper)}" y1="{middle}" y2="{middle}"/>
                <text x="{x + At(bar.Figures.Upper) + 5}" y="{y + 9}">{Text.Of(bar.Figures.Median)}</text>
                """);
        }

        double At(double value) => Math.Round(Math.Max(value, 0) * scale, 1);
    }

    private static string Escape(string text) => SecurityElement.Escape(text);
}
