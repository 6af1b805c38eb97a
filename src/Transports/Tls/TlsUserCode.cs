using System.Runtime.InteropServices;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>
/// How a user's certificate callbacks are called within a handshake: on which loop, and in which execution context.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct TlsUserCode(EventLoop Loop, ExecutionContext? Context)
{
    /// <summary>Calls one. What it throws is reported, since it is the application's fault, and fails the handshake.</summary>
    public T Call<T>(Delegate callback, string name, Func<T> call)
    {
        try
        {
            using CallbackScope scope = Loop.Host.EnterUserCode(Context, callback.Target ?? callback, name);
            return call();
        }
        catch (Exception exception)
        {
            Loop.ReportError(new LoopError($"The {name} of TLS threw; the handshake fails.", exception));
            throw;
        }
    }
}
