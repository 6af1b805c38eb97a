using System.Net.Sockets;
using System.Text.Json;

namespace Toolkit.Samples.Top;

/// <summary>Asks a process what it does, over the socket that it tells that on.</summary>
internal sealed class Inquirer : IAsyncDisposable
{
    private const int Form = 1;

    /// <summary>More than an answer has that is cut to ten thousand transports of a few loops.</summary>
    private const int MaxAnswer = 256 * 1024 * 1024;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly string _path;
    private readonly StreamConnection _connection;

    private Inquirer(string path, StreamConnection connection)
    {
        _path = path;
        _connection = connection;
    }

    /// <exception cref="AskFailedException">Nobody answers there.</exception>
    public static async Task<Inquirer> ConnectAsync(EventLoop loop, string path)
    {
        try
        {
            return new Inquirer(path, await loop.OpenUnixConnectionAsync(
                path,
                new ConnectOptions { Timeout = s_patience },
                new StreamOptions { MaxLength = MaxAnswer }));
        }
        catch (ConnectFailedException exception)
        {
            throw new AskFailedException(exception.Failures[0].Error.SocketErrorCode switch
            {
                SocketError.AddressNotAvailable => $"There is no socket at {path}.",
                SocketError.ConnectionRefused => $"Nobody listens at {path}: its process has ended, or it is no socket.",
                SocketError.AccessDenied =>
                    $"{path} may not be opened: the user who runs the process, and root, may look at it.",
                SocketError.TimedOut => $"{path} takes nobody in: as many look at the process as may.",
                _ => exception.Message,
            });
        }
    }

    /// <summary>Asks for everything.</summary>
    /// <exception cref="AskFailedException">There is no answer, or it means nothing.</exception>
    public async Task<Answer> AskAsync()
    {
        try
        {
            ReadOnlyMemory<byte>? line = null;
            await CancelScope.FailAfterAsync(s_patience, async _ =>
            {
                await _connection.WriteAsync("snapshot\n"u8.ToArray());
                line = await _connection.ReadLineAsync();
            });
            return line is { } text ? Parse(text.Span) : throw new AskFailedException($"The process at {_path} has ended.");
        }
        catch (ConnectionException)
        {
            throw new AskFailedException($"The process at {_path} has ended.");
        }
        catch (TimeoutException)
        {
            throw new AskFailedException($"{_path} does not answer: it is no diagnostics socket, or its loop is held up.");
        }
        catch (Exception exception) when (exception is JsonException or FramingException)
        {
            throw NoDiagnostics();
        }
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private Answer Parse(ReadOnlySpan<byte> line)
    {
        Answer answer = JsonSerializer.Deserialize(line, AnswerJson.Default.Answer) ?? throw NoDiagnostics();
        return answer switch
        {
            { Toolkit: null } => throw NoDiagnostics(),
            { Toolkit: not Form } => throw new AskFailedException(
                $"{_path} answers in form {answer.Toolkit}, and {Form} is known here."),
            { Error: { } error } => throw new AskFailedException($"{_path} refuses: {Backends.LogText.Escape(error)}"),
            _ => answer,
        };
    }

    private AskFailedException NoDiagnostics() => new($"{_path} is no diagnostics socket: what it answers means nothing here.");
}
