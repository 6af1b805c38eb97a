using System.Globalization;

namespace Toolkit.Samples.Chat;

/// <summary>
/// All rooms, and everybody in them by nickname. It lives on one loop, so nothing in it is locked: what one member says is
/// written to all others within one callback, and therefore everybody in a room sees the same order.
/// </summary>
internal sealed class ChatHall
{
    /// <summary>The room in which everybody begins.</summary>
    public const string Lobby = "lobby";

    private readonly Dictionary<string, Member> _members = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, Room> _rooms = new(StringComparer.OrdinalIgnoreCase);
    private int _guests;

    /// <summary>
    /// How the connections of members behave. Who does not read is dropped when a megabyte waits for it: that is what a member
    /// may cost, and nobody waits for a slow one.
    /// </summary>
    public static TcpOptions ConnectionOptions { get; } = new()
    {
        WriteLimits = new WriteLimits(WriteLimits.DefaultHigh, hardCap: 1024 * 1024),
        LingerTime = TimeSpan.FromSeconds(5),
    };

    /// <summary>Listens for members.</summary>
    public Task<Server> ListenAsync(EventLoop loop, string host, int port, TlsServerOptions? tls = null)
        => loop.CreateServerAsync(() => new Member(this), host, port, new ServerOptions { Tcp = ConnectionOptions, Tls = tls });

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
