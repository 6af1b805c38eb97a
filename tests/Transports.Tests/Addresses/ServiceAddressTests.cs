using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Toolkit.Tests.Transports;

/// <summary>Addresses as texts: what they mean, how they are written, and where one is wrong.</summary>
public sealed class ServiceAddressTests
{
    private static readonly string s_longPath = "/" + new string('x', 106);

    [Fact]
    public void Parse_EveryKind_IsWhatItSays()
    {
        Assert.Equal(new TcpAddress("localhost", 80), ServiceAddress.Parse("tcp://localhost:80"));
        Assert.Equal(new TcpAddress("127.0.0.1", 0), ServiceAddress.Parse("TCP://127.0.0.1:0"));
        Assert.Equal(new TcpAddress("::1", 65535), ServiceAddress.Parse("tcp://[::1]:65535"));
        Assert.Equal(new TcpAddress("fe80::1%3", 1), ServiceAddress.Parse("tcp://[fe80::1%3]:1"));
        Assert.Equal(new TcpAddress(null, 7000), ServiceAddress.Parse("tcp://:7000"));
        Assert.Equal(new UdpAddress("::", 53), ServiceAddress.Parse("udp://[::]:53"));
        Assert.Equal(new TlsAddress("h", 1), ServiceAddress.Parse("tls://h:1"));
        Assert.Equal(
            new TlsAddress("h", 1, certificatePath: "/a b&c.pem", keyPath: "k=.pem"),
            ServiceAddress.Parse("tls://h:1?cert=/a%20b%26c.pem&key=k=.pem"));
        Assert.Equal(
            new TlsAddress("h", 1, authorityPath: "/ca.pem", name: "server.test"),
            ServiceAddress.Parse("tls://h:1?name=server.test&ca=/ca.pem"));
        Assert.Equal(new UnixAddress("/run/a b"), ServiceAddress.Parse("unix:/run/a b"));
        Assert.Equal(new UnixAddress("/run/ü?"), ServiceAddress.Parse("unix:///run/%C3%BC%3f"));
        Assert.Equal(new UnixAddress("a/b"), ServiceAddress.Parse("unix:a/b"));
        Assert.Equal(
            new UnixAddress("s", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite),
            ServiceAddress.Parse("unix:s?mode=620"));
        Assert.Equal(new UnixAddress("\0name"), ServiceAddress.Parse("unix:@name"));
        Assert.True(((UnixAddress)ServiceAddress.Parse("unix:@name")).IsAbstract);
        Assert.False(((UnixAddress)ServiceAddress.Parse("unix:./@name")).IsAbstract);
        Assert.Equal(new PipeAddress("service"), ServiceAddress.Parse("pipe:service"));
        Assert.Equal(new PipeAddress("/run/service"), ServiceAddress.Parse("pipe:/run/service"));
        Assert.Equal(new DescriptorAddress(3), ServiceAddress.Parse("fd:3"));
        Assert.Equal(new SystemdAddress("a@b.socket"), ServiceAddress.Parse("systemd:a@b.socket"));
        Assert.Equal(new UnixAddress(s_longPath), ServiceAddress.Parse($"unix:{s_longPath}"));
    }

    [Theory]
    [InlineData("TLS://H:0080?key=/k&cert=/c", "tls://H:80?cert=/c&key=/k")]
    [InlineData("unix:/a b\u2028c", "unix:/a%20b%E2%80%A8c")]
    [InlineData("unix:a?mode=660", "unix:a?mode=0660")]
    [InlineData("unix:%00name", "unix:@name")]
    [InlineData("unix:/%2Fx", "unix:/%2Fx")]
    [InlineData("unix:///x", "unix:/x")]
    [InlineData("fd:003", "fd:3")]
    public void ToString_IsTheOneSpelling(string text, string spelling)
    {
        ServiceAddress address = ServiceAddress.Parse(text);

        Assert.Equal(spelling, address.ToString());
        Assert.Equal(address, ServiceAddress.Parse(spelling));
    }

