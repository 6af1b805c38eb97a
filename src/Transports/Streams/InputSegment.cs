using System.Buffers;

namespace Toolkit.Transports;

/// <summary>A pooled array with what was received, and a link of the sequence that a reader is shown.</summary>
internal sealed class InputSegment : ReadOnlySequenceSegment<byte>
{
    /// <summary>The array; of no length while the segment is in the pool.</summary>
    public byte[] Array { get; set; } = [];

    /// <summary>How many bytes were received into it.</summary>
    public int End { get; private set; }

    /// <summary>The segment behind it.</summary>
    public InputSegment? Following => (InputSegment?)Next;

    /// <summary>What may still be received into it.</summary>
    public Memory<byte> Room => Array.AsMemory(End);

    /// <summary>So many bytes have been received into <see cref="Room"/>.</summary>
    public void Fill(int count)
    {
        End += count;
        Memory = Array.AsMemory(0, End);
    }

    /// <summary>Puts a segment behind it, which must not grow any more.</summary>
    public void Link(InputSegment next)
    {
        next.RunningIndex = RunningIndex + End;
        Next = next;
    }

    /// <summary>Makes it fresh.</summary>
    public void Reset()
    {
        Array = [];
        End = 0;
        Memory = default;
        Next = null;
        RunningIndex = 0;
    }
}
