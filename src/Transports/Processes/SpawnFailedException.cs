namespace Toolkit;

/// <summary>Why a child could not be started.</summary>
public enum SpawnError
{
    /// <summary>The system has another reason, which the message says.</summary>
    Other,

    /// <summary>There is no such program.</summary>
    ProgramNotFound,

    /// <summary>It is a directory, or no program, or this process may not run it.</summary>
    NotExecutable,

    /// <summary>There is no such working directory, or this process may not enter it.</summary>
    WorkingDirectory,

    /// <summary>The arguments and the environment are longer than the system takes.</summary>
    ArgumentsTooLong,

    /// <summary>A file or a handle that the child was to have cannot be had.</summary>
    Stream,

    /// <summary>This process or the system has no descriptor to spare.</summary>
    OutOfDescriptors,

    /// <summary>The system has no process or no memory to spare.</summary>
    OutOfProcesses,
}

/// <summary>A child could not be started. Nothing of it is left behind.</summary>
public sealed class SpawnFailedException : IOException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="error">Why.</param>
    /// <param name="fileName">What was to be started.</param>
    /// <param name="message">Why, in a sentence.</param>
    /// <param name="innerException">What the system said.</param>
    public SpawnFailedException(SpawnError error, string fileName, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Error = error;
        FileName = fileName;
    }

    /// <summary>Why.</summary>
    public SpawnError Error { get; }

    /// <summary>What was to be started.</summary>
    public string FileName { get; }
}
