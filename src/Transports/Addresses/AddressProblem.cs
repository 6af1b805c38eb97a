using System.Runtime.InteropServices;

namespace Toolkit.Transports;

/// <summary>What is wrong with a part of an address.</summary>
/// <param name="Part">The part: a name of <see cref="AddressPart"/>, or that of a parameter.</param>
/// <param name="Message">What is wrong, and what to do.</param>
/// <param name="Index">Where in the part.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct AddressProblem(string Part, string Message, int Index = 0);

/// <summary>The parts of an address that are no parameters.</summary>
internal static class AddressPart
{
    public const string Scheme = "the scheme";
    public const string Host = "the host";
    public const string Port = "the port";

    /// <summary>A path, a name or a number.</summary>
    public const string Name = "the name";
}