    [Theory]
    [InlineData("", 0, "The address is empty.")]
    [InlineData("localhost", 0, "begins with tcp://, tls://, udp://, unix:, pipe:, fd: or systemd:")]
    [InlineData("localhost:80", 0, "There is no scheme \"localhost\". Expected an address that begins with tcp://, tls://")]
    [InlineData(" tcp://h:1", 0, "There is no scheme")]
    [InlineData(":1", 0, "There is no scheme \"\"")]
    [InlineData("tcp:h:1", 4, "Expected tcp://host:port.")]
    [InlineData("tcp:/h:1", 4, "Expected tcp://host:port.")]
    [InlineData("tcp://", 6, "Expected a colon and a port")]
    [InlineData("tcp://h", 7, "Expected a colon and a port")]
    [InlineData("tcp://h:", 8, "Expected a port")]
    [InlineData("tcp://h:x", 8, "Expected a port")]
    [InlineData("tcp://h:+1", 8, "Expected a port")]
    [InlineData("tcp://h:1/", 9, "Expected a port")]
    [InlineData("tcp://h:1 ", 9, "Expected a port")]
    [InlineData("tcp://h:65536", 8, "0 to 65535")]
    [InlineData("tcp://h:99999999999", 8, "0 to 65535")]
    [InlineData("tcp://::1:80", 6, "in brackets: tcp://[::1]:port")]
    [InlineData("tcp://[::1:80", 13, "Expected a ]")]
    [InlineData("tcp://[h]:80", 7, "Expected an IPv6 address")]
    [InlineData("tcp://[127.0.0.1]:80", 7, "Expected an IPv6 address")]
    [InlineData("tcp://[::1%]:80", 7, "Expected an IPv6 address")]
    [InlineData("tcp://[]:80", 7, "Expected an IPv6 address")]
    [InlineData("tcp://[fe80::1%25eth0]:80", 14, "A zone is written without an escape")]
    [InlineData("tcp://[::1]", 11, "Expected a colon and a port")]
    [InlineData("tcp://[::1]80", 11, "Expected a colon and a port")]
    [InlineData("tcp://127.1:80", 6, "neither a name nor an IP address in its usual form")]
    [InlineData("tcp://0x7f.1:80", 6, "neither a name nor an IP address in its usual form")]
    [InlineData("tcp://2130706433:80", 6, "neither a name nor an IP address in its usual form")]
    [InlineData("udp://127.000.000.001:80", 6, "neither a name nor an IP address in its usual form")]
    [InlineData("tcp://u@h:80", 7, "U+0040 cannot stand in a host name")]
    [InlineData("tcp://a..b:80", 8, "Each part of a host name")]
    [InlineData("tcp://%68:80", 6, "U+0025 cannot stand in a host name")]
    [InlineData("tcp://h:1?", 10, "Expected no parameters: tcp: has none.")]
    [InlineData("tcp://h:1?cert=/c", 10, "Expected no parameters")]
    [InlineData("tls://h:1?", 10, "There is no parameter \"\". Expected cert or key or ca or name.")]
    [InlineData("tls://h:1?verify=no", 10, "There is no parameter \"verify\"")]
    [InlineData("tls://h:1?ca", 12, "Expected ca= and a value")]
    [InlineData("tls://h:1?ca=", 13, "Expected a value of ca")]
    [InlineData("tls://h:1?ca=a&ca=b", 15, "The parameter ca is given twice")]
    [InlineData("tls://h:1?ca=a&", 15, "There is no parameter \"\"")]
    [InlineData("tls://h:1?ca=%", 13, "Expected two hexadecimal digits")]
    [InlineData("tls://h:1?key=/k", 14, "cert= is missing")]
    [InlineData("tls://h:1?cert=/c&name=x", 23, "an address is for one of them")]
    [InlineData("tls://h:1?name=127.1", 15, "neither a name nor an IP address")]
    [InlineData("tls://h:1?cert=%00", 15, "zero character")]
    [InlineData("unix:", 5, "The name is empty")]
    [InlineData("unix:@", 5, "The abstract name is empty")]
    [InlineData("unix:/a%00b", 5, "zero character")]
    [InlineData("unix:/a\0b", 7, "A control character (U+0000) is written as an escape, %00.")]
    [InlineData("unix:/a\u0085b", 7, "%C2%85")]
    [InlineData("unix:/a%e", 7, "Expected two hexadecimal digits")]
    [InlineData("unix:/a%C3%28", 7, "not UTF-8")]
    [InlineData("unix://host/a", 7, "Expected a path and no host: unix:/path or unix:name.")]
    [InlineData("unix:a?mode=9", 12, "Expected a mode in octal digits")]
    [InlineData("unix:a?mode=1777", 12, "Expected a mode in octal digits")]
    [InlineData("unix:@a?mode=0600", 13, "An abstract name has no file")]
    [InlineData("unix:a?chmod=1", 7, "There is no parameter \"chmod\". Expected mode.")]
    [InlineData("pipe:", 5, "Expected the name of a pipe")]
    [InlineData("pipe:a/b", 5, "has a slash in it")]
    [InlineData("pipe:/a/", 5, "one of a directory")]
    [InlineData("pipe:anonymous", 5, "no name")]
    [InlineData("fd:", 3, "Expected the number of a descriptor")]
    [InlineData("fd:-1", 3, "Expected the number of a descriptor")]
    [InlineData("fd:3x", 4, "Expected the number of a descriptor")]
    [InlineData("fd:2147483648", 3, "Expected the number of a descriptor")]
    [InlineData("fd:3?mode=0600", 5, "Expected no parameters: fd: has none.")]
    [InlineData("systemd:", 8, "Expected the name of the passed sockets")]
    [InlineData("systemd:a:b", 8, "without a colon")]
    public void Parse_Malformed_SaysWhereAndWhat(string text, int position, string message)
    {
        AddressFormatException exception = Assert.Throws<AddressFormatException>(() => ServiceAddress.Parse(text));

        Assert.Contains(message, exception.Reason, StringComparison.Ordinal);
        Assert.Equal(position, exception.Position);
        string[] lines = exception.Message.Split('\n');
        Assert.Equal((exception.Reason, 3), (lines[0], lines.Length));
        Assert.EndsWith("^", lines[2], StringComparison.Ordinal);
        Assert.DoesNotContain(lines, line => line.Any(char.IsControl));
        if (!text.Any(char.IsControl) && !text.Any(char.IsSurrogate))
        {
            Assert.Equal(("  " + text, position + 2), (lines[1], lines[2].Length - 1));
        }

        Assert.False(ServiceAddress.TryParse(text, out ServiceAddress? address, out AddressFormatException? error));
        Assert.Null(address);
        Assert.Equal(exception.Message, error.Message);
    }

