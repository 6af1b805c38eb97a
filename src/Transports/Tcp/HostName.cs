using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// Host names, checked before a resolver sees them. .NET's hands them to the C library, for which a NUL ends the name
/// (<c>"localhost\0.evil"</c> resolves to 127.0.0.1), and which takes <c>127.1</c>, <c>0x7f.1</c> and <c>2130706433</c>
/// for the loopback address: both have let requests past filters that looked at the text.
/// </summary>
internal static class HostName
{
    private const int MaxLength = 253; // RFC 1035, 2.3.4, as text without the root label
    private const int MaxLabelLength = 63;

    private static readonly SearchValues<char> s_zoneCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

    /// <summary>Throws unless the text is an IP address in its usual form, or can be a name.</summary>
    public static void Validate(string host, string parameter)
    {
        ArgumentNullException.ThrowIfNull(host, parameter);
        if (FindProblem(host, out _) is { } problem)
        {
            throw new ArgumentException(problem, parameter);
        }
    }

    /// <summary>Why the text is neither an IP address in its usual form nor can be a name; null when it is one.</summary>
    /// <param name="host">The text.</param>
    /// <param name="index">Where in the text that is.</param>
    public static string? FindProblem(string host, out int index)
    {
        index = 0;
        if (TryParseAddress(host, out _))
        {
            return null;
        }

        string name = host.EndsWith('.') ? host[..^1] : host;
        if (name.Length is 0 or > MaxLength)
        {
            return $"A host name has 1 to {MaxLength} characters; this one has {name.Length}.";
        }

        foreach (Rune character in name.EnumerateRunes())
        {
            if (Rune.IsControl(character)
                || Rune.IsWhiteSpace(character)
                || Rune.GetUnicodeCategory(character) == UnicodeCategory.Format // which nobody sees
                || character.Value is '/' or '\\' or ':' or '%' or '@' or '[' or ']' or '?' or '#')
            {
                return $"The character U+{character.Value:X4} cannot stand in a host name.";
            }

            index += character.Utf16SequenceLength;
        }

        index = 0;

        string[] labels = name.Split('.');
        foreach (string label in labels)
        {
            if (label.Length is 0 or > MaxLabelLength)
            {
                return $"Each part of a host name has 1 to {MaxLabelLength} characters; one has {label.Length}.";
            }

            index += label.Length + 1;
        }

        // No top-level domain is a number, so what ends in one is an odd spelling of an address, or a mistake.
        index = 0;
        string last = labels[^1];
        return last.All(char.IsAsciiDigit) || last.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? "The host is neither a name nor an IP address in its usual form, such as 127.0.0.1 or ::1."
            : null;
    }

    /// <summary>
    /// Where the zone of an IPv6 address stands that is written as in a URI, <c>%25eth0</c> (RFC 6874); -1 when there is none. It
    /// would be that of an interface called <c>25eth0</c>.
    /// </summary>
    public static int FindEscapedZone(string host)
        => host.IndexOf("%25", StringComparison.Ordinal) is >= 0 and var start
           && start + 3 < host.Length && !char.IsAsciiDigit(host[start + 3])
            ? start
            : -1;

    /// <summary>The addresses of a host that <see cref="Validate"/> has let pass, in the resolver's order, at least one.</summary>
    /// <exception cref="SocketException">There is no such name or interface, or the resolver failed.</exception>
    /// <exception cref="TimeoutException">The resolver has given up.</exception>
    /// <exception cref="OperationCanceledException">A scope or the token was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The loop was disposed meanwhile, and a shield hid that.</exception>
    public static async Task<IPAddress[]> ResolveAsync(EventLoop loop, string host, CancellationToken cancellationToken)
    {
        if (TryParseAddress(host, out IPAddress? literal))
        {
            return HasUnknownZone(literal!, host)
                ? throw new SocketException((int)SocketError.NetworkUnreachable)
                : [literal!];
        }

        IReadOnlyList<IPAddress> found = await AskAsync(loop, host, cancellationToken);
        IPAddress[] addresses = [.. found.Where(IsOfTheInternet).Distinct()];
        return addresses.Length > 0 ? addresses : throw new SocketException((int)SocketError.HostNotFound);
    }

