using System.Globalization;
using Toolkit.Bench.Results;

namespace Toolkit.Bench.Report;

/// <summary>Figures of several rounds, a row for each name: medians, and between what the middle half lies.</summary>
internal sealed class FigureTable(string format, params string[] head)
{
    private readonly OrderedDictionary<string, List<double>[]> _rows = [];

    /// <summary>Adds what a round has given.</summary>
    public void Add(string name, params double[] figures)
    {
        if (!_rows.TryGetValue(name, out List<double>[]? columns))
        {
            _rows[name] = columns = [.. figures.Select(_ => new List<double>())];
        }

        for (int i = 0; i < figures.Length; i++)
        {
            columns[i].Add(figures[i]);
        }
    }

    public override string ToString()
    {
        var table = new MarkdownTable(head);
        foreach ((string name, List<double>[] columns) in _rows)
        {
            table.Add([name, .. columns.Select(Show)]);
        }

        return table.ToString();
    }

    private string Show(List<double> figures)
    {
        Quartiles quartiles = Quartiles.Of(figures)!.Value;
        return $"{Text(quartiles.Median)} ({Text(quartiles.Lower)} to {Text(quartiles.Upper)})";

        string Text(double figure) => figure.ToString(format, CultureInfo.InvariantCulture);
    }
}
