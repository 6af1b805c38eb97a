namespace Toolkit;

/// <summary>The kind of loop that was asked for by name cannot run on this machine; the message says why.</summary>
public sealed class BackendUnavailableException : PlatformNotSupportedException
{
    /// <summary>Creates the exception.</summary>
    public BackendUnavailableException(string backend, string reason, Exception? inner = null)
        : base($"The {backend} backend cannot run here: {reason}", inner)
    {
        Backend = backend;
    }

    /// <summary>The backend that was asked for.</summary>
    public string Backend { get; }
}
