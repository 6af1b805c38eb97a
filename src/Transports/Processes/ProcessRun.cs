using System.Buffers;

namespace Toolkit.Transports;

/// <summary>A child that is run to its end: it is fed, its output is collected, and its limits are kept.</summary>
internal sealed class ProcessRun(EventLoop loop, ReadOnlyMemory<byte> input, RunOptions limits) : SubprocessProtocol
{
    private readonly ArrayBufferWriter<byte> _output = new();
    private readonly ArrayBufferWriter<byte> _error = new();
    private ReadOnlyMemory<byte> _input = input;
    private ProcessLimit? _exceeded;
    private TimerHandle? _timer;

    public override void ConnectionMade()
    {
        if (limits.Timeout is { } time)
        {
            _timer = loop.CallLater(time, () => Exceed(ProcessLimit.Time));
        }

        if (Transport.GetPipeTransport(0) is { CanWriteEof: true } pipe)
        {
            pipe.Write(_input.Span);
            pipe.WriteEof();
        }
        else if (Transport.GetPipeTransport(0) is { } terminal)
        {
            terminal.Write(_input.Span);
        }

        _input = default;
    }

    public override void PipeDataReceived(int fd, ReadOnlySpan<byte> data)
    {
        ArrayBufferWriter<byte> collected = fd == 2 ? _error : _output;
        int room = Math.Min(limits.MaxOutput - collected.WrittenCount, data.Length);
        collected.Write(data[..room]);
        if (room < data.Length)
        {
            Transport.GetPipeTransport(fd)!.PauseReading();
            Exceed(ProcessLimit.Output);
        }
    }

    /// <summary>Waits for the end, whatever it is. The child is over when this is.</summary>
    public async Task<ProcessResult> WaitAsync(CancellationToken cancellationToken)
    {
        try
        {
            ExitStatus status = await Transport.WaitExitedAsync(cancellationToken);
            if (_exceeded is null)
            {
                await CancelScope.MoveOnAfterAsync(
                    limits.DrainTime, async _ => await Transport.WaitCompletedAsync(cancellationToken));
            }

            var result = new ProcessResult(status, _output.WrittenMemory, _error.WrittenMemory);
            return _exceeded switch
            {
                null => result,
                ProcessLimit.Time => throw new ProcessLimitException(
                    ProcessLimit.Time, result, $"The child has not ended within {limits.Timeout}."),
                _ => throw new ProcessLimitException(
                    ProcessLimit.Output, result, $"The child has written more than {limits.MaxOutput} bytes."),
            };
        }
        finally
        {
            _timer?.Cancel();
            Transport.Close();
            await CancelScope.RunAsync(async _ => await Transport.WaitCompletedAsync(), shield: true);
        }
    }

    private void Exceed(ProcessLimit limit)
    {
        if (_exceeded is null && Transport.ExitStatus is null)
        {
            _exceeded = limit;
            Transport.Terminate();
            _timer?.Cancel();
            _timer = loop.CallLater(limits.Grace, Transport.Close);
        }
        else
        {
            // Too late for the time, and never for the rest of the output.
            _exceeded ??= limit == ProcessLimit.Output ? limit : null;
        }
    }
}
