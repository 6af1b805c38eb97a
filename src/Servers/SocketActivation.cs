using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit;

/// <summary>
/// Sockets that whoever has started the process holds ready for it: systemd's socket activation, sd_listen_fds(3). The port is
/// then open before the service is, and stays open while it restarts.
/// </summary>
public static partial class SocketActivation
{
    private const string ProcessVariable = "LISTEN_PID";
    private const string CountVariable = "LISTEN_FDS";
    private const string NamesVariable = "LISTEN_FDNAMES";

    private const int FirstDescriptor = 3;
    private const int SetDescriptorFlags = 2;
    private const int CloseOnExec = 1;
    private const string Unnamed = "unknown";

    // The last is a later addition, of no use here.
    private static readonly string[] s_variables = [ProcessVariable, CountVariable, NamesVariable, "LISTEN_PIDFDID"];

    // Passed, and not taken yet. They are close-on-exec, and open until somebody takes them.
    private static readonly List<PassedDescriptor> s_held = [];
    private static readonly Lock s_lock = new();

    /// <summary>
    /// Takes the sockets that were passed to this process, and takes the variables that say so out of the environment, so that
    /// neither a child nor a second call takes them again. They are close-on-exec from here on, and the caller's. Any thread.
    /// </summary>
    /// <returns>
    /// The sockets, in order: none when nothing was passed, or not to this process. Whether they listen, and on what, is looked at
    /// by who serves on them: <c>loop.CreateServerAsync(factory, sockets)</c>.
    /// </returns>
    /// <exception cref="AdoptFailedException">
    /// The variables contradict themselves, or a descriptor is no socket; all are then left to be taken by their names.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">Sockets were passed on a system that is not Linux.</exception>
    public static IReadOnlyList<ActivatedSocket> TakeSockets()
    {
        lock (s_lock)
        {
            s_held.AddRange(Receive());
            return Take(_ => true);
        }
    }

    /// <summary>
    /// Takes those of the passed sockets that have the given name, and holds the others, open, for later calls. Otherwise as the
    /// overload that takes all. Any thread.
    /// </summary>
    /// <param name="name">What the unit calls them (FileDescriptorName), or its unit's name.</param>
    /// <returns>The sockets, in order, at least one.</returns>
    /// <exception cref="AdoptFailedException">
    /// None has that name, or all that had it were taken; one that has it is no socket; or the variables contradict themselves.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">Sockets were passed on a system that is not Linux.</exception>
    public static IReadOnlyList<ActivatedSocket> TakeSockets(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (s_lock)
        {
            s_held.AddRange(Receive());
            if (!s_held.Exists(HasTheName))
            {
                string others = string.Join(
                    ", ",
                    s_held.Select(passed => $"\"{LogText.Escape(passed.Name)}\"").Distinct(StringComparer.Ordinal));
                throw new AdoptFailedException(
                    SocketError.NotSocket,
                    $"No socket named \"{LogText.Escape(name)}\" was passed, or it was taken already. "
                    + (others.Length > 0 ? $"There are {others}." : "Start this by a systemd socket unit."));
            }

            return Take(HasTheName);
        }

        bool HasTheName(PassedDescriptor passed) => string.Equals(passed.Name, name, StringComparison.Ordinal);
    }

    /// <summary>Gives back what was taken and could not be served on.</summary>
    internal static void Hold(IEnumerable<ActivatedSocket> sockets)
    {
        lock (s_lock)
        {
            s_held.InsertRange(0, sockets.Select(each => new PassedDescriptor(each.Name, (int)each.Socket.Handle, each.Socket)));
        }
    }

    /// <summary>What the variables say: the name of each socket.</summary>
    internal static string[] Parse(string? process, string? count, string? names, int ownProcess)
    {
        if (process is null)
        {
            return [];
        }

        if (!int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out int receiver) || receiver == 0)
        {
            throw Contradiction(ProcessVariable, process, "which is no process");
        }

        if (receiver != ownProcess || count is null)
        {
            return [];
        }

        if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int sockets)
            || sockets is < 1 or > int.MaxValue - FirstDescriptor)
        {
            throw Contradiction(CountVariable, count, "which is no number of descriptors");
        }

        if (names is null)
        {
            return DescriptorReserve.Contains(FirstDescriptor + (long)sockets)
                ? throw Contradiction(CountVariable, count, "more than the process may have")
                : [.. Enumerable.Repeat(Unnamed, sockets)];
        }

        string[] each = names.Split(':');
        return each.Length == sockets
            ? each
            : throw Contradiction(NamesVariable, names, $"not as many names as {CountVariable} says, {sockets}");
    }

    // None when one of them is no socket.
    private static ActivatedSocket[] Take(Predicate<PassedDescriptor> isWanted)
    {
        ActivatedSocket[] taken = [.. s_held.FindAll(isWanted).Select(passed => new ActivatedSocket(
            passed.Name, passed.Socket ?? throw NoSocket(passed)))];
        s_held.RemoveAll(isWanted);
        return taken;
    }

    private static PassedDescriptor[] Receive()
    {
        string?[] values = Array.ConvertAll(s_variables, Environment.GetEnvironmentVariable);
        string[] names = Parse(values[0], values[1], values[2], Environment.ProcessId);
        if (names.Length > 0 && !OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("Sockets are passed by systemd, which is Linux's.");
        }

        Array.ForEach(s_variables, variable => Environment.SetEnvironmentVariable(variable, null));

        // All of them first, whatever becomes of one: a child must have none.
        for (int i = 0; i < names.Length; i++)
        {
            _ = SetFlags(FirstDescriptor + i, SetDescriptorFlags, CloseOnExec); // what is not open is no socket either
        }

        return [.. names.Select((name, i) => new PassedDescriptor(
            name, FirstDescriptor + i, InheritedSocket.TryOpen(FirstDescriptor + i, ownsHandle: true)))];
    }

    private static AdoptFailedException Contradiction(string variable, string value, string what)
        => new(SocketError.InvalidArgument, $"{variable} is \"{LogText.Escape(value)}\", {what}.");

    private static AdoptFailedException NoSocket(PassedDescriptor passed)
        => new(
            SocketError.NotSocket,
            $"The passed descriptor {passed.Descriptor}, named \"{LogText.Escape(passed.Name)}\", is no socket or not open.");

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int SetFlags(int descriptor, int command, int flags);

    private sealed record PassedDescriptor(string Name, int Descriptor, Socket? Socket);
}

/// <summary>A socket that was passed to the process.</summary>
/// <param name="Name">What the unit calls it (FileDescriptorName), or its unit's name.</param>
/// <param name="Socket">The socket.</param>
public sealed record ActivatedSocket(string Name, Socket Socket);
