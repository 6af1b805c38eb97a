using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;

namespace Toolkit.Backends.Linux;

/// <summary>What a datagram socket of Linux's has beside its descriptor.</summary>
[SupportedOSPlatform("linux")]
internal sealed class LinuxDatagrams(AddressFamily family, EndPoint? local, EndPoint? remote, UnixPath? file)
{
    private string? _lastPath;

    public AddressFamily Family { get; } = family;

    public EndPoint? LocalEndPoint { get; } = local;

    public EndPoint? RemoteEndPoint { get; } = remote;

    /// <summary>The file of a bound Unix socket.</summary>
    public UnixPath? File { get; } = file;

    /// <summary>Whether the kernel hands over several datagrams at once.</summary>
    public bool Coalesces { get; set; }

    /// <summary>What was taken and not told.</summary>
    public HeldDatagrams Held { get; } = new();

    /// <summary>An error that came behind them, and was told to nobody.</summary>
    public SocketError HeldError { get; set; }

    /// <summary>Whether the handle waits to be told of at the next poll.</summary>
    public bool IsQueued { get; set; }

    /// <summary>Reads an address that the kernel gives.</summary>
    public IoAddress ReadAddress(ReadOnlySpan<byte> native) => NativeAddress.Read(native, ref _lastPath);
}
