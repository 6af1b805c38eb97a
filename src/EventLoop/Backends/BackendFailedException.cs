namespace Toolkit;

/// <summary>
/// The system has stopped serving a loop that ran: a fault so deep that the loop cannot go on. It comes out of the loop's run.
/// </summary>
public sealed class BackendFailedException : IOException
{
    /// <summary>Creates the exception.</summary>
    public BackendFailedException(string backend, string reason, Exception? inner = null)
        : base($"The {backend} backend cannot go on: {reason}", inner)
    {
        Backend = backend;
    }

    /// <summary>The backend that failed.</summary>
    public string Backend { get; }
}
