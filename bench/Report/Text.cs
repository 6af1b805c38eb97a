using Toolkit.Bench.Results;

namespace Toolkit.Bench.Report;

/// <summary>Figures as readers want them: three digits that count.</summary>
internal static class Text
{
    public static string Of(double value) => Math.Abs(value) switch
    {
        0 => "0",
        >= 999.5 => $"{value:N0}",
        >= 99.5 => $"{value:F0}",
        >= 9.95 => $"{value:F1}",
        >= 0.0995 => $"{value:F2}",
        _ => $"{value:F3}",
    };

    public static string Of(double? value) => value is { } known ? Of(known) : "";

    /// <summary>The median, and the quartiles behind it.</summary>
    public static string Of(Quartiles? figures)
        => figures is { } known ? $"{Of(known.Median)} [{Of(known.Lower)}-{Of(known.Upper)}]" : "";
}
