using System.Globalization;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// <c>unix:/path</c>, <c>unix:relative</c>, or <c>unix:@name</c> for an abstract name of Linux; to listen at, with
/// <c>?mode=0660</c>.
/// </summary>
public sealed record UnixAddress : ServiceAddress
{
    internal const string ModeParameter = "mode";

    private const UnixFileMode Permissions = (UnixFileMode)0b111_111_111;

    /// <summary>Creates the address.</summary>
    /// <param name="path">
    /// A path of at most 107 bytes in UTF-8; or <c>@name</c> or <c>\0name</c>, an abstract name, which with an address is always
    /// meant (<see cref="ConnectOptions.AllowAbstractName"/> is not asked).
    /// </param>
    /// <param name="mode">To listen at: who may connect; null leaves that to the options.</param>
    /// <exception cref="ArgumentException">The path cannot be one, or the mode has no place.</exception>
    public UnixAddress(string path, UnixFileMode? mode = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (FindPathProblem(path) is { } pathProblem)
        {
            throw new ArgumentException(pathProblem.Message, nameof(path));
        }

        if (FindModeProblem(path, mode) is { } modeProblem)
        {
            throw new ArgumentException(modeProblem.Message, nameof(mode));
        }

        Path = path[0] == '\0' ? $"@{path[1..]}" : path;
        Mode = mode;
    }

    /// <inheritdoc/>
    public override string Scheme => "unix";

    /// <summary>The path; an abstract name begins with <c>@</c>.</summary>
    public string Path { get; }

    /// <summary>To listen at: who may connect.</summary>
    public UnixFileMode? Mode { get; }

    /// <summary>Whether it is an abstract name, which has no file and no mode: every user of the machine may connect.</summary>
    public bool IsAbstract => Path[0] == '@';

    internal static AddressProblem? FindPathProblem(string path)
    {
        int half = AddressText.FindLoneSurrogate(path);
        return half >= 0 ? new AddressProblem(AddressPart.Name, "Half a surrogate pair is no character.")
            : UnixName.FindProblem(path) is { } problem ? new AddressProblem(AddressPart.Name, problem)
            : null;
    }

    internal static AddressProblem? FindModeProblem(string path, UnixFileMode? mode)
        => mode is null ? null
        : (mode & ~Permissions) != UnixFileMode.None
            ? new AddressProblem(ModeParameter, "A socket has permissions, and no other mode bits.")
        : path[0] is '@' or '\0' ? new AddressProblem(ModeParameter, "An abstract name has no file, and so no mode.")
        : null;

    internal override AddressProblem? FindProblem(AddressUse use)
        => use == AddressUse.Connect && Mode is not null
            ? new AddressProblem(ModeParameter, "mode= is to listen at: a client finds the socket as it is.")
            : null;

    private protected override string Format()
    {
        string text = $"{Scheme}:{FormatPath(Path)}";
        return Mode is { } mode ? $"{text}?{ModeParameter}={Convert.ToString((int)mode, 8).PadLeft(4, '0')}" : text;
    }

    // Two slashes at the beginning would announce a host.
    internal static string FormatPath(string path)
    {
        string text = AddressText.Escape(path, "?");
        return text.StartsWith("//", StringComparison.Ordinal) ? $"/%2F{text[2..]}" : text;
    }
}

/// <summary>
/// <c>pipe:name</c>: a named pipe as <c>System.IO.Pipes</c> has them. On Unix those are Unix sockets, at <c>CoreFxPipe_name</c> in
/// the directory of temporary files, or at the path itself when it begins with a slash; so either end may be a
/// <c>NamedPipeServerStream</c> or <c>NamedPipeClientStream</c>. On Windows there is no server.
/// </summary>
public sealed record PipeAddress : ServiceAddress
{
    // .NET's, by which it means "no name".
    private const string Anonymous = "anonymous";
    private const string Prefix = "CoreFxPipe_";

