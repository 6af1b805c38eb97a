using System.Globalization;
using System.Net.Sockets;

namespace Toolkit.Samples.Chat;

/// <summary>
/// All rooms, and everybody in them by nickname. It lives on one loop, so nothing in it is locked: what one member says is
/// written to all others within one callback, and therefore everybody in a room sees the same order.
/// </summary>
internal sealed class ChatHall(ChatSettings? settings = null)
{
    /// <summary>The room in which everybody begins.</summary>
    public const string Lobby = "lobby";

    private static readonly TimeSpan s_quiet = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(1);

    private readonly ChatSettings _settings = settings ?? new ChatSettings();
    private readonly Dictionary<string, Member> _members = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, Room> _rooms = new(StringComparer.OrdinalIgnoreCase);
    private int _guests;

    /// <summary>What a member may cost.</summary>
    public ChatSettings Settings => _settings;

    /// <summary>Listens for members.</summary>
    public Task<Server> ListenAsync(EventLoop loop, string host, int port, TlsServerOptions? tls = null)
        => loop.CreateServerAsync(() => new Member(this), host, port, _settings.ToServerOptions() with { Tls = tls });

    /// <summary>Listens for members at addresses.</summary>
    public Task<Server> ListenAsync(EventLoop loop, IReadOnlyList<ServiceAddress> addresses, TlsServerOptions? tls = null)
        => loop.CreateServerAsync(() => new Member(this), addresses, _settings.ToServerOptions() with { Tls = tls });

    /// <summary>Waits for members on sockets that listen already.</summary>
    public Task<Server> ListenAsync(EventLoop loop, IReadOnlyList<Socket> sockets, TlsServerOptions? tls = null)
        => loop.CreateServerAsync(() => new Member(this), sockets, _settings.ToServerOptions() with { Tls = tls });

    /// <summary>
    /// Ends the server without losing what was said: nobody new is let in, what has arrived is still read and said to the rooms,
    /// until all have been quiet for a moment or a second is over, and then everybody is closed, which sends what they are to hear.
    /// </summary>
    public async Task DrainAsync(Server server, TimeSpan grace)
    {
        EventLoop loop = EventLoop.Current;
        TimeSpan began = loop.Time;
        server.Close();
        foreach (Member member in _members.Values)
        {
            member.LiftFloodGate();
        }

        long heard;
        do
        {
            heard = server.Connections.Sum(connection => connection.BytesReceived);
            await loop.Delay(s_quiet);
        }
        while (heard != server.Connections.Sum(connection => connection.BytesReceived) && loop.Time - began < s_lastWords);

        TimeSpan left = grace - (loop.Time - began);
        await server.DrainAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero);
    }

    /// <summary>A nickname for a newcomer.</summary>
    public string NameGuest(Member member)
    {
        string name;
        do
        {
            name = string.Create(CultureInfo.InvariantCulture, $"guest-{++_guests}");
        }
        while (!_members.TryAdd(name, member));

        return name;
    }

    /// <summary>Gives a member another nickname, unless somebody else has it.</summary>
    public bool TryRename(Member member, string name)
    {
        if (_members.TryGetValue(name, out Member? holder) && holder != member)
        {
            return false;
        }

        _members.Remove(member.Name);
        _members.Add(name, member);
        return true;
    }

    /// <summary>Whoever has the nickname.</summary>
    public Member? Find(string name) => _members.GetValueOrDefault(name);

    /// <summary>The room of that name, made when there is none.</summary>
    public Room Open(string name)
    {
        if (!_rooms.TryGetValue(name, out Room? room))
        {
            room = new Room(name);
            _rooms.Add(name, room);
        }

        return room;
    }

    /// <summary>
    /// A member leaves a room. An empty one is forgotten, but for the lobby, so that there are no more rooms than members.
    /// </summary>
    public void Leave(Room room, Member member)
    {
        room.Remove(member);
        if (room.Count == 0 && !string.Equals(room.Name, Lobby, StringComparison.OrdinalIgnoreCase))
        {
            _rooms.Remove(room.Name);
        }
    }

    /// <summary>A member is gone.</summary>
    public void Forget(Member member) => _members.Remove(member.Name);
}
