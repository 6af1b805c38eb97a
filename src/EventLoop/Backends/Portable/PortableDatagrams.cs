using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Toolkit.Backends.Linux;

namespace Toolkit.Backends.Portable;

/// <summary>What a datagram socket of .NET's has beside the socket.</summary>
internal sealed class PortableDatagrams(AddressFamily family, EndPoint? local, EndPoint? remote, UnixPath? file)
{
    // .NET fills these in and reads them, and makes no object for an address. The offsets are the same on all its systems.
    private const int PortOffset = 2;
    private const int OffsetV4 = 4;
    private const int OffsetV6 = 8;
    private const int ScopeOffset = 24;

    private readonly SocketAddress _outgoing = new(family);
    private string? _lastPath;
    private SocketError _error;

    /// <summary>Of a Unix socket, of which .NET tells it otherwise.</summary>
    public EndPoint? LocalEndPoint { get; } = local;

    public EndPoint? RemoteEndPoint { get; } = remote;

    /// <summary>Where the address of what is received goes.</summary>
    public SocketAddress Incoming { get; } = new(family);

    /// <summary>The system tells an error once, perhaps when nobody receives.</summary>
    public void KeepError(SocketError error) => _error = error;

    /// <summary>Whether an error was kept.</summary>
    public bool HasError => _error != SocketError.Success;

    public SocketError TakeError()
    {
        SocketError error = _error;
        _error = SocketError.Success;
        return error;
    }

    public void PrepareIncoming() => Incoming.Size = SocketAddress.GetMaximumAddressSize(family);

    public IoAddress ReadIncoming()
    {
        ReadOnlySpan<byte> native = Incoming.Buffer.Span[..Incoming.Size];
        switch (family)
        {
            case AddressFamily.InterNetwork when native.Length >= OffsetV4 + 4:
                return new IoAddress(native.Slice(OffsetV4, 4), BinaryPrimitives.ReadUInt16BigEndian(native[PortOffset..]));
            case AddressFamily.InterNetworkV6 when native.Length >= ScopeOffset + 4:
                return new IoAddress(
                    native.Slice(OffsetV6, 16),
                    BinaryPrimitives.ReadUInt16BigEndian(native[PortOffset..]),
                    BitConverter.ToUInt32(native[ScopeOffset..]));
            case AddressFamily.Unix:
                return NativeAddress.Read(native, ref _lastPath);
            default:
                return default;
        }
    }

    /// <summary>The address as .NET takes it, until the next call.</summary>
    public SocketAddress? Write(in IoAddress to)
    {
        if (to.AddressFamily != family)
        {
            return null;
        }

        _outgoing.Size = SocketAddress.GetMaximumAddressSize(family);
        Span<byte> native = _outgoing.Buffer.Span[.._outgoing.Size];
        switch (family)
        {
            case AddressFamily.InterNetwork:
                BinaryPrimitives.WriteUInt16BigEndian(native[PortOffset..], (ushort)to.Port);
                to.WriteAddress(native[OffsetV4..]);
                return _outgoing;
            case AddressFamily.InterNetworkV6:
                BinaryPrimitives.WriteUInt16BigEndian(native[PortOffset..], (ushort)to.Port);
                to.WriteAddress(native[OffsetV6..]);
                BitConverter.TryWriteBytes(native[ScopeOffset..], to.ScopeId);
                return _outgoing;
            default:
                Span<byte> path = stackalloc byte[NativeAddress.MaxLength];
                int length = NativeAddress.Write(to, path);
                if (length == 0)
                {
                    return null;
                }

                path[..length].CopyTo(native);
                _outgoing.Size = length;
                return _outgoing;
        }
    }

    public void RemoveFile()
    {
        if (OperatingSystem.IsLinux())
        {
            file?.Remove();
        }
    }
}