    /// <summary>Creates the address.</summary>
    /// <param name="name">A name without a slash; or a path that begins with one, on Unix.</param>
    /// <exception cref="ArgumentException">It cannot be one.</exception>
    public PipeAddress(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (FindNameProblem(name) is { } problem)
        {
            throw new ArgumentException(problem.Message, nameof(name));
        }

        Name = name;
    }

    /// <inheritdoc/>
    public override string Scheme => "pipe";

    /// <summary>The name.</summary>
    public string Name { get; }

    /// <summary>Where the pipe's socket is, on Unix.</summary>
    internal string SocketPath
        => Name[0] == '/' ? Name : System.IO.Path.Combine(System.IO.Path.GetTempPath(), Prefix + Name);

    internal static AddressProblem? FindNameProblem(string name)
    {
        string? problem = name switch
        {
            "" => "Expected the name of a pipe.",
            Anonymous => "\"anonymous\" is no name: .NET means pipes without one by it.",
            _ when name.Contains('\0', StringComparison.Ordinal) => "The name has a zero character in it.",
            _ when AddressText.FindLoneSurrogate(name) >= 0 => "Half a surrogate pair is no character.",
            _ when name[0] == '/' && name[^1] == '/' => "The path is one of a directory.",
            _ when name[0] != '/' && name.Contains('/', StringComparison.Ordinal) =>
                "The name has a slash in it: it is a name alone, or a path that begins with one.",
            _ => null,
        };
        return problem is null ? null : new AddressProblem(AddressPart.Name, problem);
    }

    internal override AddressProblem? FindProblem(AddressUse use) => null;

    private protected override string Format() => $"{Scheme}:{UnixAddress.FormatPath(Name)}";
}

/// <summary>
/// <c>fd:3</c>: a stream socket that the process was started with, by its number; one that listens, or one that is connected.
/// It is taken from there once, and the number is then free for anything else. Not on Windows.
/// </summary>
public sealed record DescriptorAddress : ServiceAddress
{
    /// <summary>Creates the address.</summary>
    /// <param name="descriptor">The number of the descriptor.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public DescriptorAddress(int descriptor)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(descriptor);
        Descriptor = descriptor;
    }

    /// <inheritdoc/>
    public override string Scheme => "fd";

    /// <summary>The number.</summary>
    public int Descriptor { get; }

    internal override AddressProblem? FindProblem(AddressUse use) => null;

    private protected override string Format() => string.Create(CultureInfo.InvariantCulture, $"{Scheme}:{Descriptor}");
}

/// <summary>
/// <c>systemd:name</c>, to listen at: the sockets that systemd has passed under that name (<c>FileDescriptorName=</c>, or else the
/// name of the unit, as in <c>systemd:service.socket</c>). See <c>SocketActivation</c>.
/// </summary>
public sealed record SystemdAddress : ServiceAddress
{
    private const int MaxLength = 255; // FDNAME_MAX, sd_pid_notify_with_fds(3)

    /// <summary>Creates the address.</summary>
    /// <param name="name">1 to 255 characters of ASCII, without a colon.</param>
    /// <exception cref="ArgumentException">It cannot be one.</exception>
    public SystemdAddress(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (FindNameProblem(name) is { } problem)
        {
            throw new ArgumentException(problem.Message, nameof(name));
        }

        Name = name;
    }

    /// <inheritdoc/>
    public override string Scheme => "systemd";

    /// <summary>The name.</summary>
    public string Name { get; }

    internal static AddressProblem? FindNameProblem(string name)
        => name.Length is >= 1 and <= MaxLength && name.All(c => char.IsAscii(c) && !char.IsControl(c) && c != ':')
            ? null
            : new AddressProblem(
                AddressPart.Name,
                $"Expected the name of the passed sockets: 1 to {MaxLength} characters of ASCII, without a colon.");

    internal override AddressProblem? FindProblem(AddressUse use)
        => use == AddressUse.Connect
            ? new AddressProblem(AddressPart.Scheme, "systemd: is to listen at. A connected socket that was passed is fd:number.")
            : null;

    private protected override string Format() => $"{Scheme}:{AddressText.Escape(Name, "?")}";
}
