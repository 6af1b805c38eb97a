using System.Net;

namespace Toolkit.Tests.Contracts;

/// <summary>A resolver that the test answers for, and that writes down what it was asked.</summary>
internal sealed class TestResolver(Func<string, CancellationToken, ValueTask<IReadOnlyList<IPAddress>>> answer) : NameResolver
{
    public TestResolver(params IPAddress[] addresses)
        : this((_, _) => ValueTask.FromResult<IReadOnlyList<IPAddress>>(addresses))
    {
    }

    public List<string> Asked { get; } = [];

    /// <summary>One that answers nobody and heeds no token.</summary>
    public static TestResolver Hanging(Action<CancellationToken> asked) => new((_, token) =>
    {
        asked(token);
        return new(new TaskCompletionSource<IReadOnlyList<IPAddress>>().Task);
    });

    /// <summary>One that fails.</summary>
    public static TestResolver Throwing(Exception failure)
        => new((_, _) => ValueTask.FromException<IReadOnlyList<IPAddress>>(failure));

    public override ValueTask<IReadOnlyList<IPAddress>> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        Asked.Add(host);
        return answer(host, cancellationToken);
    }
}
