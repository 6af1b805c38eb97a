using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>What <see cref="LoopSocket.ReceiveFromAsync"/> has received.</summary>
/// <param name="Length">How many bytes are in the buffer; 0 of an empty datagram.</param>
/// <param name="From">Who has sent it; no address when a Unix socket without a path has.</param>
/// <param name="Flags">Whether its end is missing, because the buffer was too short for it.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ReceivedDatagram(int Length, DatagramAddress From, DatagramFlags Flags);
