namespace Toolkit;

/// <summary>How the length before a frame is written. It counts the bytes behind it, without itself.</summary>
public enum LengthPrefix
{
    /// <summary>One byte.</summary>
    OneByte,

    /// <summary>Two bytes, the most significant first.</summary>
    TwoBytesBigEndian,

    /// <summary>Two bytes, the least significant first.</summary>
    TwoBytesLittleEndian,

    /// <summary>Four bytes, the most significant first. The usual one.</summary>
    FourBytesBigEndian,

    /// <summary>Four bytes, the least significant first.</summary>
    FourBytesLittleEndian,

    /// <summary>Eight bytes, the most significant first.</summary>
    EightBytesBigEndian,

    /// <summary>Eight bytes, the least significant first.</summary>
    EightBytesLittleEndian,

    /// <summary>
    /// One to ten bytes of seven bits each, the least significant first (LEB128), as protobuf delimits messages.
    /// </summary>
    Varint,
}