    [Theory]
    [InlineData("tcp://:80", AddressUse.Connect, 6, "Expected a host to connect to")]
    [InlineData("tcp://h:0", AddressUse.Connect, 8, "A port to connect to is 1 to 65535")]
    [InlineData("udp://[::1]:0", AddressUse.Connect, 12, "A port to connect to is 1 to 65535")]
    [InlineData("tls://h:1?cert=/c&key=/k", AddressUse.Connect, 15, "are to listen at")]
    [InlineData("tls://h:1?ca=/c", AddressUse.Listen, 13, "ca= is to connect to")]
    [InlineData("tls://h:1?name=n", AddressUse.Listen, 15, "name= is to connect to")]
    [InlineData("unix:/s?mode=0660", AddressUse.Connect, 13, "mode= is to listen at")]
    [InlineData("systemd:web", AddressUse.Connect, 0, "systemd: is to listen at")]
    public void Parse_ForTheOtherUse_SaysSoAtItsPlace(string text, AddressUse use, int position, string message)
    {
        AddressFormatException exception = Assert.Throws<AddressFormatException>(() => ServiceAddress.Parse(text, use));

        Assert.Contains(message, exception.Reason, StringComparison.Ordinal);
        Assert.Equal(position, exception.Position);
        Assert.NotNull(ServiceAddress.Parse(text));
        Assert.NotNull(ServiceAddress.Parse(text, use == AddressUse.Listen ? AddressUse.Connect : AddressUse.Listen));
    }

