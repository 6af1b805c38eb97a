using System.Xml.Linq;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Report;
using Toolkit.Bench.Results;

namespace Toolkit.Tests;

public sealed class PerformanceReportTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory();

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Write_ARun_FillsThePageAndDrawsEveryGroup()
    {
        BenchRun run = Runs.Empty() with
        {
            Peers =
            [
                new PeerRecord(PeerCatalog.Epoll, "Toolkit epoll", "1", Missing: null),
                new PeerRecord(PeerCatalog.Uvloop, "uvloop", Version: null, "no module named 'uvloop'"),
                new PeerRecord(PeerCatalog.NativeEpoll, "C epoll <x>", "2", Missing: null),
            ],
        };
        run.With("echo-64-c64-d1", PeerCatalog.Epoll, 5, 6, 7).With("echo-64-c64-d1", PeerCatalog.NativeEpoll, 5, 6, 7);
        run.With("churn", PeerCatalog.Epoll, 20);

        string page = File.ReadAllText(new PerformanceReport(run).Write(_folder.FullName));

        Assert.DoesNotContain("{{", page, StringComparison.Ordinal);
        Assert.Contains("6.00 [5.50-6.50]", page, StringComparison.Ordinal);
        Assert.Contains("**missing**: no module named 'uvloop'", page, StringComparison.Ordinal);
        foreach (string plot in (string[])["echo-64-b.svg", "churn.svg"])
        {
            Assert.Contains($"(performance/{plot})", page, StringComparison.Ordinal);
            Assert.NotEmpty(XDocument.Load(Path.Combine(_folder.FullName, "performance", plot)).Root!.Elements());
        }
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(0.0512, "0.051")]
    [InlineData(0.456, "0.46")]
    [InlineData(4.567, "4.57")]
    [InlineData(45.67, "45.7")]
    [InlineData(456.7, "457")]
    [InlineData(4567.8, "4,568")]
    public void Text_Figures_HaveThreeDigitsThatCount(double value, string expected) => Assert.Equal(expected, Text.Of(value));
}
