using System.Runtime.InteropServices;

namespace Toolkit.Bench.Results;

/// <summary>Where a run was made.</summary>
internal sealed record Machine(string Processor, int Cores, string Memory, string Kernel, string System, bool RaisedPriority)
{
    public static Machine Describe() => new(
        Field("/proc/cpuinfo", "model name"),
        Environment.ProcessorCount,
        $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1 << 30)} GiB",
        $"{Environment.OSVersion.Version}",
        RuntimeInformation.OSDescription,
        Environment.IsPrivilegedProcess);

    private static string Field(string file, string name)
        => File.ReadLines(file)
            .FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?
            .Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
}
