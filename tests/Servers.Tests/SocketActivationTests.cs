using System.Net.Sockets;

namespace Toolkit.Tests.Servers;

/// <summary>What the variables of socket activation mean. Taking real sockets needs a process that was started with them.</summary>
public sealed class SocketActivationTests
{
    private const int Own = 42;

    [Theory]
    [InlineData(null, null, null)]
    [InlineData(null, "1", null)]
    [InlineData("41", "1", "http")]
    [InlineData("41", "nonsense", null)]
    [InlineData("42", null, null)]
    public void Parse_NothingForThisProcess_IsNone(string? process, string? count, string? names)
        => Assert.Empty(SocketActivation.Parse(process, count, names, Own));

    [Fact]
    public void Parse_WithNames_HasThem()
    {
        Assert.Equal(["http", "", "admin"], SocketActivation.Parse("42", "3", "http::admin", Own));
        Assert.Equal(["unknown", "unknown"], SocketActivation.Parse("42", "2", null, Own));
    }

    [Theory]
    [InlineData("", "1", null, "LISTEN_PID is \"\", which is no process.")]
    [InlineData("0", "1", null, "LISTEN_PID is \"0\", which is no process.")]
    [InlineData("-42", "1", null, "LISTEN_PID is \"-42\", which is no process.")]
    [InlineData("42", "", null, "LISTEN_FDS is \"\", which is no number of descriptors.")]
    [InlineData("42", "0", null, "LISTEN_FDS is \"0\", which is no number of descriptors.")]
    [InlineData("42", "1\n", null, "LISTEN_FDS is \"1\\n\", which is no number of descriptors.")]
    [InlineData("42", "2147483647", null, "LISTEN_FDS is \"2147483647\", which is no number of descriptors.")]
    [InlineData("42", "2000000000", null, "LISTEN_FDS is \"2000000000\", more than the process may have.")]
    [InlineData("42", "2", "http", "LISTEN_FDNAMES is \"http\", not as many names as LISTEN_FDS says, 2.")]
    public void Parse_Contradictions_Throw(string process, string count, string? names, string message)
    {
        AdoptFailedException exception = Assert.Throws<AdoptFailedException>(
            () => SocketActivation.Parse(process, count, names, Own));

        Assert.Equal(message, exception.Message);
        Assert.Equal(SocketError.InvalidArgument, exception.Error);
    }

    [Fact]
    public void TakeSockets_ByName_LeavesTheOthersForLater()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        ActivatedSocket[] passed = [new("a", socket), new("b", socket), new("a", socket)];
        SocketActivation.Hold(passed);

        Assert.Equal([passed[0], passed[2]], SocketActivation.TakeSockets("a"));
        AdoptFailedException again = Assert.Throws<AdoptFailedException>(() => SocketActivation.TakeSockets("a"));
        Assert.Equal("No socket named \"a\" was passed, or it was taken already. There are \"b\".", again.Message);
        Assert.Equal([passed[1]], SocketActivation.TakeSockets());
        Assert.Empty(SocketActivation.TakeSockets());
    }

    [Fact]
    public void TakeSockets_OfAProcessThatWasPassedNone_IsNone() => Assert.Empty(SocketActivation.TakeSockets());
}
