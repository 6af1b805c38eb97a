using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit;

/// <summary>
/// No connection could be made. Says of every address that was tried what came of it; the first of these, or the failure
/// to resolve the name, is the inner exception.
/// </summary>
public sealed class ConnectFailedException : IOException
{
    /// <summary>Creates the exception for a target whose addresses all failed.</summary>
    public ConnectFailedException(string target, IReadOnlyList<ConnectFailure> failures)
        : base(Describe(target, failures), failures.Count > 0 ? failures[0].Error : null)
    {
        Failures = failures;
    }

    /// <summary>Creates the exception for a target whose name could not be resolved.</summary>
    public ConnectFailedException(string target, SocketException resolverError)
        : base(
            $"Cannot connect to {Escape(target)}: the name could not be resolved ({resolverError?.SocketErrorCode}).",
            resolverError)
    {
        Failures = [];
    }

    /// <summary>Creates the exception for a target that is no end point of a socket.</summary>
    internal ConnectFailedException(string target, SocketError error)
        : base($"Cannot connect to {Escape(target)}: {error}.", new SocketException((int)error))
    {
        Failures = [];
    }

    /// <summary>
    /// Every attempt, in the order in which they began; empty when there was no address to try. Addresses whose turn had not come
    /// when the time was over are not listed.
    /// </summary>
    public IReadOnlyList<ConnectFailure> Failures { get; }

    private static string Describe(string target, IReadOnlyList<ConnectFailure> failures)
    {
        ArgumentNullException.ThrowIfNull(failures);
        string attempts = string.Join("; ", failures.Select(f => $"{Escape($"{f.EndPoint}")}: {DescribeError(f)}"));
        return failures.Count == 0
            ? $"Cannot connect to {Escape(target)}: it has no address of the local end point's family."
            : $"Cannot connect to {Escape(target)}: {attempts}.";
    }

    private static string DescribeError(ConnectFailure failure)
        => failure.Refusal is { } refusal
            ? $"refused by the address filter ({Escape(refusal)})"
            : failure.Error.SocketErrorCode == SocketError.AddressFamilyNotSupported
            ? $"{SocketError.AddressFamilyNotSupported}, this machine has no such kind of address"
            : failure.Error.SocketErrorCode.ToString();

    // Often enough it is a peer who has said where to connect to.
    private static string Escape(string target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return LogText.Escape(target);
    }
}

/// <summary>One attempt to connect, and why it failed.</summary>
/// <param name="EndPoint">The address, or the name of a Unix socket, that was tried.</param>
/// <param name="Error">What came of it; <see cref="SocketError.TimedOut"/> also when our own time was up.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ConnectFailure(EndPoint EndPoint, SocketException Error)
{
    /// <summary>
    /// Why <see cref="ConnectOptions.AddressFilter"/> has refused the address, which was not dialled; the error is then
    /// <see cref="SocketError.AccessDenied"/>. Null for one that it has let pass.
    /// </summary>
    public string? Refusal { get; init; }
}
