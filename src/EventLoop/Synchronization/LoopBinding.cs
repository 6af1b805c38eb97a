namespace Toolkit.Synchronization;

/// <summary>
/// The loop of something that has waiters: the one that runs where it is first used. So it may be made before the loop is, and
/// from then on is of no use anywhere else.
/// </summary>
internal struct LoopBinding
{
    private EventLoop? _loop;

    /// <summary>The loop, which runs on this thread.</summary>
    /// <exception cref="InvalidOperationException">No loop runs on this thread, or another than before.</exception>
    public EventLoop Loop
    {
        get
        {
            if (_loop is not { IsCurrent: true })
            {
                Bind();
            }

            return _loop!;
        }
    }

    /// <summary>Throws unless the loop runs on this thread.</summary>
    public void Verify() => _ = Loop;

    private void Bind()
    {
        _loop ??= EventLoop.Current;
        _loop.VerifyCurrent();
    }
}
