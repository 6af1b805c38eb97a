using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Toolkit.Diagnostics;

/// <summary>What has run, by the name under which its author finds it; made out when it is asked for.</summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct CallbackName
{
    private readonly object _target;
    private readonly object? _state;
    private readonly string? _member;

    /// <summary>A callback and its state.</summary>
    public CallbackName(Action<object?> callback, object? state)
    {
        _target = callback;
        _state = state;
    }

    /// <summary>A method of an object.</summary>
    public CallbackName(object target, string member)
    {
        _target = target;
        _member = member;
    }

    public override string ToString()
    {
        if (_member is not null)
        {
            return $"{_target.GetType().Name}.{_member}";
        }

        // The continuation of an async method is a delegate of its state machine's box, or has the box for its state.
        var callback = (Delegate)_target;
        var inner = _state as Delegate;
        return NameOfCoroutine(inner?.Target ?? _state) ?? NameOf(inner ?? callback);
    }

    private static string NameOf(Delegate callback)
        => callback.Target is { } target && NameOfCoroutine(target) is { } name
            ? name
            : $"{callback.Method.DeclaringType?.Name}.{callback.Method.Name}";

    private static string? NameOfCoroutine(object? box)
    {
        Type? machine = box?.GetType() is { IsGenericType: true } type
            ? Array.Find(type.GetGenericArguments(), typeof(IAsyncStateMachine).IsAssignableFrom)
            : null;
        if (machine is null)
        {
            return null;
        }

        // Its type is called <Method>d__1, within the type that has the method.
        int end = machine.Name.LastIndexOf('>');
        string method = end > 1 ? machine.Name[1..end] : machine.Name;
        return $"{machine.DeclaringType?.Name}.{method}";
    }
}
