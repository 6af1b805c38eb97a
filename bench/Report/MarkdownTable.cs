using System.Text;

namespace Toolkit.Bench.Report;

/// <summary>Rows under a head.</summary>
internal sealed class MarkdownTable(params IEnumerable<string> head)
{
    private readonly StringBuilder _text = Begin([.. head]);

    public void Add(params IEnumerable<string> row) => _text.AppendLine($"| {string.Join(" | ", row)} |");

    public override string ToString() => _text.ToString();

    private static StringBuilder Begin(string[] head)
        => new StringBuilder()
            .AppendLine($"| {string.Join(" | ", head)} |")
            .AppendLine($"|{string.Concat(head.Select(_ => " --- |"))}");
}
