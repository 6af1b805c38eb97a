using System.CommandLine;
using Toolkit.Samples;
using Toolkit.Samples.Chat;

Option<string> host = Arguments.Host();
Option<int> port = Arguments.Port(9000);
Option<string> loop = Arguments.Loop();
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
var serve = new Command("serve", "Serve people who connect with nc or telnet (the default).") { host, port, loop, tls };
var load = new Command("load", "Talk to a running server, and check that everybody in a room hears the same in the same order.")
{
    host, port, users, rooms, messages,
};
var root = new RootCommand("A chat server, and a crowd for it.") { serve, load };
foreach (Option option in serve.Options)
{
    root.Options.Add(option);
}

root.SetAction(Serve);
serve.SetAction(Serve);
load.SetAction(result => LoadRun.Run(
    result.GetValue(host)!,
    result.GetValue(port),
    new LoadSize(result.GetValue(users), result.GetValue(rooms), result.GetValue(messages))));
return root.Invoke(args);

int Serve(ParseResult result)
{
    var hall = new ChatHall();
    return ServerProgram.Run(
        result.GetLoopKind(loop), on => hall.ListenAsync(on, result.GetValue(host)!, result.GetValue(port), result.GetTls(tls)));
}
