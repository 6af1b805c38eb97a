using System.Net.Sockets;
using System.Text;

namespace Toolkit.Transports;

/// <summary>What a user has given as the name of a Unix socket.</summary>
internal static class UnixName
{
    /// <summary>The path in a <c>sockaddr_un</c>, whose end is a zero; of an abstract name the first byte is one.</summary>
    private const int NativeSize = 108;

    /// <summary>How long a name may be, in bytes of UTF-8.</summary>
    public const int MaxLength = NativeSize - 1;

    /// <summary>Makes an end point of a name.</summary>
    /// <param name="name">A path; or <c>@name</c> or <c>\0name</c>, an abstract one.</param>
    /// <param name="allowsAbstract">Whether abstract names are meant to be.</param>
    /// <param name="parameter">How the caller calls it.</param>
    /// <exception cref="ArgumentException">It cannot be one; the message says what to do.</exception>
    /// <exception cref="PlatformNotSupportedException">Abstract names are Linux's.</exception>
    public static UnixDomainSocketEndPoint Parse(string name, bool allowsAbstract, string parameter)
    {
        ArgumentException.ThrowIfNullOrEmpty(name, parameter);
        bool isAbstract = name[0] is '\0' or '@';
        if (isAbstract && !allowsAbstract)
        {
            throw new ArgumentException(
                "The name is an abstract one, which no mode protects: every user of the machine may connect to it, or be first. "
                + $"Set {nameof(ConnectOptions.AllowAbstractName)} if it is meant, or write ./@ for a file.",
                parameter);
        }

        if (isAbstract && !OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("Abstract names exist on Linux only. Use a path.");
        }

        if (FindProblem(name) is { } problem)
        {
            throw new ArgumentException(problem, parameter);
        }

        return new UnixDomainSocketEndPoint(isAbstract ? $"\0{name[1..]}" : name);
    }

    /// <summary>Why a text is no name of a Unix socket on any system; null when it is one.</summary>
    public static string? FindProblem(string name)
    {
        if (name.Length == 0)
        {
            return "The name is empty.";
        }

        bool isAbstract = name[0] is '\0' or '@';
        if (isAbstract && name.Length == 1)
        {
            return "The abstract name is empty.";
        }

        if (name.IndexOf('\0', 1) >= 0)
        {
            return "The name has a zero character in it, where the system would end it.";
        }

        int length = Encoding.UTF8.GetByteCount(name) - (isAbstract ? 1 : 0);
        return length > MaxLength
            ? $"The name is {length} bytes long, and the limit is {MaxLength}. "
                + "Use a shorter directory, such as one in /run, or a relative path."
            : null;
    }
}
