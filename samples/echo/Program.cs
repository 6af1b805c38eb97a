using System.CommandLine;
using System.Net.Sockets;
using Toolkit;
using Toolkit.Samples;
using Toolkit.Samples.Echo;

const int MaxFrame = 16 * 1024 * 1024;

Option<string> host = Arguments.Host();
Option<int> port = Arguments.Port(8888);
Option<string> loop = Arguments.Loop();
Option<bool> systemd = Arguments.Systemd();
Option<string?> unix = Arguments.Unix();
Option<ServiceAddress[]> listen = Arguments.Listen();
Option<ServiceAddress[]> connect = Arguments.Connect();
Option<string?> diagnostics = Arguments.Diagnostics();
var style = new Option<string>("--style")
{
    Description = "A protocol that is handed the bytes, or hands out the buffer for them, or a coroutine that reads.",
    DefaultValueFactory = _ => "protocol",
};
style.AcceptOnlyFromAmong("protocol", "buffered", "stream");

var lines = new Option<bool>("--lines") { Description = "Echo line by line, as streams read them; implies --style stream." };

var frame = new Option<int?>("--frame") { Description = "Answer each frame of so many bytes with a write of its own." };
frame.Require(value => value is > 0 and <= MaxFrame, $"--frame is 1 to {MaxFrame}.");

var ignoreBackpressure = new Option<bool>("--ignore-backpressure")
{
    Description = "Go on reading while writing is paused, to see what the hard cap is for.",
};

var idle = new Option<double?>("--idle") { Description = "Close what has sent nothing for so many seconds." };
idle.Require(value => value is > 0 and < 1e6, "--idle is more than 0 and less than a million seconds.");

var max = new Option<int?>("--max") { Description = "How many connections there may be at a time." };
max.Require(value => value > 0, "--max is at least 1.");

Option<string[]> tls = Arguments.Certificate("--tls", "Speak TLS, with a certificate and its key in PEM files.");
Option<string[]> startTls = Arguments.Certificate("--starttls", "Echo lines, and go on with TLS after the line STARTTLS.");
var withTls = new Option<bool>("--tls") { Description = "Speak TLS with the server, whose certificate must be for the host." };
var authority = new Option<string?>("--ca")
{
    Description = "A PEM file with the authorities to trust, instead of the system's.",
};

var udp = new Option<bool>("--udp") { Description = "Echo datagrams of UDP, each with itself." };
var overUdp = new Option<bool>("--udp") { Description = "Send each line as a datagram, and say which were not answered." };

Option[] ofStreams = [unix, systemd, style, lines, frame, ignoreBackpressure, idle, max, tls, startTls];
Option[] serving = [host, port, listen, loop, udp, diagnostics, .. ofStreams];
var serve = new Command("serve", "Echo what clients send (the default).");
var client = new Command("client", "Send standard input to a server, and print what comes back.")
{
    host, port, unix, connect, overUdp, withTls, authority,
};
var root = new RootCommand("An echo server and its client.") { serve, client };
foreach (Option option in serving)
{
    root.Options.Add(option);
    serve.Options.Add(option);
}

root.Validators.Add(ValidateStyle);
serve.Validators.Add(ValidateStyle);
root.Validators.Add(ValidateUdp);
serve.Validators.Add(ValidateUdp);
client.Validators.Add(result =>
{
    result.RefuseBeside(connect, host, port, unix, overUdp);
    if (result.GetValue(overUdp) && (result.GetValue(withTls) || result.GetResult(authority) is { Implicit: false }))
    {
        result.AddError("--udp speaks no TLS.");
    }
});
root.SetAction(Serve);
serve.SetAction(Serve);
client.SetAction(result => result.GetValue(overUdp) || result.GetValue(connect) is [UdpAddress]
    ? EchoDatagramClient.Run(result.GetValue(connect)!.FirstOrDefault(), result.GetValue(host)!, result.GetValue(port))
    : EchoClient.Run(
        result.GetValue(connect)!.FirstOrDefault(),
        result.GetValue(host)!,
        result.GetValue(port),
        result.GetValue(unix),
        result.GetValue(withTls),
        result.GetValue(authority)));
