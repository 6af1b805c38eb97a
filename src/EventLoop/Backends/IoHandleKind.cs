namespace Toolkit.Backends;

/// <summary>What stands behind an <see cref="IoHandle"/>, which decides by which calls its bytes move and how it ends.</summary>
public enum IoHandleKind
{
    /// <summary>A socket, which has two directions that end one by one.</summary>
    Socket,

    /// <summary>The end of a pipe, or of anything like one, that is read. Nothing is sent on it.</summary>
    PipeReader,

    /// <summary>The end that is written. Nothing is received on it; the hang-up watch tells that its reader is gone.</summary>
    PipeWriter,

    /// <summary>
    /// A terminal, or one side of a pseudo-terminal: both directions, of which neither ends alone. That the other side was
    /// closed, which Linux reports as an input/output error, is the end of the stream.
    /// </summary>
    Terminal,

    /// <summary>A pipe of both directions, of which neither ends alone, as named pipes of Windows are.</summary>
    DuplexPipe,

    /// <summary>
    /// Something that becomes readable once and is not read, such as a descriptor that stands for a process:
    /// <see cref="ReadableOperation"/> is all that it is for.
    /// </summary>
    Event,
}
