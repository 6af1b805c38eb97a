using System.Net;
using System.Net.Sockets;
using Toolkit.Backends;

namespace Toolkit;

/// <summary>
/// How a datagram end point is made and behaves. Immutable: one object may serve many end points. At least one of
/// <see cref="LocalEndPoint"/> and <see cref="RemoteEndPoint"/> is needed, because the family of addresses follows from them.
/// </summary>
public sealed record DatagramOptions
{
    /// <summary>The longest receive size, and its default: 64 KiB, which no UDP datagram exceeds.</summary>
    public const int MaxReceiveSize = DatagramReceiveOperation.MaxReceiveSize;

    /// <summary>
    /// Where the end point is bound: an <see cref="IPEndPoint"/>, whose port 0 leaves the choice to the system and whose
    /// <c>::</c> means IPv6 only; or a <see cref="UnixDomainSocketEndPoint"/>. Null leaves it to the system.
    /// </summary>
    /// <remarks>
    /// The file of a Unix socket is for its owner alone (mode 0600), replaces one that a killed process has left behind, and is
    /// removed at the end if it is still ours. Linux only.
    /// </remarks>
    public EndPoint? LocalEndPoint { get; init; }

    /// <summary>
    /// The one peer that the end point is connected to: nobody else is heard, and what the network says of datagrams that it did
    /// not take is told (<see cref="DatagramProtocol.ErrorReceived"/>). Null leaves the end point open to all.
    /// </summary>
    public EndPoint? RemoteEndPoint { get; init; }

    /// <summary>Allow datagrams to broadcast addresses (SO_BROADCAST). Off by default, as everywhere.</summary>
    public bool Broadcast { get; init; }

    /// <summary>
    /// Let others bind the same address (SO_REUSEADDR). For receivers of a multicast group only: of an address that two have
    /// bound, one of them gets what is sent to it, whoever asked last, which is how a stranger steals datagrams.
    /// </summary>
    public bool ReuseAddress { get; init; }

    /// <summary>
    /// Let several sockets of one user share the port, among which the kernel deals out the peers (SO_REUSEPORT): for a loop on
    /// each core.
    /// </summary>
    public bool ReusePort { get; init; }

    /// <summary>How many routers a datagram passes at most, 1 to 255; null leaves it to the system, which takes 64.</summary>
    public int? TimeToLive { get; init; }

    /// <summary>The same of datagrams to a multicast group, 0 to 255; null leaves it to the system, which takes 1.</summary>
    public int? MulticastTimeToLive { get; init; }

    /// <summary>
    /// Whether datagrams to a group reach its members on this machine; null leaves it to the system, which says yes.
    /// </summary>
    public bool? MulticastLoopback { get; init; }

    /// <summary>
    /// The index of the interface by which datagrams to groups leave
    /// (<see cref="System.Net.NetworkInformation.IPv4InterfaceProperties.Index"/>); null leaves it to the system.
    /// </summary>
    public int? MulticastInterface { get; init; }

    /// <summary>
    /// How many bytes of a datagram are received at most, 1 to <see cref="MaxReceiveSize"/>. What is longer is told with
    /// <see cref="DatagramFlags.Truncated"/>. 64 KiB by default.
    /// </summary>
    public int ReceiveSize { get; init; } = MaxReceiveSize;

    /// <summary>The kernel's send buffer in bytes; null leaves it to the kernel.</summary>
    public int? SendBufferSize { get; init; }

    /// <summary>
    /// The kernel's receive buffer in bytes, which holds what comes in a burst; what it does not hold is lost. Null leaves it to
    /// the kernel, whose 208 KiB are about 270 small datagrams.
    /// </summary>
    public int? ReceiveBufferSize { get; init; }

    /// <summary>When unsent datagrams are too many; 64 KiB, 16 KiB and 1 MiB by default.</summary>
    public DatagramQueueLimits QueueLimits { get; init; } = new();

    /// <summary>Whose place it is when the queue is full.</summary>
    public DatagramDropPolicy DropPolicy { get; init; }

    /// <summary>
    /// Have the kernel cut what <see cref="DatagramTransport.SendSegments"/> sends (UDP_SEGMENT, Linux 4.18): one way through the
    /// network stack for up to 64 datagrams. Where it cannot, they are cut here, and nothing else is different.
    /// </summary>
    public bool SegmentationOffload { get; init; }

    /// <summary>
    /// Have the kernel hand over datagrams of one sender and size together (UDP_GRO, Linux 5.0). They are told one by one all the
    /// same. Where it cannot, nothing is different.
    /// </summary>
    public bool ReceiveOffload { get; init; }

    /// <summary>
    /// How long a close goes on without a datagram leaving before it becomes an abort. 30 seconds by default.
    /// </summary>
    public TimeSpan LingerTime { get; init; } = TimeSpan.FromSeconds(30);

