using System.Text;
using Toolkit.Tests.Testing;

namespace Toolkit.Tests.Streams;

/// <summary>Two stream connections in memory, on a simulated loop: nothing in it takes time or depends on chance.</summary>
internal sealed class StreamPair
{
    private StreamPair(EventLoop loop, StreamConnection here, StreamConnection there)
    {
        Loop = loop;
        Here = here;
        There = there;
    }

    public EventLoop Loop { get; }

    /// <summary>The end under test.</summary>
    public StreamConnection Here { get; }

    /// <summary>The peer.</summary>
    public StreamConnection There { get; }

    public static void Run(
        Func<StreamPair, Task> scenario, StreamOptions? options = null, MemoryConnectionOptions? memory = null)
        => MemoryLoop.Run(
            async loop =>
            {
                StreamPair pair = await CreateAsync(loop, options, memory);
                await scenario(pair);
                pair.Here.Abort();
                pair.There.Abort();
            },
            LoopKind.Simulated);

    public static async Task<StreamPair> CreateAsync(
        EventLoop loop, StreamOptions? options = null, MemoryConnectionOptions? memory = null)
    {
        var here = new StreamConnection(options);
        var there = new StreamConnection();
        await MemoryConnection.CreateAsync(loop, here, there, memory);
        return new StreamPair(loop, here, there);
    }

    public static string TextOf(ReadOnlyMemory<byte>? bytes)
        => bytes is { } some ? Encoding.Latin1.GetString(some.Span) : "(null)";

    /// <summary>The peer sends this, and then the end of the stream.</summary>
    public void SendAndEnd(ReadOnlySpan<byte> data)
    {
        There.Write(data);
        There.CompleteWrites();
    }

    /// <summary>Lets everything happen that does not depend on time.</summary>
    public Task SettleAsync() => MemoryLoop.SettleAsync(Loop);
}
