using System.Net.Sockets;

namespace Toolkit;

/// <summary>When a <see cref="ReconnectingClient"/> connects again, and who is told. Immutable.</summary>
/// <remarks>
/// <para>
/// The wait before the n-th retry, from zero, since the beginning or since the last healthy connection, is drawn evenly from
/// zero to <see cref="InitialDelay"/> times <see cref="Factor"/> to the power of n, and to <see cref="MaxDelay"/> at most. That
/// is full jitter: a thousand clients that have lost the same server in the same moment come back spread over the whole time, and
/// not in waves. Twisted's ReconnectingClientFactory varies its waits by 12 percent, which keeps the waves; its other numbers are
/// 1 s, e, and an hour.
/// </para>
/// <para>
/// Callbacks are called on the loop's thread, one after the other, in the execution context in which the client was made, and may
/// do anything, stop the client too. What they throw is reported to the loop's exception handler, and changes nothing else: they
/// watch, and do not decide. <see cref="ShouldRetry"/> decides, and what it throws ends the client.
/// </para>
/// </remarks>
public sealed record ReconnectOptions
{
    /// <summary>The defaults.</summary>
    public static ReconnectOptions Default { get; } = new();

    /// <summary>
    /// The longest wait before the first retry. A second by default: a server that is started anew is there again by then, and
    /// half of that on average is nothing that people notice.
    /// </summary>
    public TimeSpan InitialDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>By how much each wait may be longer than the one before; 1 and more. 2 by default.</summary>
    public double Factor { get; init; } = 2;

    /// <summary>
    /// The longest wait of all. A minute by default: so late at most is the end of an outage noticed, and a thousand clients cost
    /// a server that is down some thirty attempts a second. Twisted's hour lets a client be away for an hour after the server is
    /// back.
    /// </summary>
    public TimeSpan MaxDelay { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// How long a connection has to last to count as a success, after which waits begin with <see cref="InitialDelay"/> again.
    /// Ten seconds by default: longer than handshakes and log-ins take, so that a server which accepts and then turns away, or
    /// dies of what it is asked, is asked less and less often.
    /// </summary>
    public TimeSpan HealthyTime { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many attempts in a row may come to nothing, those included whose connection has not lasted for
    /// <see cref="HealthyTime"/>; the last one's failure then ends the client. Null, the default, for any number.
    /// </summary>
    public int? MaxAttempts { get; init; }

    /// <summary>
    /// Decides whether to go on after a failure: it is handed the failure and what is done otherwise, and returns what is to be
    /// done. Null, the default, for <see cref="IsTransient"/>; and no for what the protocol factory or
    /// <see cref="StreamProtocol.ConnectionMade"/> has thrown. Asked about every failure that <see cref="MaxAttempts"/> allows,
    /// of connecting, of a connection, and of a handler; not about cancellation.
    /// </summary>
    /// <example><code>ShouldRetry = (failure, byDefault) =&gt; byDefault &amp;&amp; failure is not TlsException</code></example>
    public Func<Exception, bool, bool>? ShouldRetry { get; init; }

    /// <summary>
    /// Where the waits are drawn from; a seeded one repeats them. Null, the default, for the loop's own: in a simulation that is
    /// its seed, and elsewhere <see cref="System.Random.Shared"/>.
    /// </summary>
    public Random? Random { get; init; }

    /// <summary>
    /// There is a connection: <see cref="ReconnectingClient.Transport"/>. Called after
    /// <see cref="StreamProtocol.ConnectionMade"/> and before a handler.
    /// </summary>
    public Action<ReconnectingClient>? Connected { get; init; }

    /// <summary>
    /// The connection is gone, for whatever reason: once for each call of <see cref="Connected"/>, after
    /// <see cref="StreamProtocol.ConnectionLost"/> and the end of the handler. <see cref="ReconnectingClient.LastFailure"/> says
    /// why, and <see cref="ReconnectingClient.RetryDelay"/> how long the wait is that follows; null when none does.
    /// </summary>
    public Action<ReconnectingClient>? Lost { get; init; }

    /// <summary>
    /// An attempt has led to no connection: <see cref="ReconnectingClient.LastFailure"/>. The wait that follows is
    /// <see cref="ReconnectingClient.RetryDelay"/>; null when none does.
    /// </summary>
    public Action<ReconnectingClient>? AttemptFailed { get; init; }

    /// <summary>
    /// Whether the failure may be gone the next time: one of the network, of the peer, of TLS, or of time (any
    /// <see cref="IOException"/>, <see cref="SocketException"/> or <see cref="TimeoutException"/>, or several of them together).
    /// All else is a mistake of the program's, which would be the same again.
    /// </summary>
    /// <remarks>
    /// A certificate that is not accepted counts as transient. It is refused each time, so nothing gets less safe; and the usual
    /// reason is one that has run out, which somebody will renew, whereupon clients that had given up would all have to be
    /// started anew. So does a name that does not exist, or an address that <see cref="ConnectOptions.AddressFilter"/> refuses.
    /// </remarks>
    public static bool IsTransient(Exception failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        return failure is AggregateException several
            ? several.Flatten().InnerExceptions is { Count: > 0 } all && all.All(IsTransient)
            : failure is IOException or SocketException or TimeoutException;
    }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(InitialDelay, TimeSpan.Zero, nameof(InitialDelay));
        if (!(Factor >= 1) || double.IsInfinity(Factor))
        {
            throw new ArgumentOutOfRangeException(nameof(Factor), Factor, "Waits stay the same, with 1, or grow.");
        }

        if (MaxDelay < InitialDelay)
        {
            throw new ArgumentOutOfRangeException(
                nameof(MaxDelay), MaxDelay, $"No wait is longer than this, and the first may be {InitialDelay} already.");
        }

        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(HealthyTime, TimeSpan.Zero, nameof(HealthyTime));
        if (MaxAttempts is { } attempts)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(attempts, 1, nameof(MaxAttempts));
        }
    }
}
