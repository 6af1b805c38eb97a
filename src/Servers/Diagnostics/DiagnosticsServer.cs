using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Toolkit;

/// <summary>
/// Answers on a Unix socket how the loops of the process stand. Made by <c>loop.ServeDiagnosticsAsync</c>; ends when it is
/// disposed, or with its loop.
/// </summary>
[DebuggerDisplay("{Path,nq}")]
public sealed partial class DiagnosticsServer : IAsyncDisposable
{
    private const string TaskName = "diagnostics";
    private const string LogCategory = "Toolkit.Server";

    private readonly EventLoop _loop;
    private readonly DiagnosticsOptions _options;
    private readonly InquiredLoop[] _loops;
    private readonly ILogger _logger;
    private Server _server = null!; // set before anybody can be connected

    private DiagnosticsServer(EventLoop loop, DiagnosticsOptions options)
    {
        _loop = loop;
        _options = options;
        _loops = [.. options.OtherLoops.Prepend(loop).Distinct().Select(each => new InquiredLoop(loop, each, options))];
        _logger = loop.Host.CreateLogger(LogCategory);
    }

    /// <summary>Where it listens. Any thread.</summary>
    public string Path => _server.UnixEndPoint!.ToString();

    /// <summary>
    /// Ends it: the path is removed, and so are those who are connected, an answer that has begun a moment later. Any thread,
    /// but on another it takes as long as the loop needs to come to it. A loop that does not run any more ends it by itself.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (_loop.IsCurrent)
        {
            await _server.DisposeAsync();
        }
        else if (_loop.IsRunning)
        {
            try
            {
                await _loop.InvokeAsync(() => _server.DisposeAsync().AsTask()).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is ObjectDisposedException or OperationCanceledException)
            {
                // the loop ends at this moment, and everything with it
            }
        }
    }

    internal static async Task<DiagnosticsServer> StartAsync(EventLoop loop, string path, DiagnosticsOptions options)
    {
        var diagnostics = new DiagnosticsServer(loop, options);
        var serverOptions = new ServerOptions
        {
            Backlog = options.MaxConnections,
            MaxConnections = options.MaxConnections,
            Limits = new ConnectionLimits { IdleTime = options.IdleTime, WriteStallTime = options.IdleTime },
            DrainTime = TimeSpan.FromSeconds(0.1),
            IsDiagnostics = true,
        };
        diagnostics._server = await StreamServing.StartAsync(
            loop,
            diagnostics.ServeAsync,
            DiagnosticsConversation.StreamOptions,
            factory => loop.CreateUnixServerAsync(factory, path, serverOptions),
            TaskName);
        return diagnostics;
    }

    [LoggerMessage(
        6,
        LogLevel.Warning,
        "User {User} has asked {Path} for diagnostics, and was refused: it is another's process.{Suppressed}")]
    private static partial void Refused(ILogger logger, string user, string path, string suppressed);

    private async Task ServeAsync(StreamConnection connection)
    {
        bool isAllowed = IsAllowed(connection.Transport.PeerCredentials);
        if (!isAllowed && _loop.Host.LogRate.ShouldLog("diagnostics", out string suppressed))
        {
            Refused(
                _logger, connection.Transport.PeerCredentials?.UserId.ToString() ?? "unknown", Path, suppressed);
        }

        using var conversation = new DiagnosticsConversation(_loop, connection, _loops);
        if (isAllowed)
        {
            await conversation.RunAsync(_server.Draining);
        }
        else
        {
            await conversation.RefuseAsync();
        }
    }

    // Where the system says who is there, it has said so.
    private bool IsAllowed(PeerCredentials? peer)
        => _loop.Host.Backend.UserId is not { } own || (peer is { UserId: var user } && (user == own || user == 0));
}
