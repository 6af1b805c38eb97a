using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>A connection that was made: the transport, and the protocol that it calls.</summary>
/// <param name="Transport">The transport.</param>
/// <param name="Protocol">The protocol.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Connection<TProtocol>(Transport Transport, TProtocol Protocol)
    where TProtocol : StreamProtocol;
