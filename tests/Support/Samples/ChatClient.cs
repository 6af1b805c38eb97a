using System.Net.Sockets;
using System.Text;

namespace Toolkit.Tests;

/// <summary>A person at a terminal: a socket of .NET's that sends lines and reads them.</summary>
public sealed class ChatClient : IDisposable
{
    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;

    private ChatClient(Socket socket)
    {
        _stream = new NetworkStream(socket, ownsSocket: true);
        _reader = new StreamReader(_stream, Encoding.UTF8);
    }

    /// <summary>Connects, takes a nickname unless it is null, and reads as far as the answer to that.</summary>
    public static async Task<ChatClient> ConnectAsync(SampleProcess server, string? name)
    {
        var client = new ChatClient(await SampleClient.ConnectAsync(server));
        await client.ReadUntilAsync("* You are in lobby");
        if (name is not null)
        {
            await client.SendAsync($"/nick {name}\n");
            await client.ReadUntilAsync($" is now {name}.");
        }

        return client;
    }

    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    public async Task SendAsync(byte[] bytes) => await _stream.WriteAsync(bytes);

    /// <summary>Reads the next line; null at the end.</summary>
    public async Task<string?> ReadAsync() => await _reader.ReadLineAsync();

    /// <summary>Reads lines up to the first that contains the text.</summary>
    public async Task<string> ReadUntilAsync(string text)
    {
        while (await ReadAsync() is { } line)
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return line;
            }
        }

        throw new EndOfStreamException($"The connection ended before \"{text}\" came.");
    }

    /// <summary>Reads everything that is said, up to the end.</summary>
    /// <param name="onSaid">Called with each of it, on any thread.</param>
    public async Task<List<string>> ReadSaidAsync(Action? onSaid = null)
    {
        var said = new List<string>();
        while (await ReadAsync() is { } line)
        {
            if (line.StartsWith('<'))
            {
                said.Add(line);
                onSaid?.Invoke();
            }
        }

        return said;
    }

    public void Dispose() => _reader.Dispose();
}