    [Fact]
    public void Message_OfALongTextOrAHiddenOne_ShowsThePlaceAndNothingRaw()
    {
        AddressFormatException exception = Assert.Throws<AddressFormatException>(
            () => ServiceAddress.Parse($"unix:/\u202e{new string('a', 100)}\e[31m{new string('b', 100_000)}"));

        string[] lines = exception.Message.Split('\n');
        Assert.True(exception.Message.Length < 400, exception.Message);
        Assert.StartsWith("  ...aaa", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("bbb...", lines[1], StringComparison.Ordinal);
        Assert.Equal(lines[1].IndexOf(@"\u001B", StringComparison.Ordinal), lines[2].Length - 1);
        Assert.Equal(7, ServiceAddressError("unix:/a\ud800b").Position); // which no attribute can have
        Assert.Contains(@"\u202E", ServiceAddressError("htt\u202ep://x").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Constructors_OfWhatCannotBe_Throw()
    {
        Assert.Throws<ArgumentException>(() => new TcpAddress("127.1", 80));
        Assert.Throws<ArgumentException>(() => new TcpAddress("[::1]", 80));
        Assert.Throws<ArgumentException>(() => new TcpAddress("\ud800", 80));
        Assert.Throws<ArgumentOutOfRangeException>(() => new UdpAddress("h", 65536));
        Assert.Throws<ArgumentException>(() => new TlsAddress("h", 1, keyPath: "/k"));
        Assert.Throws<ArgumentException>(() => new TlsAddress("h", 1, certificatePath: ""));
        Assert.Throws<ArgumentException>(() => new UnixAddress(s_longPath + "x"));
        Assert.Throws<ArgumentException>(() => new UnixAddress("@a", UnixFileMode.UserRead));
        Assert.Throws<ArgumentException>(() => new UnixAddress("a", UnixFileMode.SetUser));
        Assert.Throws<ArgumentException>(() => new PipeAddress("a\0"));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DescriptorAddress(-1));
        Assert.Throws<ArgumentException>(() => new SystemdAddress("é"));
        Assert.Throws<ArgumentNullException>(() => ServiceAddress.Parse(null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => ServiceAddress.Parse("fd:3", (AddressUse)7));
        Assert.False(ServiceAddress.TryParse(null, out _, out AddressFormatException? error));
        Assert.Equal(0, error.Position);
    }

    [Fact]
    public void EndPoints_AreAddresses()
    {
        Assert.Equal(new TcpAddress("127.0.0.1", 80), ServiceAddress.FromEndPoint(new IPEndPoint(IPAddress.Loopback, 80)));
        Assert.Equal(
            "tcp://[fe80::1%3]:80",
            ServiceAddress.FromEndPoint(new IPEndPoint(IPAddress.Parse("fe80::1%3"), 80)).ToString());
        Assert.Equal(new UnixAddress("/s"), ServiceAddress.FromEndPoint(new UnixDomainSocketEndPoint("/s")));
        Assert.Throws<ArgumentException>(() => ServiceAddress.FromEndPoint(new DnsEndPoint("h", 80)));
    }

    [Fact]
    public void AsParsable_IsTheSame()
    {
        Assert.Equal(new DescriptorAddress(3), ParseAs<ServiceAddress>("fd:3"));
        Assert.False(TryParseAs("fd:x", out ServiceAddress? none));
        Assert.Null(none);
    }

    [Fact]
    public void Any_FormattedAndReadAgain_IsEqual()
    {
        var random = new Random(TestSeed.Draw());
        for (int i = 0; i < 3000; i++)
        {
            ServiceAddress address = Draw(random);
            string text = address.ToString();

            Assert.True(ServiceAddress.TryParse(text, out ServiceAddress? read, out AddressFormatException? error), error?.Message);
            Assert.Equal(address, read);
            Assert.Equal(text, read.ToString());
            Assert.DoesNotContain(text, char.IsControl);
        }
    }

    [Theory]
    [InlineData(0x200B)] // a space without a width
    [InlineData(0x202E)] // from right to left
    [InlineData(0xE0041)] // a tag
    [InlineData(0x2028)] // the end of a line
    public void Hosts_WithWhatNobodySees_AreRefused(int character)
    {
        string host = $"exam{new Rune(character)}ple";
        AddressFormatException error = ServiceAddressError($"tcp://{host}:80");
        Assert.Contains($"The character U+{character:X4} cannot stand in a host name.", error.Message, StringComparison.Ordinal);
        Assert.Equal(10, error.Position);
        Assert.Throws<ArgumentException>("host", () => new TlsAddress(host, 80));
    }

    [Fact]
    public void RandomTexts_AreAddressesOrFormatErrorsAndNothingElse()
    {
        var random = new Random(TestSeed.Draw());
        string[] pieces =
        [
            "tcp", "tls", "udp", "unix", "pipe", "fd", "systemd", ":", "://", "/", "//", "?", "&", "=", "cert", "key", "ca", "name",
            "mode", "[", "]", "::1", "127.0.0.1", "%", "%00", "%C3", "%A9", "%zz", "0660", "65536", "@", "h", ".", "\0", "\ud83d",
            "\ude00", "\u202e", "é", " ", "-1", "99999999999999999999",
        ];
        int good = 0;
        for (int i = 0; i < 20_000; i++)
        {
            string text = i % 3 == 0
                ? string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => (char)random.Next(0x10000)))
                : i % 3 == 1
                ? string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => pieces[random.Next(pieces.Length)]))
                : Damage(Draw(random).ToString(), random);
            if (ServiceAddress.TryParse(text, out ServiceAddress? address, out AddressFormatException? error))
            {
                good++;
                Assert.Equal(address, ServiceAddress.Parse(address.ToString()));
            }
            else
            {
                Assert.InRange(error.Position, 0, text.Length);
            }
        }

