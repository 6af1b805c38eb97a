using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Toolkit.Backends;

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
    private static readonly List<ActivatedSocket> s_held = [];
    private static readonly Lock s_lock = new();

    /// <summary>
    /// Takes the sockets that were passed to this process, and takes the variables that say so out of the environment, so that
    /// neither a child nor a second call takes them again. They are close-on-exec from here on, and the caller's. Any thread.
    /// </summary>
    /// <returns>
    /// The sockets, in order: none when nothing was passed, or not to this process. Whether they listen, and on what, is looked at
    /// by who serves on them: <c>loop.CreateServerAsync(factory, sockets)</c>.
    /// </returns>
    /// <exception cref="AdoptFailedException">The variables contradict themselves, or a descriptor is no socket.</exception>
    /// <exception cref="PlatformNotSupportedException">Sockets were passed on a system that is not Linux.</exception>
    public static IReadOnlyList<ActivatedSocket> TakeSockets()
    {
        lock (s_lock)
        {
            s_held.AddRange(Receive());
            ActivatedSocket[] taken = [.. s_held];
            s_held.Clear();
            return taken;
        }
    }

    /// <summary>
    /// Takes those of the passed sockets that have the given name, and holds the others, open, for later calls. Otherwise as the
    /// overload that takes all. Any thread.
    /// </summary>
    /// <param name="name">What the unit calls them (FileDescriptorName), or its unit's name.</param>
    /// <returns>The sockets, in order, at least one.</returns>
    /// <exception cref="AdoptFailedException">
    /// None has that name, or all that had it were taken; or the variables contradict themselves, or a descriptor is no socket.
    /// </exception>
    /// <exception cref="PlatformNotSupportedException">Sockets were passed on a system that is not Linux.</exception>
    public static IReadOnlyList<ActivatedSocket> TakeSockets(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        lock (s_lock)
        {
            s_held.AddRange(Receive());
            ActivatedSocket[] taken = [.. s_held.Where(HasTheName)];
            if (taken.Length == 0)
            {
                string others = string.Join(
                    ", ",
                    s_held.Select(socket => $"\"{LogText.Escape(socket.Name)}\"").Distinct(StringComparer.Ordinal));
                throw new AdoptFailedException(
                    SocketError.NotSocket,
                    $"No socket named \"{LogText.Escape(name)}\" was passed, or it was taken already. "
                    + (others.Length > 0 ? $"There are {others}." : "Start this by a systemd socket unit."));
            }

            s_held.RemoveAll(HasTheName);
            return taken;
        }

        bool HasTheName(ActivatedSocket socket) => string.Equals(socket.Name, name, StringComparison.Ordinal);
    }

    /// <summary>Gives back what was taken and could not be served on.</summary>
    internal static void Hold(IEnumerable<ActivatedSocket> sockets)
    {
        lock (s_lock)
        {
            s_held.InsertRange(0, sockets);
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

    private static List<ActivatedSocket> Receive()
    {
        string?[] values = Array.ConvertAll(s_variables, Environment.GetEnvironmentVariable);
        Array.ForEach(s_variables, variable => Environment.SetEnvironmentVariable(variable, null));
        string[] names = Parse(values[0], values[1], values[2], Environment.ProcessId);
        if (names.Length > 0 && !OperatingSystem.IsLinux())
        {
            throw new PlatformNotSupportedException("Sockets are passed by systemd, which is Linux's.");
        }

        // All of them first, whatever becomes of one: a child must have none.
        for (int i = 0; i < names.Length; i++)
        {
            if (SetFlags(FirstDescriptor + i, SetDescriptorFlags, CloseOnExec) < 0)
            {
                throw NoSocket(names[i], i);
            }
        }

        var sockets = new List<ActivatedSocket>();
        for (int i = 0; i < names.Length; i++)
        {
            var handle = new SafeSocketHandle(FirstDescriptor + i, ownsHandle: true);
            try
            {
                var socket = new Socket(handle);
                _ = socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Type); // the first to notice that it is none
                sockets.Add(new ActivatedSocket(names[i], socket));
            }
            catch (Exception exception) when (exception is SocketException or ArgumentException)
            {
                handle.Dispose();
                sockets.ForEach(socket => socket.Socket.Dispose());
                throw NoSocket(names[i], i);
            }
        }

        return sockets;
    }

    private static AdoptFailedException Contradiction(string variable, string value, string what)
        => new(SocketError.InvalidArgument, $"{variable} is \"{LogText.Escape(value)}\", {what}.");

    private static AdoptFailedException NoSocket(string name, int index)
        => new(
            SocketError.NotSocket,
            $"The passed descriptor {FirstDescriptor + index}, named \"{LogText.Escape(name)}\", is no socket or not open.");

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int SetFlags(int descriptor, int command, int flags);
}

/// <summary>A socket that was passed to the process.</summary>
/// <param name="Name">What the unit calls it (FileDescriptorName), or its unit's name.</param>
/// <param name="Socket">The socket.</param>
public sealed record ActivatedSocket(string Name, Socket Socket);