return root.Invoke(args);

void ValidateStyle(System.CommandLine.Parsing.CommandResult result)
{
    bool isNamed = result.GetResult(style) is { Implicit: false };
    string? named = isNamed ? result.GetValue(style) : null;
    if (result.GetValue(lines) && named is "protocol" or "buffered")
    {
        result.AddError("--lines is for --style stream.");
    }
    else if ((result.GetValue(lines) || named == "stream") && (result.GetValue(frame) > 0 || result.GetValue(ignoreBackpressure)))
    {
        result.AddError("--frame and --ignore-backpressure are for protocols, and a stream is none.");
    }

    if (result.GetValue(unix) is not null && result.GetValue(systemd))
    {
        result.AddError("--unix and --systemd are two places to listen on; choose one.");
    }

    result.RefuseBeside(listen, host, port, unix, systemd, udp);
}

void ValidateUdp(System.CommandLine.Parsing.CommandResult result)
{
    // Not by their values, which are not to be had while one of them is wrong.
    string[] addresses = [.. result.GetResult(listen)?.Tokens.Select(token => token.Value) ?? []];
    bool isOfDatagrams = Array.Exists(
        addresses, text => ServiceAddress.TryParse(text, out ServiceAddress? address, out _) && address is UdpAddress);
    if (isOfDatagrams && addresses.Length > 1)
    {
        result.AddError("--listen: udp:// is served alone.");
    }

    if ((result.GetValue(udp) || isOfDatagrams)
        && Array.Find(ofStreams, option => result.GetResult(option) is { Implicit: false }) is { } other)
    {
        result.AddError($"{other.Name} is for streams, and UDP is none.");
    }
}

int Serve(ParseResult result)
{
    ServiceAddress[] addresses = result.GetValue(listen)!;
    if (result.GetValue(udp) || addresses is [UdpAddress])
    {
        return EchoDatagrams.Serve(
            result.GetLoopKind(loop),
            addresses.FirstOrDefault(),
            result.GetValue(host)!,
            result.GetValue(port),
            result.GetValue(diagnostics));
    }

    var settings = new EchoSettings
    {
        Style = result.GetValue(lines) ? EchoStyle.Stream : Enum.Parse<EchoStyle>(result.GetValue(style)!, ignoreCase: true),
        Lines = result.GetValue(lines),
        FrameSize = result.GetValue(frame),
        IgnoreBackpressure = result.GetValue(ignoreBackpressure),
        IdleTimeout = result.GetValue(idle) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
    };
    return ServerProgram.Run(result.GetLoopKind(loop), on =>
    {
        TlsServerOptions? upgrade = result.GetTls(startTls);
        var options = new ServerOptions { MaxConnections = result.GetValue(max), Tls = result.GetTls(tls) };
        IReadOnlyList<Socket>? inherited = result.GetValue(systemd) ? ServerProgram.InheritedSockets() : null;
        string address = result.GetValue(host)!;
        int number = result.GetValue(port);
        string? path = result.GetValue(unix);
        if (settings.Style == EchoStyle.Stream)
        {
            Func<StreamConnection, Task> handler = new EchoStream(settings).EchoAsync;
            return inherited is not null ? on.StartServerAsync(handler, inherited, options)
                : addresses.Length > 0 ? on.StartServerAsync(handler, addresses, options)
                : path is not null ? on.StartUnixServerAsync(handler, path, options)
                : on.StartServerAsync(handler, address, number, options);
        }

        return inherited is not null ? on.CreateServerAsync(Create, inherited, options)
            : addresses.Length > 0 ? on.CreateServerAsync(Create, addresses, options)
            : path is not null ? on.CreateUnixServerAsync(Create, path, options)
            : on.CreateServerAsync(Create, address, number, options);

        StreamProtocol Create() => upgrade is null ? EchoProtocol.Create(on, settings) : new StartTlsEchoProtocol(upgrade);
    }, diagnostics: result.GetValue(diagnostics));
}
