using System.Buffers.Text;

namespace Toolkit.Bench.Servers;

/// <summary>
/// What a server of this program is asked while it runs: a letter on its standard input, a line on its standard output.
/// It ends with its input. Answering allocates nothing, or the answers would be part of what they tell.
/// </summary>
internal static class ServerControl
{
    /// <summary>How many bytes have been allocated.</summary>
    public const char Allocated = 'a';

    /// <summary>Collects and compacts.</summary>
    public const char Collect = 'c';

    /// <summary>Says where the server listens, and answers from now on.</summary>
    public static void Begin(int port)
    {
        Console.Out.WriteLine($"listening {port}");
        new Thread(Answer) { IsBackground = true, Name = "control" }.Start();
    }

    private static void Answer()
    {
        using Stream input = Console.OpenStandardInput();
        using Stream output = Console.OpenStandardOutput();
        Span<byte> question = stackalloc byte[1];
        while (input.Read(question) > 0)
        {
            switch ((char)question[0])
            {
                case Allocated:
                    Write(output, GC.GetTotalAllocatedBytes(precise: true));
                    break;
                case Collect:
                    GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                    GC.WaitForPendingFinalizers();
                    GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                    Write(output, GC.GetTotalMemory(forceFullCollection: false));
                    break;
            }
        }

        Environment.Exit(0);
    }

    private static void Write(Stream output, long value)
    {
        Span<byte> line = stackalloc byte[32];
        _ = Utf8Formatter.TryFormat(value, line, out int length);
        line[length++] = (byte)'\n';
        output.Write(line[..length]);
        output.Flush();
    }
}
