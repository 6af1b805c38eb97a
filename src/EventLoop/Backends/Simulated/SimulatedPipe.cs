using System.Globalization;
using System.Net.Sockets;

namespace Toolkit.Simulation;

/// <summary>
/// A pipe of a simulated host: bytes in order, as many as it has room for, between whoever holds its ends. An end may be held
/// several times, and is closed when nobody holds it any more.
/// </summary>
/// <remarks>
/// What is written is there at once, as it is within one machine; when a loop is told of it, the seed decides. What was not read
/// when the last reader goes is lost, and its writer is told so only by what it still writes (pipe(7)).
/// </remarks>
internal sealed class SimulatedPipe
{
    private readonly SimulatedHost _host;
    private readonly ByteQueue _bytes = new();
    private readonly int _capacity;
    private readonly long _number;
    private bool _isGone;

    public SimulatedPipe(SimulatedHost host, int capacity, long number)
    {
        _host = host;
        _capacity = capacity;
        _number = number;
        Reader = new End(this, isReader: true);
        Writer = new End(this, isReader: false);
        Note($"{capacity} bytes long");
    }

    public End Reader { get; }

    public End Writer { get; }

    private int Room => _capacity - _bytes.Length;

    /// <summary>The host has crashed, and nobody is told.</summary>
    public void Vanish()
    {
        _isGone = true;
        _bytes.Clear();
        Reader.Vanish();
        Writer.Vanish();
    }

    private void OnClosed(End end)
    {
        Note(end == Reader ? "has no reader any more" : "has no writer any more");
        if (end == Reader)
        {
            _bytes.Clear();
        }

        (end == Reader ? Writer : Reader).Notify();
        if (!Reader.IsOpen && !Writer.IsOpen)
        {
            _host.Forget(this);
        }
    }

    private void Note(string what)
        => _host.World.Note(string.Create(CultureInfo.InvariantCulture, $"pipe {_number} of {_host.Name} {what}"));

    /// <summary>One end, which is held by those who have a descriptor of it.</summary>
    public sealed class End(SimulatedPipe pipe, bool isReader) : ISimulatedStream
    {
        private readonly List<ISocketHolder> _holders = [];
        private int _descriptors;

        public SimulatedHost Host => pipe._host;

        public bool IsReader => isReader;

        public bool IsOpen => _descriptors > 0;

        public int Available => isReader ? pipe._bytes.Length : 0;

        public SocketError Failure => isReader || Other.IsOpen ? SocketError.Success : SocketError.Shutdown;

        public bool IsReadable => isReader && (pipe._bytes.Length > 0 || !Other.IsOpen);

        public bool IsWritable => !isReader && (pipe.Room > 0 || !Other.IsOpen);

        public bool HasHungUp => !Other.IsOpen;

        /// <summary>Where it stands, for messages.</summary>
        public string Description => string.Create(
            CultureInfo.InvariantCulture, $"pipe {pipe._number}, with {pipe._bytes.Length} of {pipe._capacity} bytes in it");

        private End Other => isReader ? pipe.Writer : pipe.Reader;

        /// <summary>Takes a descriptor of this end, if the host has one left.</summary>
        public bool TryHold(ISocketHolder? holder)
        {
            if (pipe._isGone || !Host.TryTakeDescriptor())
            {
                return false;
            }

            _descriptors++;
            if (holder is not null)
            {
                _holders.Add(holder);
            }

            return true;
        }

        /// <summary>A descriptor is closed.</summary>
        public void LetGo(ISocketHolder? holder)
        {
            if (pipe._isGone)
            {
                return; // with its host, which counts anew
            }

            Host.GiveDescriptorBack();
            if (holder is not null)
            {
                _holders.Remove(holder);
            }

            if (--_descriptors == 0)
            {
                pipe.OnClosed(this);
            }
        }

        public void Vanish()
        {
            _holders.Clear();
            _descriptors = 0;
        }

        public void Notify()
        {
            foreach (ISocketHolder holder in _holders)
            {
                holder.OnSocketChanged();
            }
        }

        public int Send(ReadOnlySpan<byte> data, out SocketError error)
        {
            error = isReader ? SocketError.Shutdown : Failure;
            if (error != SocketError.Success)
            {
                return 0;
            }

            int count = Math.Min(data.Length, pipe.Room);
            if (count > 0)
            {
                pipe._bytes.Append(data[..count]);
                pipe.Note(string.Create(CultureInfo.InvariantCulture, $"takes {count} bytes"));
                Other.Notify();
            }

            error = count == data.Length ? SocketError.Success : SocketError.WouldBlock;
            return count;
        }

        public int Receive(Span<byte> target)
        {
            int count = pipe._bytes.Take(target);
            if (count > 0)
            {
                Other.Notify();
            }

            return count;
        }
    }
}