    internal AddressFamily Family => (LocalEndPoint ?? RemoteEndPoint)!.AddressFamily;

    internal void Validate()
    {
        if (LocalEndPoint is null && RemoteEndPoint is null)
        {
            throw new ArgumentException(
                $"A datagram end point needs an address: set {nameof(LocalEndPoint)} to be reached, with port 0 for any, or "
                + $"{nameof(RemoteEndPoint)} to be connected.");
        }

        RequireAddress(LocalEndPoint, nameof(LocalEndPoint));
        RequireAddress(RemoteEndPoint, nameof(RemoteEndPoint));
        if (LocalEndPoint is { } local && RemoteEndPoint is { } remote && local.AddressFamily != remote.AddressFamily)
        {
            throw new ArgumentException(
                $"{nameof(LocalEndPoint)} is of {local.AddressFamily} and {nameof(RemoteEndPoint)} of {remote.AddressFamily}: "
                + "an end point has one family.");
        }

        if (RemoteEndPoint is IPEndPoint { Port: 0 })
        {
            throw new ArgumentException($"The port of {nameof(RemoteEndPoint)} is 1 to 65535: nobody is reached at 0.");
        }

        if (RemoteEndPoint is not null && Broadcast)
        {
            throw new ArgumentException(
                $"An end point that broadcasts is answered by many, and a connected one hears its peer alone. Leave out "
                + $"{nameof(RemoteEndPoint)}, and use {nameof(DatagramTransport.SendTo)}.");
        }

        RequireRange(TimeToLive, 1, 255, nameof(TimeToLive));
        RequireRange(MulticastTimeToLive, 0, 255, nameof(MulticastTimeToLive));
        RequireRange(MulticastInterface, 0, int.MaxValue, nameof(MulticastInterface));
        RequireRange(ReceiveSize, 1, MaxReceiveSize, nameof(ReceiveSize));
        RequireRange(SendBufferSize, 1, int.MaxValue, nameof(SendBufferSize));
        RequireRange(ReceiveBufferSize, 1, int.MaxValue, nameof(ReceiveBufferSize));
        ArgumentOutOfRangeException.ThrowIfLessThan(LingerTime, TimeSpan.Zero, nameof(LingerTime));
        if (!Enum.IsDefined(DropPolicy))
        {
            throw new ArgumentOutOfRangeException(nameof(DropPolicy), DropPolicy, "There is no such policy.");
        }

        if (Family == AddressFamily.Unix && (Broadcast || ReuseAddress || ReusePort || TimeToLive is not null
            || MulticastTimeToLive is not null || MulticastLoopback is not null || MulticastInterface is not null))
        {
            throw new ArgumentException("A Unix socket has no ports, routers, broadcasts or groups. Leave these options out.");
        }
    }

    /// <summary>Sets what the kernel is to know.</summary>
    /// <returns>The first failure, with the name of the option.</returns>
    internal (SocketError Error, string Name) Apply(IoHandle handle)
    {
        (IoOption Option, int? Value, string Name)[] all =
        [
            (IoOption.Broadcast, Broadcast ? 1 : null, nameof(Broadcast)),
            (IoOption.TimeToLive, TimeToLive, nameof(TimeToLive)),
            (IoOption.MulticastTimeToLive, MulticastTimeToLive, nameof(MulticastTimeToLive)),
            (IoOption.MulticastLoopback, MulticastLoopback is { } loops ? (loops ? 1 : 0) : null, nameof(MulticastLoopback)),
            (IoOption.MulticastInterface, MulticastInterface, nameof(MulticastInterface)),
            (IoOption.SendBufferSize, SendBufferSize, nameof(SendBufferSize)),
            (IoOption.ReceiveBufferSize, ReceiveBufferSize, nameof(ReceiveBufferSize)),
        ];
        foreach ((IoOption option, int? value, string name) in all)
        {
            if (value is { } set && handle.Backend.SetOption(handle, option, set) is var error and not SocketError.Success)
            {
                return (error, name);
            }
        }

        if (ReceiveOffload)
        {
            handle.Backend.SetOption(handle, IoOption.ReceiveOffload, 1); // where there is none, nothing is different
        }

        return (SocketError.Success, "");
    }

    private static void RequireRange(int? value, int least, int most, string name)
    {
        if (value is { } given && (given < least || given > most))
        {
            throw new ArgumentOutOfRangeException(name, given, $"{name} is {least} to {most}.");
        }
    }

    private static void RequireAddress(EndPoint? endPoint, string name)
    {
        switch (endPoint)
        {
            case null or IPEndPoint or UnixDomainSocketEndPoint:
                break;
            default:
                throw new ArgumentException(
                    $"{name} is an {nameof(IPEndPoint)} or a {nameof(UnixDomainSocketEndPoint)}. To look up a name, use the "
                    + "overload that takes a host.",
                    name);
        }
    }
}
