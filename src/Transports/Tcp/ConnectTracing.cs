using System.Diagnostics;
using System.Net;

namespace Toolkit.Transports;

/// <summary>The activity around connecting, for those who listen.</summary>
internal static class ConnectTracing
{
    private static readonly ActivitySource s_activities = new(Telemetry.Name);

    /// <summary>Connects within an activity.</summary>
    /// <param name="address">The name or address that the caller has given.</param>
    /// <param name="port">The port.</param>
    /// <param name="connect">What connects.</param>
    public static Task<Connection<TProtocol>> TraceAsync<TProtocol>(
        string address, int port, Func<Task<Connection<TProtocol>>> connect)
        where TProtocol : StreamProtocol
        => s_activities.HasListeners() ? TraceCoreAsync("tcp", address, port, connect) : connect();

    /// <summary>Connects to a path within an activity.</summary>
    public static Task<Connection<TProtocol>> TraceAsync<TProtocol>(string path, Func<Task<Connection<TProtocol>>> connect)
        where TProtocol : StreamProtocol
        => s_activities.HasListeners() ? TraceCoreAsync("unix", path, null, connect) : connect();

    private static async Task<Connection<TProtocol>> TraceCoreAsync<TProtocol>(
        string transport, string address, int? port, Func<Task<Connection<TProtocol>>> connect)
        where TProtocol : StreamProtocol
    {
        using Activity? activity = s_activities.StartActivity("toolkit.connect", ActivityKind.Client);
        activity?.SetTag("network.transport", transport).SetTag("server.address", address).SetTag("server.port", port);
        try
        {
            Connection<TProtocol> connection = await connect();
            if (connection.Transport.RemoteEndPoint is IPEndPoint peer)
            {
                activity?.SetTag("network.peer.address", peer.Address.ToString()).SetTag("network.peer.port", peer.Port);
            }

            return connection;
        }
        catch (Exception exception)
        {
            activity?.SetTag("error.type", exception.GetType().FullName).SetStatus(ActivityStatusCode.Error, exception.Message);
            throw;
        }
    }
}