        Assert.InRange(good, 100, 19_000);
    }

    private static AddressFormatException ServiceAddressError(string text)
        => Assert.Throws<AddressFormatException>(() => ServiceAddress.Parse(text));

    private static T ParseAs<T>(string text)
        where T : ISpanParsable<T>
        => Assert.IsType<T>(T.Parse(text.AsSpan(), null), exactMatch: false);

    private static bool TryParseAs<T>(string text, out T? value)
        where T : ISpanParsable<T>
        => T.TryParse(text, null, out value);

    private static string Damage(string text, Random random)
    {
        int at = random.Next(text.Length + 1);
        return random.Next(3) switch
        {
            0 => text.Remove(at > 0 ? at - 1 : 0, 1),
            1 => text.Insert(at, ((char)random.Next(0x80)).ToString()),
            _ => text[..at],
        };
    }

    private static ServiceAddress Draw(Random random)
    {
        string[] hosts = ["localhost", "127.0.0.1", "::1", "fe80::1%7", "a-b.c_d.example.", "bücher.example", "h!+&=,;~"];
        string? host = random.Next(8) == 0 ? null : hosts[random.Next(hosts.Length)];
        int port = random.Next(65536);
        return random.Next(8) switch
        {
            0 => new TcpAddress(host, port),
            1 => new UdpAddress(host, port),
            2 => new TlsAddress(host, port, Text(random), random.Next(2) == 0 ? null : Text(random)),
            3 => new TlsAddress(
                host,
                port,
                authorityPath: random.Next(2) == 0 ? null : Text(random),
                name: random.Next(2) == 0 ? null : hosts[random.Next(hosts.Length)]),
            4 => new UnixAddress("/" + Text(random), random.Next(2) == 0 ? null : (UnixFileMode)random.Next(512)),
            5 => new UnixAddress(random.Next(2) == 0 ? $"@{Text(random)}" : $"{Text(random)}x"),
            6 => new PipeAddress(random.Next(2) == 0 ? $"/{Text(random)}x" : Text(random).Replace('/', '-')),
            _ => random.Next(2) == 0
                ? new DescriptorAddress(random.Next())
                : new SystemdAddress(string.Concat(Enumerable.Range(0, 1 + random.Next(9)).Select(
                    _ => "aZ09 .-_@%?&=#\\/"[random.Next(16)]))),
        };
    }

    // Of characters that mean something, cannot be seen, or take several bytes.
    private static string Text(Random random)
    {
        var text = new StringBuilder();
        for (int i = random.Next(1, 12); i > 0; i--)
        {
            Rune rune = random.Next(3) switch
            {
                0 => new Rune("/?%&=#@:+ .~\\"[random.Next(13)]),
                1 => new Rune(random.Next(1, 0x80)),
                _ => new Rune(random.Next(2) == 0 ? random.Next(0x80, 0x3000) : random.Next(0x1F300, 0x1F700)),
            };
            text.Append(rune);
        }

        return text.ToString();
    }
}
