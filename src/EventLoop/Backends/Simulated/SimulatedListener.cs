using System.Net;

namespace Toolkit.Simulation;

/// <summary>A listening socket of a simulated host, with those who wait to be accepted.</summary>
internal sealed class SimulatedListener(SimulatedHost host, EndPoint endPoint, int backlog, bool sharesPort)
{
    private readonly Queue<SimulatedConnection> _waiting = new();
    private int _arriving; // between the first word of a newcomer and the last of the handshake

    public SimulatedHost Host { get; } = host;

    public EndPoint EndPoint { get; } = endPoint;

    public bool SharesPort { get; } = sharesPort;

    public int ReceiveCapacity { get; set; } = SimulatedConnection.DefaultBuffer;

    public int SendCapacity { get; set; } = SimulatedConnection.DefaultBuffer;

    public ISocketHolder? Holder { get; set; }

    public bool IsOpen { get; private set; } = true;

    public bool HasNewcomers => _waiting.Count > 0;

    /// <summary>Linux lets one more wait than was asked for.</summary>
    public bool IsFull => _waiting.Count + _arriving > backlog;

    public bool Serves(EndPoint target)
        => IsOpen && (EndPoint is IPEndPoint own && target is IPEndPoint wanted ? Serves(own, wanted) : EndPoint.Equals(target));

    public void Expect() => _arriving++;

    public void ExpectNoMore() => _arriving--;

    /// <summary>The handshake is over.</summary>
    public void Enqueue(SimulatedConnection newcomer)
    {
        _waiting.Enqueue(newcomer);
        Holder?.OnSocketChanged();
    }

    public SimulatedConnection Accept() => _waiting.Dequeue();

    private static bool Serves(IPEndPoint own, IPEndPoint wanted)
        => own.Port == wanted.Port && own.AddressFamily == wanted.AddressFamily
            && (own.Address.Equals(wanted.Address)
                || own.Address.Equals(IPAddress.Any)
                || own.Address.Equals(IPAddress.IPv6Any));

    /// <summary>The host has crashed.</summary>
    public void Vanish()
    {
        IsOpen = false;
        Holder = null;
        Host.Forget(this);
        while (_waiting.TryDequeue(out SimulatedConnection? newcomer))
        {
            newcomer.Vanish();
        }
    }

    /// <summary>Those who wait are reset.</summary>
    public void Close()
    {
        IsOpen = false;
        Holder = null;
        Host.Forget(this);
        while (_waiting.TryDequeue(out SimulatedConnection? newcomer))
        {
            newcomer.Close(reset: true);
        }
    }
}
