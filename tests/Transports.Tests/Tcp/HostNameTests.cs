using System.Net;
using System.Net.Sockets;
using Bogus;
using Toolkit.Transports;

namespace Toolkit.Tests.Tcp;

public sealed class HostNameTests
{
    [Theory]
    [InlineData("localhost")]
    [InlineData("localhost.")]
    [InlineData("example.com")]
    [InlineData("a-b.c_d.example")]
    [InlineData("xn--mnchen-3ya.de")]
    [InlineData("m\u00fcnchen.de")]
    [InlineData("1.2.3.four")]
    [InlineData("4you")]
    [InlineData("127.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("255.255.255.255")]
    [InlineData("::")]
    [InlineData("::1")]
    [InlineData("fe80::1%1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("2001:DB8::1")]
    public void Validate_NameOrAddress_Passes(string host) => HostName.Validate(host, nameof(host));

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a..b")]
    [InlineData(".a")]
    [InlineData("a b")]
    [InlineData(" a")]
    [InlineData("a ")]
    [InlineData("a\u00a0b")]
    [InlineData("a\0")]
    [InlineData("a\u007f")]
    [InlineData("a\u0085")]
    [InlineData("::1\0")]
    [InlineData(" ::1")]
    [InlineData("::1 ")]
    [InlineData("::1%")]
    [InlineData("fe80::1%lo\0")]
    [InlineData("fe80::1%lo x")]
    [InlineData("fe80::1%\n")]
    [InlineData("[::1]")]
    [InlineData("[::1]:80")]
    [InlineData("::1]")]
    [InlineData("::1/64")]
    [InlineData(":::1")]
    [InlineData("::127.1")]
    [InlineData("::ffff:0x7f.0.0.1")]
    [InlineData("::ffff:0177.0.0.1")]
    [InlineData("127.1")]
    [InlineData("127.0.1")]
    [InlineData("0x7f.1")]
    [InlineData("0X7F000001")]
    [InlineData("1.0x7f")]
    [InlineData("2130706433")]
    [InlineData("0177.0.0.1")]
    [InlineData("127.0.0.001")]
    [InlineData("127.0.0.1.")]
    [InlineData("256.0.0.1")]
    [InlineData("1.2.3.4.5")]
    [InlineData("+1.2.3.4")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("a:b")]
    [InlineData("a%b")]
    [InlineData("a@b")]
    [InlineData("a?b")]
    [InlineData("a#b")]
    public void Validate_Neither_Throws(string host)
    {
        ArgumentException exception = Assert.Throws<ArgumentException>(() => HostName.Validate(host, "parameter"));
        Assert.Equal("parameter", exception.ParamName);
    }

    [Fact]
    public void Validate_Null_Throws()
        => Assert.Throws<ArgumentNullException>(() => HostName.Validate(null!, "host"));

    [Fact]
    public void Validate_Lengths_AreBounded()
    {
        string label = new('a', 63);
        string longest = $"{label}.{label}.{label}.{new string('a', 61)}";
        Assert.Equal(253, longest.Length);

        HostName.Validate(longest, "host");
        HostName.Validate(longest + ".", "host");

        Assert.Throws<ArgumentException>(() => HostName.Validate(longest + "a", "host"));
        Assert.Throws<ArgumentException>(() => HostName.Validate(label + "a", "host"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Validate_AnyText_ThrowsNothingElseAndLetsNoOddAddressPass(int seed)
    {
        var random = new Randomizer(seed);
        for (int i = 0; i < 30_000; i++)
        {
            string host = RandomHost(random);
            string context = $"seed {seed}, text {i}: {Uri.EscapeDataString(host)}";
            if (!Passes(host, context))
            {
                continue;
            }

            Assert.False(host.Any(c => char.IsControl(c) || char.IsWhiteSpace(c)), context);
            Assert.InRange(host.Length, 1, 254);

            // What the C library would take for an address must be one that everybody takes for the same.
            if (IPAddress.TryParse(host, out IPAddress? address) && address.AddressFamily == AddressFamily.InterNetwork)
            {
                Assert.True(string.Equals(host, address.ToString(), StringComparison.Ordinal), context);
            }
        }
    }

    [Theory]
    [InlineData(4)]
    public void Validate_AnyAddress_Passes(int seed)
    {
        var random = new Randomizer(seed);
        for (int i = 0; i < 2000; i++)
        {
            HostName.Validate(new IPAddress(random.Bytes(4)).ToString(), "host");
            HostName.Validate(new IPAddress(random.Bytes(16)).ToString(), "host");
        }
    }

    private static bool Passes(string host, string context)
    {
        try
        {
            HostName.Validate(host, nameof(host));
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
        catch (Exception exception)
        {
            Assert.Fail($"{context}: {exception}");
            throw;
        }
    }

    // Text that is nearly an address or a name: pieces that mean something, with now and then a character that does not.
    private static string RandomHost(Randomizer random)
    {
        string[] pieces =
        [
            "a", "localhost", ".", ".", ".", ":", "::", "0", "1", "127", "0177", "0x7f", "0x", "256", "ffff", "%", "%1", "%lo",
            "/", "[", "]", "-", "_", "\0", " ", "\t", "\n", "\u00a0", "\u3002", "\uff11", "\ud800",
            "\u202e", "e\u0301", "+", "@",
        ];
        int count = random.Number(0, 8);
        string host = string.Concat(Enumerable.Range(0, count).Select(_ => random.ArrayElement(pieces)));
        return random.Bool(0.2f) ? host + random.Char('\0', '\uffff') : host;
    }
}
