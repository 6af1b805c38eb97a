using Toolkit.Bench.Cells;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Primitives;

namespace Toolkit.Tests;

public sealed class CatalogTests
{
    [Fact]
    public void Quick_Names_AreThoseOfCellsAndPeers()
    {
        Assert.All(CellCatalog.Quick, name => Assert.Contains(CellCatalog.All, cell => cell.Name == name));
        Assert.All(PeerCatalog.Quick, name => Assert.Contains(PeerCatalog.All, peer => peer.Name == name));
    }

    [Fact]
    public void Names_AreUnique()
    {
        Assert.Distinct(CellCatalog.All.Select(cell => cell.Name));
        Assert.Distinct(PeerCatalog.All.Select(peer => peer.Name));
    }

    [Fact]
    public void PythonScript_Primitives_HaveTheNamesOfOurs()
    {
        string script = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Primitives/primitives.py"));
        string[] theirs = [.. script.Split('\n')
            .Where(line => line.StartsWith("    \"", StringComparison.Ordinal) && line.Contains("\": ", StringComparison.Ordinal))
            .Select(line => line.Split('"')[1])];

        Assert.NotEmpty(theirs);
        Assert.All(theirs, name => Assert.Contains(name, PrimitiveName.All));
    }
}
