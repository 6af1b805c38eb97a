using System.Diagnostics;
using System.Globalization;
using Bogus;

namespace Toolkit.Samples.Chat;

/// <summary>How large a crowd is.</summary>
internal sealed record LoadSize(int Users, int Rooms, int Messages);

/// <summary>
/// A crowd that talks to a server, all of it on one loop. It ends when everybody has heard everything that was said in their
/// room, in the same order; or when something is lost, out of order, or does not come.
/// </summary>
internal sealed class LoadRun
{
    private const int Seed = 1;
    private const int Sentences = 1_000;
    private const int ConnectingAtOnce = 100;

    private static readonly TimeSpan s_progressEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    private readonly EventLoop _loop;
    private readonly LoadSize _size;
    private readonly LoadRoom[] _rooms;
    private readonly LoadUser[] _users;
    private readonly TaskCompletionSource _joined = new();
    private readonly TaskCompletionSource<string?> _ended = new();
    private int _joinedCount;
    private int _finishedCount;
    private long _heardCount;

    private LoadRun(EventLoop loop, LoadSize size)
    {
        _loop = loop;
        _size = size;
        var faker = new Faker { Random = new Randomizer(Seed) };
        string[] sentences = [.. Enumerable.Range(0, Sentences).Select(_ => faker.Hacker.Phrase())];
        _rooms = [.. Enumerable.Range(0, Math.Min(size.Rooms, size.Users)).Select(i => new LoadRoom(
            string.Create(CultureInfo.InvariantCulture, $"load-{Environment.ProcessId}-{i}")))];
        _users = new LoadUser[size.Users];
        for (int i = 0; i < size.Users; i++)
        {
            string first = string.Concat(faker.Name.FirstName().Where(char.IsLetter));
            string name = string.Create(CultureInfo.InvariantCulture, $"{first}-{i}");
            int quota = (size.Messages / size.Users) + (i < size.Messages % size.Users ? 1 : 0);
            LoadRoom room = _rooms[i % _rooms.Length];
            _users[i] = new LoadUser(this, room, room.AddSpeaker(quota), quota, name, sentences);
        }

        _finishedCount = _users.Count(user => user.Room.Total == 0);
    }

    /// <summary>Runs a crowd.</summary>
    /// <returns>The exit code: 1 when anything was lost or out of order, or the server cannot be reached.</returns>
    public static int Run(ServiceAddress? address, string host, int port, LoadSize size)
    {
        try
        {
            return EventLoop.Run(loop => new LoadRun(loop, size).RunAsync(address ?? new TcpAddress(host, port)));
        }
        catch (Exception exception) when (exception is IOException or ArgumentException)
        {
            Console.Error.WriteLine(exception.Message);
            return 1;
        }
    }

    /// <summary>A user has joined its room.</summary>
    public void OnJoined()
    {
        if (++_joinedCount == _users.Length)
        {
            _joined.TrySetResult();
        }
    }

    /// <summary>A user has heard a line.</summary>
    public void OnHeard(bool isLast)
    {
        _heardCount++;
        if (isLast && ++_finishedCount == _users.Length)
        {
            _ended.TrySetResult(null);
        }
    }

    /// <summary>Something is wrong.</summary>
    public void Fail(string what) => _ended.TrySetResult(what);

    private async Task<int> RunAsync(ServiceAddress address)
    {
        foreach (LoadUser[] some in _users.Chunk(ConnectingAtOnce))
        {
            await Task.WhenAll(some.Select(user => _loop.CreateConnectionAsync(() => user, address)));
        }

        await Task.WhenAny(_joined.Task, _ended.Task).WaitAsync(s_patience, _loop.TimeProvider);
        var watch = Stopwatch.StartNew();
        foreach (LoadUser user in _users)
        {
            user.Begin();
        }

        string? failure = await WatchAsync();
        double seconds = watch.Elapsed.TotalSeconds;
        foreach (LoadUser user in _users)
        {
            user.Leave();
        }

        string what = string.Create(
            CultureInfo.InvariantCulture,
            $"{_size.Messages} messages of {_users.Length} users in {_rooms.Length} rooms: {_heardCount} lines heard in "
            + $"{seconds:F1} s, {_heardCount / seconds:F0} a second");
        Console.Out.WriteLine(failure is null ? $"{what}; all in the same order, none lost" : $"{what}; FAILED: {failure}");
        return failure is null ? 0 : 1;
    }

    // Waits for the end, as long as there is progress.
    private async Task<string?> WatchAsync()
    {
        long expected = _users.Sum(user => (long)user.Room.Total);
        long last = -1;
        TimeSpan still = TimeSpan.Zero;
        while (!_ended.Task.IsCompleted)
        {
            await Task.WhenAny(_ended.Task, Task.Delay(s_progressEvery, _loop.TimeProvider));
            Console.Error.WriteLine($"{_heardCount} of {expected} lines heard");
            still = _heardCount == last ? still + s_progressEvery : TimeSpan.Zero;
            last = _heardCount;
            if (still >= s_patience)
            {
                Fail($"{expected - _heardCount} lines did not come");
            }
        }

        return await _ended.Task;
    }
}
