using System.Net.Sockets;

namespace Toolkit.Tests.Contracts;

/// <summary>A program that is started while a loop runs inherits no descriptor of the loop's.</summary>
public abstract class CloseOnExecContract(LoopKind kind) : ServerSuite(kind)
{
    private const string Descriptors = "/proc/self/fd";

    [Fact]
    public void Descriptors_OfALoopWithAServerAndAClient_AreAllCloseOnExec()
    {
        Assert.SkipUnless(Directory.Exists(Descriptors), "The flags of descriptors are read from /proc.");
        Run(_ => Task.CompletedTask); // what the runtime opens once and keeps is not the loop's
        HashSet<(string, string)> before = [.. List()];
        Run(async loop =>
        {
            Server server = await loop.CreateServerAsync(MakeProtocol, AnyPort);
            Connection<TestProtocol> client = await loop.CreateConnectionAsync(
                () => Watch(new TestProtocol()), server.EndPoints[0]);
            using var made = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            made.Bind(AnyPort);
            made.Listen();
            await loop.CreateServerAsync(MakeProtocol, made);
            client.Transport.Write("x"u8);
            await UntilAsync(loop, () => client.Protocol.ReceivedLength >= 1); // so that the other end is there as well

            (string Number, string Target)[] ours = [.. List().Except(before)];
            Assert.InRange(ours.Count(descriptor => descriptor.Target.StartsWith("socket:", StringComparison.Ordinal)), 3, 10);
            if (Kind == LoopKind.Epoll)
            {
                Assert.Single(ours, descriptor => descriptor.Target == "anon_inode:[eventpoll]");
                Assert.Single(ours, descriptor => descriptor.Target == "anon_inode:[eventfd]");
            }

            string[] inherited = [.. ours.Where(descriptor => !IsCloseOnExec(descriptor.Number)).Select(d => d.Target)];
            Assert.True(inherited.Length == 0, $"Would be inherited: {string.Join(", ", inherited)}");
        });
    }

    // Files are left out, which the runtime opens when it pleases, and pipes, of which its threads have some.
    private static IEnumerable<(string Number, string Target)> List()
    {
        foreach (string path in Directory.EnumerateFileSystemEntries(Descriptors))
        {
            string? target = TargetOf(path);
            if (target?.StartsWith("socket:", StringComparison.Ordinal) is true
                || target is "anon_inode:[eventpoll]" or "anon_inode:[eventfd]")
            {
                yield return (Path.GetFileName(path), target);
            }
        }
    }

    private static string? TargetOf(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (IOException)
        {
            return null; // gone since it was listed
        }
    }

    private static bool IsCloseOnExec(string number)
    {
        const int CloseOnExec = 0x80000;
        string line = File.ReadLines($"/proc/self/fdinfo/{number}").First(l => l.StartsWith("flags:", StringComparison.Ordinal));
        return (Convert.ToInt32(line["flags:".Length..].Trim(), 8) & CloseOnExec) != 0;
    }
}
