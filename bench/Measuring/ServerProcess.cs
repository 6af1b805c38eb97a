using System.Globalization;
using Toolkit.Bench.Cells;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Servers;

namespace Toolkit.Bench.Measuring;

/// <summary>A peer that runs.</summary>
internal sealed class ServerProcess : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly LineTalk _talk;
    private readonly bool _answersQuestions;

    public ServerProcess(Peer peer, Cell cell)
    {
        _answersQuestions = peer.AnswersQuestions;
        _talk = new LineTalk(peer.Name, peer.Start(cell));
        try
        {
            string line = _talk.ReadLine(s_patience);
            Port = int.Parse(line.Split(' ')[^1], CultureInfo.InvariantCulture);
        }
        catch
        {
            _talk.Dispose();
            throw;
        }
    }

    public int Id => _talk.Id;

    public int Port { get; }

    /// <summary>How it has ended; null while it runs.</summary>
    public string? Ending => _talk.Ending;

    /// <returns>Null from a server that does not know.</returns>
    public long? ReadAllocatedBytes() => Ask(ServerControl.Allocated);

    /// <summary>Has a server collect that does not collect at once.</summary>
    public void Collect() => Ask(ServerControl.Collect);

    /// <summary>The memory of the process itself: neither files nor the kernel's buffers.</summary>
    public long ReadMemory()
    {
        const string Name = "RssAnon:";
        string line = File.ReadLines($"/proc/{Id}/status").First(line => line.StartsWith(Name, StringComparison.Ordinal));
        return long.Parse(line[Name.Length..^"kB".Length], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
            CultureInfo.InvariantCulture) * 1024;
    }

    public void Dispose() => _talk.Dispose();

    private long? Ask(char question)
    {
        if (!_answersQuestions)
        {
            return null;
        }

        _talk.Write(question.ToString());
        return long.Parse(_talk.ReadLine(s_patience), CultureInfo.InvariantCulture);
    }
}
