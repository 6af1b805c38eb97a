using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Report;

namespace Toolkit.Bench.Files;

/// <summary>
/// What it takes to send a file: the processor time of the process that sends it, to one that compares what it gets. Each round is
/// interleaved, in fresh processes, which send it once before, until they are compiled. The file is in memory.
/// </summary>
internal static class FileRounds
{
    private const int ChunkSize = 64 * 1024;
    private const string Toolkit = "toolkit";
    private const string Copying = "copying";
    private const string Framework = "socket";

    private static readonly NativeProgram s_native = new("Files/send.c");

    private static readonly string s_script = Path.Combine(AppContext.BaseDirectory, "Files/send.py");

    /// <summary>Measures all, and prints a table.</summary>
    /// <param name="rounds">How many rounds.</param>
    /// <param name="size">How much to send, in MiB.</param>
    /// <returns>1 when bytes were not equal.</returns>
    public static int Run(int rounds, int size)
    {
        string self = Environment.ProcessPath!;
        (string? native, string? missing) = s_native.Build();
        if (native is null)
        {
            Console.Error.WriteLine($"C is missing: {missing}");
        }

        (string Name, string? File, string[] Arguments)[] runners =
        [
            ("toolkit, SendFileAsync", self, ["sender", Toolkit]),
            ("toolkit, read and written", self, ["sender", Copying]),
            ("Socket.SendFileAsync", self, ["sender", Framework]),
            ("asyncio, sendfile", PythonPeer.Interpreter, [s_script, "sendfile"]),
            ("asyncio, read and written", PythonPeer.Interpreter, [s_script, "copy"]),
            ("C, sendfile that blocks", native, ["sendfile"]),
            ("C, read and written", native, ["copy"]),
        ];
        string path = Path.GetTempFileName();
        try
        {
            byte[] hash = Fill(path, size);
            var table = new FigureTable("F3", $"{size} MiB of a file", "CPU of the sender, s");
            for (int round = 0; round < rounds; round++)
            {
                foreach ((string name, string? file, string[] arguments) in runners)
                {
                    if (file is null)
                    {
                        continue;
                    }

                    using var listener = new TcpListener(IPAddress.Loopback, 0);
                    listener.Start();
                    Task<byte[]> received = ReceiveAsync(listener);
                    int port = ((IPEndPoint)listener.LocalEndpoint).Port;
                    (string? output, string? error) = ExternalProgram.Run(
                        file, [.. arguments, port.ToString(CultureInfo.InvariantCulture), path]);
                    if (output is null)
                    {
                        Console.Error.WriteLine($"{name}: {error}");
                        continue;
                    }

                    if (!hash.AsSpan().SequenceEqual(received.Result))
                    {
                        Console.Error.WriteLine($"{name} has sent something else.");
                        return 1;
                    }

                    table.Add(name, double.Parse(output, CultureInfo.InvariantCulture));
                }
            }

            Console.Out.Write(table);
            return 0;
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Sends the file in this process, twice, and prints the processor time that it took the second time.</summary>
    public static async Task SendAsync(string runner, int port, string path)
    {
        var to = new IPEndPoint(IPAddress.Loopback, port);
        TimeSpan before = default;
        for (int time = 0; time < 2; time++)
        {
            before = Environment.CpuUsage.TotalTime;
            if (runner == Framework)
            {
                await SendByFrameworkAsync(to, path);
            }
            else
            {
                EventLoop.Run(loop => SendByToolkitAsync(loop, to, path, isCopied: runner == Copying));
            }
        }

        double taken = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        Console.Out.WriteLine(taken.ToString(CultureInfo.InvariantCulture));
    }

    private static async Task SendByFrameworkAsync(IPEndPoint to, string path)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(to);
        await socket.SendFileAsync(path);
        socket.Shutdown(SocketShutdown.Send);
        await socket.ReceiveAsync(new byte[1]); // the other side has it all
    }

    private static async Task SendByToolkitAsync(EventLoop loop, IPEndPoint to, string path, bool isCopied)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        await using StreamConnection connection = await loop.OpenConnectionAsync(to);
        if (isCopied)
        {
            byte[] chunk = new byte[ChunkSize];
            while (file.Read(chunk) is var count and > 0)
            {
                await connection.WriteAsync(chunk.AsMemory(0, count));
            }
        }
        else
        {
            await connection.SendFileAsync(file);
        }

        connection.CompleteWrites();
        await connection.ReadAsync(); // the other side has it all
    }

    private static byte[] Fill(string path, int size)
    {
        byte[] block = new byte[1024 * 1024];
        new Random(1).NextBytes(block);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using FileStream file = File.OpenWrite(path);
        for (int i = 0; i < size; i++)
        {
            BitConverter.TryWriteBytes(block, i);
            hash.AppendData(block);
            file.Write(block);
        }

        return hash.GetHashAndReset();
    }

    private static async Task<byte[]> ReceiveAsync(TcpListener listener)
    {
        byte[] buffer = new byte[1024 * 1024];
        using (Socket first = await listener.AcceptSocketAsync())
        {
            while (await first.ReceiveAsync(buffer) > 0)
            {
                // To warm up with.
            }
        }

        using Socket socket = await listener.AcceptSocketAsync();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (await socket.ReceiveAsync(buffer) is var count and > 0)
        {
            hash.AppendData(buffer.AsSpan(0, count));
        }

        return hash.GetHashAndReset();
    }
}
