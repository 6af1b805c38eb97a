using System.Runtime.CompilerServices;
using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit.Simulation;

/// <summary>The programs that the loops of a simulated world can start.</summary>
public static class SimulatedPrograms
{
    private static readonly ConditionalWeakTable<SimulatedWorld, Registry> s_registries = [];

    /// <param name="world">The world.</param>
    extension(SimulatedWorld world)
    {
        /// <summary>
        /// Makes a program that <c>SpawnAsync</c> and its relatives find by its name, on every loop of the world: nothing of the
        /// machine's is started, and a run is repeated exactly by its seed.
        /// </summary>
        /// <param name="name">What <see cref="SpawnOptions.FileName"/> is to be.</param>
        /// <param name="main">The program. It returns its exit code; what it throws is reported to the loop's exception handler
        /// and ends it like signal 6.</param>
        public void AddProgram(string name, Func<SimulatedProcess, Task<int>> main)
        {
            ArgumentNullException.ThrowIfNull(world);
            ArgumentException.ThrowIfNullOrEmpty(name);
            ArgumentNullException.ThrowIfNull(main);
            s_registries.GetOrCreateValue(world).Programs[name] = main;
        }
    }

    internal static bool IsFor(EventLoop loop) => loop.BackendName.Contains("simulated", StringComparison.Ordinal);

    /// <summary>Starts a program, which runs from the next turn on.</summary>
    /// <exception cref="SpawnFailedException">There is no such program.</exception>
    /// <exception cref="NotSupportedException">The options ask for something of the machine's.</exception>
    internal static (SimulatedChild Child, IoHandle?[] Handles) Start(EventLoop loop, SpawnOptions options)
    {
        Registry registry = s_registries.GetOrCreateValue(SimulatedWorld.Of(loop));
        if (!registry.Programs.TryGetValue(options.FileName, out Func<SimulatedProcess, Task<int>>? main))
        {
            throw new SpawnFailedException(
                SpawnError.ProgramNotFound,
                options.FileName,
                $"There is no program '{options.FileName}' in this simulation. Make one by SimulatedWorld.AddProgram.");
        }

        if (options.Terminal is not null || options.ExtraDescriptors.Count > 0)
        {
            throw new NotSupportedException("A simulation has no terminals and no descriptors.");
        }

        var process = new SimulatedProcess(++registry.LastPid, options);
        IoHandle?[] handles = new IoHandle?[3];
        process.Input = Connect(loop, options.StandardInput, out handles[0], toChild: true);
        process.Output = Connect(loop, options.StandardOutput, out handles[1], toChild: false);
        process.Error = options.StandardError == ChildStream.Merge
            ? process.Output
            : Connect(loop, options.StandardError, out handles[2], toChild: false);
        return (new SimulatedChild(loop, process, main), handles);
    }

    // A pipe, of which the parent gets the handle.
    private static StreamConnection? Connect(EventLoop loop, ChildStream stream, out IoHandle? parents, bool toChild)
    {
        parents = null;
        if (stream == ChildStream.Null)
        {
            return null;
        }

        if (stream != ChildStream.Pipe)
        {
            throw new NotSupportedException("In a simulation a stream is a pipe, nobody's, or merged.");
        }

        var memory = new MemoryBackend(loop, new MemoryConnectionOptions());
        MemoryHandle.ConnectPipe(reader: memory.First, writer: memory.Second);
        (parents, IoHandle childs) = toChild ? (memory.Second, memory.First) : (memory.First, memory.Second);
        return TcpConnecting.MakeConnection(
            loop, static () => new StreamConnection(), childs, TcpOptions.Default, LoopHost.CaptureContext()).Protocol;
    }

    private sealed class Registry
    {
        public Dictionary<string, Func<SimulatedProcess, Task<int>>> Programs { get; } = new(StringComparer.Ordinal);

        public int LastPid { get; set; } = 1000;
    }
}
