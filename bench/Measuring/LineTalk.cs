using System.Diagnostics;

namespace Toolkit.Bench.Measuring;

/// <summary>A process that is spoken with in lines, and ends with what is asked of it here.</summary>
internal sealed class LineTalk : IDisposable
{
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly string _name;
    private volatile string? _lastError;

    public LineTalk(string name, ProcessStartInfo start)
    {
        _name = name;
        start.RedirectStandardError = true;
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, error) => _lastError = error.Data ?? _lastError;
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    /// <summary>How it has ended; null while it runs.</summary>
    public string? Ending
        => _process.HasExited ? $"{_name} has ended with status {_process.ExitCode}: {_lastError ?? "without a word"}" : null;

    /// <exception cref="MeasurementFailedException">It says nothing in time, or has ended.</exception>
    public string ReadLine(TimeSpan patience)
    {
        Task<string?> line = _process.StandardOutput.ReadLineAsync();
        if (!line.Wait(patience))
        {
            throw new MeasurementFailedException($"{_name} says nothing for {patience.TotalSeconds:N0} s.");
        }

        if (line.Result is null)
        {
            _process.WaitForExit(s_grace); // and with it its last words
            throw new MeasurementFailedException(Ending ?? $"{_name} has closed its output.");
        }

        return line.Result;
    }

    /// <exception cref="MeasurementFailedException">It has ended.</exception>
    public void Write(string text)
    {
        try
        {
            _process.StandardInput.Write(text);
            _process.StandardInput.Flush();
        }
        catch (IOException)
        {
            throw new MeasurementFailedException(Ending ?? $"{_name} has closed its input.");
        }
    }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended before.
        }

        if (!_process.WaitForExit(s_grace))
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }
}
