namespace Toolkit.Transports;

/// <summary>
/// Ciphertext on its way from an engine to the network, within one call. The backend has one, for all of its handles.
/// </summary>
internal sealed class CipherBuffer
{
    private const int FirstSize = 72 * 1024; // four full records and their overhead

    private byte[] _bytes = [];

    /// <summary>What is in it.</summary>
    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

    /// <summary>How much is in it.</summary>
    public int Length { get; private set; }

    /// <summary>Appends.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        if (data.Length > _bytes.Length - Length)
        {
            Array.Resize(ref _bytes, Math.Max(FirstSize, 2 * (Length + data.Length)));
        }

        data.CopyTo(_bytes.AsSpan(Length));
        Length += data.Length;
    }

    /// <summary>Empties it.</summary>
    public void Clear() => Length = 0;
}
