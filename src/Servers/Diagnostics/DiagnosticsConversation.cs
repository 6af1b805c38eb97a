using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Toolkit;

/// <summary>
/// One who asks: requests are answered one after the other, and an answer is written no faster than it is read, a part of it in
/// each turn of the loop.
/// </summary>
internal sealed class DiagnosticsConversation : IDisposable
{
    /// <summary>So many entries of an answer are written in one turn: some 100 microseconds.</summary>
    private const int EntriesPerTurn = 64;

    private const int MaxRequest = 256;

    /// <summary>The version of the answers' form: another when something has gone or changed its meaning.</summary>
    private const int Form = 1;

    private readonly EventLoop _loop;
    private readonly StreamConnection _connection;
    private readonly InquiredLoop[] _loops;
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly Utf8JsonWriter _json;

    public DiagnosticsConversation(EventLoop loop, StreamConnection connection, InquiredLoop[] loops)
    {
        _loop = loop;
        _connection = connection;
        _loops = loops;
        _json = new Utf8JsonWriter(_buffer);
    }

    /// <summary>What a request may be.</summary>
    public static StreamOptions StreamOptions { get; } = new() { MaxLength = MaxRequest, InputHighWater = 4 * MaxRequest };

    /// <summary>Answers until the peer has no more to ask.</summary>
    /// <param name="draining">Ends the wait for a request.</param>
    public async Task RunAsync(CancellationToken draining)
    {
        IDisposable[] measurements = [.. _loops.Select(each => each.Loop.Host.MeasureTimes())];
        try
        {
            await DiagnosticsWarmth.WarmUpAsync(_loop);
            while (await ReadAsync(draining) is { } line)
            {
                await AnswerAsync(line);
            }
        }
        finally
        {
            Array.ForEach(measurements, measurement => measurement.Dispose());
        }
    }

    /// <summary>Says no.</summary>
    public Task RefuseAsync() => SendErrorAsync("Only the user who runs the process, and root, may ask.");

    public void Dispose() => _json.Dispose();

    private async Task<byte[]?> ReadAsync(CancellationToken draining)
    {
        try
        {
            return await _connection.ReadLineAsync(draining) is { } line ? line.Span.Trim((byte)' ').ToArray() : null;
        }
        catch (FramingException)
        {
            await SendErrorAsync($"A request is one word on a line, and no longer than {MaxRequest} bytes.");
            return null; // where it ends nobody knows
        }
    }

    private async Task AnswerAsync(byte[] word)
    {
        if (DiagnosticsRequest.Find(word) is not { } request)
        {
            await SendErrorAsync($"There is no request \"{Encoding.UTF8.GetString(word)}\".");
            return;
        }

        BeginAnswer();
        _json.WriteString("request", request.Word);
        if (request.Parts == LoopParts.None)
        {
            WriteRequests();
        }
        else
        {
            _json.WriteNumber("process", Environment.ProcessId);
            _json.WriteString("time", _loop.TimeProvider.GetUtcNow());
            await WriteLoopsAsync(request.Parts);
        }

        await EndAnswerAsync();
    }

    private async Task SendErrorAsync(string error)
    {
        BeginAnswer();
        _json.WriteString("error", error);
        WriteRequests();
        await EndAnswerAsync();
    }

    private void WriteRequests()
    {
        _json.WriteStartObject("requests");
        foreach (DiagnosticsRequest request in DiagnosticsRequest.All)
        {
            _json.WriteString(request.Word, request.Description);
        }

        _json.WriteEndObject();
    }

    private async Task WriteLoopsAsync(LoopParts parts)
    {
        // All are asked at once, and none is waited for longer than the others.
        TimeSpan deadline = _loop.Time + _loops[0].AnswerTime;
        Task<(LoopAnswerState State, LoopInquiry Inquiry)>[] answers =
            [.. _loops.Select(each => each.AskAsync(parts, deadline))];
        await Task.WhenAll(answers);
        _json.WriteStartArray("loops");
        for (int i = 0; i < _loops.Length; i++)
        {
            (LoopAnswerState state, LoopInquiry inquiry) = await answers[i];
            await WriteLoopAsync(_loops[i], state, inquiry, parts);
        }

        _json.WriteEndArray();
    }

    private async Task WriteLoopAsync(InquiredLoop asked, LoopAnswerState state, LoopInquiry inquiry, LoopParts parts)
    {
        _json.WriteStartObject();
        _json.WriteString("name", asked.Loop.Name);
        _json.WriteString("backend", asked.Loop.BackendName);
        _json.WriteString("state", JsonNamingPolicy.CamelCase.ConvertName(state.ToString()));
        _json.WriteBoolean("isServing", asked.IsServing);
        if (asked.LastSeen is { } lastSeen)
        {
            _json.WriteString("lastSeen", lastSeen);
        }

        // The numbers are there from any thread, and what a busy loop has done is what one wants to know.
        if (parts.HasFlag(LoopParts.Metrics) && state != LoopAnswerState.Ended)
        {
            _json.WritePropertyName("metrics");
            JsonSerializer.Serialize(_json, asked.Loop.Counters, DiagnosticsJson.Default.LoopCounters);
        }

        if (state == LoopAnswerState.Running && parts.HasFlag(LoopParts.Transports))
        {
            await WriteEntriesAsync("servers", inquiry.Servers, DiagnosticsJson.Default.ServerInfo);
            await WriteEntriesAsync("transports", inquiry.Transports, DiagnosticsJson.Default.TransportInfo);
            _json.WriteNumber("transportsLeftOut", inquiry.TransportsLeftOut);
        }

        if (state == LoopAnswerState.Running && inquiry.Tasks is { } tasks)
        {
            await WriteEntriesAsync("tasks", tasks.Entries, DiagnosticsJson.Default.TaskTreeEntry);
            _json.WriteNumber("tasksLeftOut", tasks.TasksLeftOut);
            await WriteEntriesAsync("circles", tasks.Circles, DiagnosticsJson.Default.IReadOnlyListString);
        }

        _json.WriteEndObject();
    }

    private async Task WriteEntriesAsync<T>(string name, IReadOnlyList<T> entries, JsonTypeInfo<T> type)
    {
        _json.WriteStartArray(name);
        for (int i = 0; i < entries.Count; i++)
        {
            JsonSerializer.Serialize(_json, entries[i], type);
            if ((i + 1) % EntriesPerTurn == 0)
            {
                await SendAsync();
                await _loop.Yield();
            }
        }

        _json.WriteEndArray();
    }

    private void BeginAnswer()
    {
        _json.Reset();
        _json.WriteStartObject();
        _json.WriteNumber("toolkit", Form);
    }

    private Task EndAnswerAsync()
    {
        _json.WriteEndObject();
        MoveToBuffer();
        _buffer.Write("\n"u8);
        return SendAsync();
    }

    // Which blocks nobody: it is memory.
    private void MoveToBuffer() => _json.Flush();

    private async Task SendAsync()
    {
        MoveToBuffer();
        await _connection.WriteAsync(_buffer.WrittenMemory);
        _buffer.ResetWrittenCount();
    }
}