    // A resolver cannot be interrupted, and may hang for minutes. So nobody waits for the thread that it holds: not who
    // gives up, and not the loop when it ends, which as a resident this is told of.
    private static async Task<IReadOnlyList<IPAddress>> AskAsync(
        EventLoop loop, string host, CancellationToken cancellationToken)
    {
        if (loop.Host.RefusalOfWait(cancellationToken) is { } refusal)
        {
            throw refusal;
        }

        using var wait = new LookupWait(loop.Host, cancellationToken);
        NameResolver resolver = loop.Host.Resolver;
        Task<IReadOnlyList<IPAddress>>? asked = null;
        try
        {
            using (loop.Host.EnterUserCode(context: null, resolver, nameof(NameResolver.ResolveAsync)))
            {
                asked = resolver.ResolveAsync(host, wait.Token).AsTask();
            }

            return await asked.InScope(wait.Token)
                ?? throw new InvalidOperationException($"The resolver ({resolver.GetType()}) returned null.");
        }
        catch (OperationCanceledException exception) when (exception is not ScopeCancelledException)
        {
            if (!wait.Token.IsCancellationRequested)
            {
                throw new TimeoutException($"The resolver ({resolver.GetType()}) has given up by itself.", exception);
            }

            ObjectDisposedException.ThrowIf(wait.IsLoopEnding && !cancellationToken.IsCancellationRequested, loop);
            throw new OperationCanceledException(cancellationToken);
        }
        finally
        {
            if (asked is { IsCompleted: false })
            {
                wait.GiveUp(); // whatever has ended the wait, a scope perhaps, of which the token knows nothing
            }
        }
    }

    private static bool IsOfTheInternet(IPAddress address)
        => address is { AddressFamily: AddressFamily.InterNetwork or AddressFamily.InterNetworkV6 };

    private static bool TryParseAddress(string host, out IPAddress? address)
        => IPAddress.TryParse(host, out address)
           && (address.AddressFamily == AddressFamily.InterNetworkV6
               ? !host.StartsWith('[') && !host.Contains('/', StringComparison.Ordinal) && HasUsualZone(host)
               : string.Equals(address.ToString(), host, StringComparison.Ordinal));

    // .NET takes any text behind a % for the zone of an IPv6 address, control characters and NUL included.
    private static bool HasUsualZone(string host)
    {
        int start = host.IndexOf('%', StringComparison.Ordinal) + 1;
        return start == 0
               || (start < host.Length
                   && !host.AsSpan(start).ContainsAnyExcept(s_zoneCharacters)
                   && FindEscapedZone(host) < 0);
    }

    // The name of an interface that there is not, which .NET takes for none.
    private static bool HasUnknownZone(IPAddress address, string host)
        => address is { AddressFamily: AddressFamily.InterNetworkV6, ScopeId: 0 }
           && host.IndexOf('%', StringComparison.Ordinal) is >= 0 and var start
           && host.AsSpan(start + 1).ContainsAnyExcept('0');

    private sealed class LookupWait : ILoopResident, IDisposable
    {
        private readonly LoopHost _host;
        private readonly CancellationTokenSource _end;

        public LookupWait(LoopHost host, CancellationToken cancellationToken)
        {
            _host = host;
            _end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            host.AddResident(this);
        }

        public int ResidentIndex { get; set; }

        public CancellationToken Token => _end.Token;

        public bool IsLoopEnding { get; private set; }

        public void OnLoopShutdown()
        {
            IsLoopEnding = true;
            _end.Cancel();
        }

        public void GiveUp() => _end.Cancel();

        public void OnLoopShutdownExpired() => OnLoopShutdown();

        public void Dispose()
        {
            _host.RemoveResident(this);
            _end.Dispose();
        }
    }
}
