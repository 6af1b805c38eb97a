namespace Toolkit.Bench.Peers;

/// <summary>A program in C, built when it is first asked for.</summary>
/// <param name="source">Where its source is, beside this program.</param>
/// <param name="libraries">What it is linked with.</param>
internal sealed class NativeProgram(string source, params string[] libraries)
{
    private const string Compiler = "gcc";

    private (string? Path, string? Error)? _built;

    /// <summary>What is defined for the compiler: one source can be several programs. Null for nothing.</summary>
    public string? Define { get; init; }

    public static (string? Output, string? Error) CompilerVersion => ExternalProgram.Run(Compiler, "-dumpfullversion");

    /// <returns>Where it is, or why it could not be built.</returns>
    public (string? Path, string? Error) Build() => _built ??= Compile();

    private (string? Path, string? Error) Compile()
    {
        string input = Path.Combine(AppContext.BaseDirectory, source);
        string output = $"{Path.ChangeExtension(input, null)}{(Define is null ? "" : $"-{Define.ToLowerInvariant()}")}";
        string[] define = Define is null ? [] : [$"-D{Define}"];
        (_, string? error) = ExternalProgram.Run(
            Compiler, ["-O2", "-Wall", "-Wextra", .. define, "-o", output, input, .. libraries.Select(library => $"-l{library}")]);
        return error is null ? (output, null) : (null, error.Split('\n')[0]);
    }
}
