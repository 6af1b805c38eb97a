using System.CommandLine;
using Toolkit;
using Toolkit.Samples;
using Toolkit.Samples.Chat;

Option<string> host = Arguments.Host();
Option<int> port = Arguments.Port(9000);
Option<string> loop = Arguments.Loop();
Option<bool> systemd = Arguments.Systemd();
Option<ServiceAddress[]> listen = Arguments.Listen();
Option<ServiceAddress[]> connect = Arguments.Connect();
Option<string?> diagnostics = Arguments.Diagnostics();
var flood = new Option<double>("--flood")
{
    Description = "How many lines a second a member may say for long; 0 for any number.",
    DefaultValueFactory = _ => new ChatSettings().LinesPerSecond!.Value,
};
flood.Require(value => value is >= 0 and <= 1e6, "--flood is 0 to a million lines a second.");
Option<double> firstByte = Seconds("--first-byte", "How long a newcomer may say nothing", new ChatSettings().FirstByteTime);
Option<double> idle = Seconds("--idle", "How long a connection may be without a byte either way", new ChatSettings().IdleTime);
var perAddress = new Option<int?>("--per-address") { Description = "How many connections one address may have." };
perAddress.Require(value => value > 0, "--per-address is at least 1.");
var users = new Option<int>("--users") { Description = "How many there are.", DefaultValueFactory = _ => 500 };
users.Require(value => value is >= 1 and <= 20_000, "--users is 1 to 20000.");
var rooms = new Option<int>("--rooms") { Description = "How many rooms they share.", DefaultValueFactory = _ => 10 };
rooms.Require(value => value is >= 1 and <= 20_000, "--rooms is 1 to 20000.");
var messages = new Option<int>("--messages")
{
    Description = "How much they say, in all.",
    DefaultValueFactory = _ => 100_000,
};
messages.Require(value => value is >= 1 and <= 100_000_000, "--messages is 1 to 100000000.");

Option<string[]> tls = Arguments.Certificate("--tls", "Speak TLS, with a certificate and its key in PEM files.");
var serve = new Command("serve", "Serve people who connect with nc or telnet (the default).")
{
    host, port, listen, loop, systemd, flood, firstByte, idle, perAddress, tls, diagnostics,
};
var load = new Command("load", "Talk to a running server, and check that everybody in a room hears the same in the same order.")
{
    host, port, connect, users, rooms, messages,
};
var root = new RootCommand("A chat server, and a crowd for it.") { serve, load };
foreach (Option option in serve.Options)
{
    root.Options.Add(option);
}

root.Validators.Add(result => result.RefuseBeside(listen, host, port, systemd));
serve.Validators.Add(result => result.RefuseBeside(listen, host, port, systemd));
load.Validators.Add(result => result.RefuseBeside(connect, host, port));
root.SetAction(Serve);
serve.SetAction(Serve);
load.SetAction(result => LoadRun.Run(
    result.GetValue(connect)!.FirstOrDefault(),
    result.GetValue(host)!,
    result.GetValue(port),
    new LoadSize(result.GetValue(users), result.GetValue(rooms), result.GetValue(messages))));
return root.Invoke(args);

int Serve(ParseResult result)
{
    var hall = new ChatHall(new ChatSettings
    {
        LinesPerSecond = result.GetValue(flood) is > 0 and var rate ? rate : null,
        FirstByteTime = TimeOf(result.GetValue(firstByte)),
        IdleTime = TimeOf(result.GetValue(idle)),
        MembersPerAddress = result.GetValue(perAddress),
    });
    ServiceAddress[] addresses = result.GetValue(listen)!;
    return ServerProgram.Run(
        result.GetLoopKind(loop),
        on => result.GetValue(systemd)
            ? hall.ListenAsync(on, ServerProgram.InheritedSockets(), result.GetTls(tls))
            : addresses.Length > 0 ? hall.ListenAsync(on, addresses, result.GetTls(tls))
            : hall.ListenAsync(on, result.GetValue(host)!, result.GetValue(port), result.GetTls(tls)),
        hall.DrainAsync,
        result.GetValue(diagnostics));
}

static Option<double> Seconds(string name, string description, TimeSpan? defaultTime)
{
    var option = new Option<double>(name)
    {
        Description = $"{description}, in seconds; 0 for ever.",
        DefaultValueFactory = _ => defaultTime?.TotalSeconds ?? 0,
    };
    return option.Require(value => value is >= 0 and < 1e6, $"{name} is 0 to a million seconds.");
}

static TimeSpan? TimeOf(double seconds) => seconds > 0 ? TimeSpan.FromSeconds(seconds) : null;
