using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit.Tests.Samples;

/// <summary>
/// The samples over TLS, with other people's implementations of it: OpenSSL's and GnuTLS's tools, curl, Python's ssl.
/// </summary>
public sealed class TlsRealPeerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("toolkit-tls-").FullName;
    private readonly string _certificate;
    private readonly string _key;
    private readonly string _authority;

    public TlsRealPeerTests()
    {
        (_certificate, _key) = TestCertificates.WritePem(TestCertificates.Server, _folder);
        _authority = Path.Combine(_folder, "ca.pem");
        File.WriteAllText(_authority, TestCertificates.Authority.ExportCertificatePem());
    }

    private string Tls => $"--tls {_certificate} {_key}";

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("-tls1_2", "TLSv1.2")]
    [InlineData("-tls1_3", "TLSv1.3")]
    public async Task SClient_BothVersions_AreEchoed(string version, string name)
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        (int exitCode, string output) = await SClientAsync(server, "hello over tls\n", "hello over tls", version);
        Assert.Equal(0, exitCode);
        Assert.Contains("Verify return code: 0 (ok)", output, StringComparison.Ordinal);
        Assert.Contains(name, output, StringComparison.Ordinal);
        Assert.Contains("hello over tls", output, StringComparison.Ordinal);
        Assert.Equal("", server.Errors);
    }

    [Fact]
    public async Task SClient_Tls11_IsRefused()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        (int exitCode, string output) = await SClientAsync(server, "", null, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0");
        Assert.NotEqual(0, exitCode);
        Assert.DoesNotContain("hello", output, StringComparison.Ordinal);
        (exitCode, _) = await SClientAsync(server, "hello\n", "hello");
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public async Task SClient_Renegotiates_IsRefusedAndOthersAreServed()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        (_, string output) = await TlsTool.RunAsync("openssl", SClient(server, "-tls1_2"), "R\n");
        Assert.DoesNotContain("verify return:1\nread R BLOCK", output, StringComparison.Ordinal);
        (int exitCode, _) = await SClientAsync(server, "hello\n", "hello");
        Assert.Equal(0, exitCode);
    }

    [Fact]
    public async Task SClient_UpdatesKeys_GoesOn()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        using Process client = TlsTool.Start(
            "openssl", ["s_client", "-connect", Address(server), "-CAfile", _authority, "-tls1_3"]);
        await client.StandardInput.WriteAsync("before\n");
        await client.StandardInput.FlushAsync();
        await UntilOutputAsync(client, "before");
        await client.StandardInput.WriteAsync("K\n"); // asks for ours as well
        await client.StandardInput.FlushAsync();
        await UntilErrorAsync(client, "KEYUPDATE");
        await client.StandardInput.WriteAsync("after\n");
        await client.StandardInput.FlushAsync();
        await UntilOutputAsync(client, "after");
        client.Kill();
    }

    [Fact]
    public async Task SClient_AllCiphersOfTls12_AreEchoed()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        foreach (string cipher in (string[])["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"])
        {
            (int exitCode, string output) = await SClientAsync(server, "hello\n", "hello", "-tls1_2", "-cipher", cipher);
            Assert.Equal(0, exitCode);
            Assert.Contains(cipher, output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task GnuTls_Client_IsEchoed()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        (int exitCode, string output) = await TlsTool.RunAsync(
            "gnutls-cli",
            ["--x509cafile", _authority, "-p", Port(server), "--verify-hostname", TestCertificates.ServerName, "127.0.0.1"],
            "hello gnutls\n",
            until: "hello gnutls");
        Assert.Equal(0, exitCode);
        Assert.Contains("The certificate is trusted", output, StringComparison.Ordinal);
        Assert.Contains("hello gnutls", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task GnuTls_UpgradesWhenTold()
    {
        using SampleProcess server = await SampleProcess.ServeAsync($"--starttls {_certificate} {_key}");
        using Process client = TlsTool.Start(
            "stdbuf", // since it keeps what it hears to itself when nobody looks
            [
                "-oL", "gnutls-cli", "--starttls", "--x509cafile", _authority, "-p", Port(server),
                "--verify-hostname", TestCertificates.ServerName, "127.0.0.1",
            ]);
        await client.StandardInput.WriteAsync("STARTTLS\n");
        await client.StandardInput.FlushAsync();
        await UntilOutputAsync(client, "GO");
        Signal(client, 14); // SIGALRM has it begin its handshake
        await UntilOutputAsync(client, "- Options:"); // the last that it says of its handshake
        await client.StandardInput.WriteAsync("hello within\n");
        await client.StandardInput.FlushAsync();
        await UntilOutputAsync(client, "hello within");
        client.Kill();
    }

    [Fact]
    public async Task Curl_WithoutTrust_Refuses_WithIt_IsEchoed()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        string url = $"https://{TestCertificates.ServerName}:{Port(server)}/";
        string[] resolve = ["--resolve", $"{TestCertificates.ServerName}:{Port(server)}:127.0.0.1"];
        (int exitCode, _) = await TlsTool.RunAsync("curl", ["-sS", "--max-time", "5", .. resolve, url]);
        Assert.Equal(60, exitCode); // the certificate is not trusted

        // Its request comes back as the body of an answer that has no head, until it has waited long enough.
        (_, string output) = await TlsTool.RunAsync(
            "curl", ["-sS", "--http0.9", "--max-time", "1", .. resolve, "--cacert", _authority, url]);
        Assert.Contains($"Host: {TestCertificates.ServerName}", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Python_Client_EchoesAndSeesACleanEnd()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        (int exitCode, string output) = await PythonAsync($"""
            context = ssl.create_default_context(cafile=r"{_authority}")
            raw = socket.create_connection(("127.0.0.1", {Port(server)}))
            with context.wrap_socket(raw, server_hostname="{TestCertificates.ServerName}", suppress_ragged_eofs=False) as tls:
                data = bytes(range(256)) * 4000
                sender = threading.Thread(target=tls.sendall, args=(data,))
                sender.start()
                got = b""
                while len(got) < len(data):
                    got += tls.recv(65536)
                sender.join()
                assert got == data
                version = tls.version()
                tls.unwrap()
                print(version, "ok")
            """);
        Assert.True(exitCode == 0, output);
        Assert.Contains("TLSv1.3 ok", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Python_StartTls_WithTheHelloInTheSegmentOfTheLastLine()
    {
        using SampleProcess server = await SampleProcess.ServeAsync($"--starttls {_certificate} {_key}");
        (int exitCode, string output) = await PythonAsync($"""
            context = ssl.create_default_context(cafile=r"{_authority}")
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(incoming, outgoing, server_hostname="{TestCertificates.ServerName}")
            raw = socket.create_connection(("127.0.0.1", {Port(server)}))
            raw.sendall(b"plain\n")
            assert raw.recv(6, socket.MSG_WAITALL) == b"plain\n"
            def step(call):
                while True:
                    try:
                        result = call()
                        raw.sendall(outgoing.read())
                        return result
                    except ssl.SSLWantReadError:
                        raw.sendall(first.pop() + outgoing.read() if first else outgoing.read())
                        if skip:
                            assert raw.recv(3, socket.MSG_WAITALL) == skip.pop()
                        incoming.write(raw.recv(65536))
            first, skip = [b"STARTTLS\n"], [b"GO\n"]
            step(tls.do_handshake)
            step(lambda: tls.write(b"secret\n"))
            assert step(lambda: tls.read(100)) == b"secret\n"
            print("ok")
            """);
        Assert.True(exitCode == 0, output);
        Assert.Contains("ok", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_AgainstSServer_ChecksAndTalks()
    {
        int port = FreePort();
        using Process server = TlsTool.Start(
            "openssl",
            ["s_server", "-accept", port.ToString(CultureInfo.InvariantCulture), "-cert", _certificate, "-key", _key, "-rev"]);
        await UntilOutputAsync(server, "ACCEPT");
        using SampleProcess client = SampleProcess.Start($"client --port {port} --host 127.0.0.1 --tls --ca {_authority}");
        await client.Process.StandardInput.WriteAsync("olleh\n");
        await client.Process.StandardInput.FlushAsync();
        await client.UntilAsync(() => client.Output.Contains("hello", StringComparison.Ordinal));
        client.Process.StandardInput.Close();

        using SampleProcess strict = SampleProcess.Start($"client --port {port} --host 127.0.0.1 --tls");
        Assert.Equal(1, await strict.WaitForExitAsync());
        Assert.Contains("certificate", strict.Errors, StringComparison.Ordinal);
        server.Kill();
    }

    [Fact]
    public async Task Client_AgainstOwnServer_Echoes()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls);
        using SampleProcess client = SampleProcess.Start($"client --host 127.0.0.1 --port {server.Port} --tls --ca {_authority}");
        await client.Process.StandardInput.WriteAsync("hello\n");
        client.Process.StandardInput.Close();
        Assert.Equal(0, await client.WaitForExitAsync());
        Assert.Equal("hello\n", client.Output);
        Assert.Equal("", client.Errors);
    }

    [Fact]
    public async Task Chat_OverTls_Greets()
    {
        using SampleProcess server = await SampleProcess.ServeAsync(Tls, program: SampleProcess.Chat);
        (_, string output) = await SClientAsync(server, "", "guest-1");
        Assert.Contains("guest-1", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("missing.pem", null, "missing.pem")]
    [InlineData(null, "missing.key", "missing.key")]
    [InlineData(null, "server.pem", "no private key")]
    public async Task Serve_UnusableFiles_SaysWhy(string? certificate, string? key, string reason)
    {
        string first = certificate is null ? _certificate : Path.Combine(_folder, certificate);
        string second = key is null ? _key : Path.Combine(_folder, key);
        (int exitCode, string output, string errors) = await SampleProcess.RunAsync($"--port 0 --tls {first} {second}");
        Assert.Equal(1, exitCode);
        Assert.Equal("", output);
        Assert.Contains(reason, errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", errors, StringComparison.Ordinal);
    }

    private static string Port(SampleProcess server) => server.Port.ToString(CultureInfo.InvariantCulture);

    private static string Address(SampleProcess server) => $"127.0.0.1:{Port(server)}";

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private static void Signal(Process process, int signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    private static Task UntilOutputAsync(Process process, string text) => UntilAsync(process.StandardOutput, text);

    private static Task UntilErrorAsync(Process process, string text) => UntilAsync(process.StandardError, text);

    private static async Task UntilAsync(StreamReader reader, string text)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        string all = "";
        char[] chunk = new char[1024];
        while (!all.Contains(text, StringComparison.Ordinal))
        {
            int count = await reader.ReadAsync(chunk, patience.Token);
            Assert.True(count > 0, $"It ended without {text}: {all}");
            all += new string(chunk, 0, count);
        }
    }

    private static Task<(int ExitCode, string Output)> PythonAsync(string program)
        => TlsTool.RunAsync("python3", ["-c", $"import socket, ssl, threading\n{program}"]);

    private string[] SClient(SampleProcess server, params string[] more) =>
    [
        "s_client", "-connect", Address(server), "-CAfile", _authority, "-servername", TestCertificates.ServerName,
        "-verify_hostname", TestCertificates.ServerName, .. more,
    ];

    private Task<(int ExitCode, string Output)> SClientAsync(
        SampleProcess server, string input, string? until, params string[] more)
        => TlsTool.RunAsync("openssl", SClient(server, [.. more, "-no_ign_eof"]), input, until);
}
