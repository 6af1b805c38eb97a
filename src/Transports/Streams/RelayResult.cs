using System.Runtime.InteropServices;

namespace Toolkit;

/// <summary>What <see cref="StreamConnection.RelayAsync"/> has carried, and what ended it.</summary>
/// <param name="FirstToSecond">How many bytes of the first connection were written to the second.</param>
/// <param name="SecondToFirst">How many bytes of the second connection were written to the first.</param>
/// <param name="Exception">What broke one of the two; null when both sides have ended in good order.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct RelayResult(long FirstToSecond, long SecondToFirst, Exception? Exception);
