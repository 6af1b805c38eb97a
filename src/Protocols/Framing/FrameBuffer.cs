using System.Buffers;
using System.Runtime.InteropServices;

namespace Toolkit.Protocols;

/// <summary>
/// What has arrived of a frame that is unfinished, in one pooled array. Empty, as it is between frames, it is one null reference.
/// It grows with what arrives, and never by what a peer says is going to.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal struct FrameBuffer
{
    private byte[]? _bytes;

    /// <summary>How many bytes are held.</summary>
    public int Length { get; private set; }

    /// <summary>The bytes. Valid until the next change.</summary>
    public readonly ReadOnlySpan<byte> Span => _bytes.AsSpan(0, Length);

    /// <summary>Copies bytes to the end.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return;
        }

        int length = checked(Length + data.Length);
        if (length > (_bytes?.Length ?? 0))
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Math.Max(length, 2L * Length), Array.MaxLength));
            Span.CopyTo(larger);
            Return(_bytes);
            _bytes = larger;
        }

        data.CopyTo(_bytes.AsSpan(Length));
        Length = length;
    }

    /// <summary>Drops all but the last bytes, which are few.</summary>
    public void KeepLast(int count)
    {
        if (count < Length)
        {
            int dropped = Length - count;
            byte[]? bytes = Detach();
            Append(bytes.AsSpan(dropped, count));
            Return(bytes);
        }
    }

    /// <summary>Drops everything.</summary>
    public void Clear() => Return(Detach());

    /// <summary>
    /// Takes the array out, which leaves the buffer empty: a frame is lent from it while the callback may do anything, and
    /// afterwards it is given back by <see cref="Return"/>.
    /// </summary>
    public byte[]? Detach()
    {
        byte[]? bytes = _bytes;
        _bytes = null;
        Length = 0;
        return bytes;
    }

    /// <summary>Gives an array back.</summary>
    public static void Return(byte[]? bytes)
    {
        if (bytes is not null)
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
