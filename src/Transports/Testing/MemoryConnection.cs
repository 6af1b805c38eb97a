using Toolkit.Backends;
using Toolkit.Transports;

namespace Toolkit.Simulation;

/// <summary>
/// Two transports that are connected to each other in memory, for tests of protocols that need no network: on any kind of
/// loop, with the whole contract of <see cref="Transport"/> and <see cref="StreamProtocol"/>, and with the bytes cut as a
/// <see cref="Chunking"/> says.
/// </summary>
/// <remarks>
/// <para>
/// The transport is the one that TCP has, with its flow control, half-close, lingering close and reasons for an end; only what
/// is below it is no system. What one end writes is told to the other later, from the loop, in the iteration after its flush.
/// It takes no descriptor, and nothing in it depends on time, or on any chance but that of the chunking's seed.
/// </para>
/// <para>
/// As on TCP, <see cref="Transport.Abort()"/> is a reset to the other end, which loses what it had not received; a closed end
/// throws away what the other still sends, until that has ended too, or <see cref="TcpOptions.LingerTime"/> is over.
/// </para>
/// </remarks>
public sealed class MemoryConnection
{
    private MemoryConnection(Transport first, Transport second)
    {
        First = first;
        Second = second;
    }

    /// <summary>The first protocol's transport.</summary>
    public Transport First { get; }

    /// <summary>The second protocol's transport.</summary>
    public Transport Second { get; }

    /// <summary>
    /// Connects two protocols. Both are told of their connection from the loop, the first one first, and then this returns.
    /// Loop thread only.
    /// </summary>
    /// <param name="loop">The loop that the connection will live on.</param>
    /// <param name="first">The protocol at the first end, which has no connection.</param>
    /// <param name="second">Another, at the second end.</param>
    /// <param name="options">Chunking, window, and how the transports behave; null for the defaults.</param>
    /// <returns>The two transports.</returns>
    /// <exception cref="ArgumentException">Both ends have the same protocol.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="InvalidOperationException">The loop does not run, or not on this thread.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed; in the task, when that happens meanwhile.</exception>
    /// <remarks>
    /// What a <see cref="StreamProtocol.ConnectionMade"/> throws comes out of here too, with the connection aborted; both
    /// protocols are told of their end all the same.
    /// </remarks>
    public static Task<MemoryConnection> CreateAsync(
        EventLoop loop, StreamProtocol first, StreamProtocol second, MemoryConnectionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first == second)
        {
            throw new ArgumentException(
                "A protocol is the state of one end. Give the second end an object of its own.", nameof(second));
        }

        options ??= MemoryConnectionOptions.Default;
        options.Validate();
        loop.Host.VerifyRunning();
        return new Opening(loop, first, second, options).Begin();
    }

    /// <summary>
    /// A connection between the call that makes it and its being there. Protocols are never called from within a call of the
    /// user's, and whoever awaits it must not wait for ever when the loop ends.
    /// </summary>
    private sealed class Opening(EventLoop loop, StreamProtocol first, StreamProtocol second, MemoryConnectionOptions options)
        : ILoopResident
    {
        private readonly TaskCompletionSource<MemoryConnection> _completion = new();
        private readonly ExecutionContext? _context = LoopHost.CaptureContext();
        private bool _ended;

        int ILoopResident.ResidentIndex { get; set; }

        public Task<MemoryConnection> Begin()
        {
            loop.Host.AddResident(this);
            loop.UnsafeCallSoon(static self => ((Opening)self!).Open(), this);
            return _completion.Task;
        }

        void ILoopResident.OnLoopShutdown() => Fail();

        void ILoopResident.OnLoopShutdownExpired() => Fail();

        private void Open()
        {
            if (_ended)
            {
                return;
            }

            Leave();
            var backend = new MemoryBackend(loop, options);
            var origin = new ConnectionOrigin(loop, options.Tcp, _context, Owner: null);
            var firstTransport = new StreamTransport(origin, backend.First, first);
            var secondTransport = new StreamTransport(origin, backend.Second, second);
            Exception? failure = firstTransport.Start();
            Exception? secondFailure = secondTransport.Start();
            if ((failure ?? secondFailure) is { } thrown)
            {
                _completion.SetException(thrown);
            }
            else
            {
                _completion.SetResult(new MemoryConnection(firstTransport, secondTransport));
            }
        }

        private void Fail()
        {
            if (!_ended)
            {
                Leave();
                loop.UnsafeCallSoon(
                    static self => ((Opening)self!)._completion.SetException(new ObjectDisposedException(nameof(EventLoop))),
                    this);
            }
        }

        private void Leave()
        {
            _ended = true;
            loop.Host.RemoveResident(this);
        }
    }
}
