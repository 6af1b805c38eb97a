using System.CommandLine;
using System.IO.Enumeration;
using System.Security.Cryptography.X509Certificates;
using Toolkit;
using Toolkit.Bench;
using Toolkit.Bench.Cells;
using Toolkit.Bench.Files;
using Toolkit.Bench.Load;
using Toolkit.Bench.Measuring;
using Toolkit.Bench.Peers;
using Toolkit.Bench.Primitives;
using Toolkit.Bench.Report;
using Toolkit.Bench.Results;
using Toolkit.Bench.Servers;
using Toolkit.Bench.Spawning;

var cells = new Option<string[]>("--cells")
{
    Description = "The cells to measure, by name or pattern (echo-64-*); the mode's own by default.",
    AllowMultipleArgumentsPerToken = true,
};
var peers = new Option<string[]>("--peers")
{
    Description = "The peers to measure, by name or pattern; the mode's own by default.",
    AllowMultipleArgumentsPerToken = true,
};
var rounds = new Option<int?>("--rounds") { Description = "How many rounds; 3 in quick mode, 9 in full mode." };
var window = new Option<int?>("--window")
{
    Description = "How many milliseconds are measured; 250 in quick mode, 300 in full mode.",
};
var attempts = new Option<int?>("--attempts")
{
    Description = "How often a disturbed measurement is made at most; the least disturbed counts. "
        + "1 in quick mode, 2 in full mode.",
};
var primitives = new Option<bool?>("--primitives")
{
    Description = "Whether to time the primitives of loops; by default when no cells are named.",
};
var output = new Option<string?>("--output")
{
    Description = "Where the report goes; by default a complete run goes to docs, all else to artifacts/bench.",
};
foreach (Option<int?> number in (Option<int?>[])[rounds, window, attempts])
{
    number.Validators.Add(result =>
    {
        if (result.GetValueOrDefault<int?>() is < 1)
        {
            result.AddError($"{number.Name} is at least 1.");
        }
    });
}

Option[] measuring = [cells, peers, rounds, window, attempts, primitives, output];
var quick = new Command("quick", "What stands for all, in less than five minutes (the default).");
var full = new Command("full", "Everything, in nine rounds: about an hour.");
var list = new Command("list", "The names of cells and peers, and which peers are missing here.");
var file = new Argument<FileInfo>("run") { Description = "The JSON of a run." };
file.AcceptExistingOnly();
var report = new Command("report", "Write the report of an earlier run again.") { file, output };
var root = new RootCommand("Honest figures, beside the peers.") { quick, full, list, report };
foreach (Option option in measuring)
{
    root.Options.Add(option);
    quick.Options.Add(option);
    full.Options.Add(option);
}

root.SetAction(result => Measure(result, isFull: false));
quick.SetAction(result => Measure(result, isFull: false));
full.SetAction(result => Measure(result, isFull: true));
list.SetAction(_ => List());
report.SetAction(result => Console.Out.WriteLine(
    new PerformanceReport(BenchRun.Load(result.GetValue(file)!.FullName))
        .Write(result.GetValue(output) ?? Repository.Artifacts)));

// What this program starts itself as: servers, and the primitives of .NET.
var kind = new Argument<string>("kind");
var mode = new Option<ServerMode>("--mode");
var loop = new Option<LoopKind>("--loop");
var style = new Option<ToolkitStyle>("--style");
var spin = new Option<int>("--spin");
var buffer = new Option<int>("--buffer");
var tls = new Option<string[]>("--tls") { Arity = new ArgumentArity(2, 2), AllowMultipleArgumentsPerToken = true };
var serve = new Command("serve") { kind, mode, loop, style, spin, buffer, tls };
serve.Hidden = true;
serve.SetAction(Serve);
var runner = new Argument<string>("runner");
var time = new Command("primitives") { runner };
time.Hidden = true;
time.SetAction(result => PrimitiveRounds.PrintAsync(result.GetValue(runner)!));
root.Subcommands.Add(serve);
root.Subcommands.Add(time);

var children = new Option<int>("--count") { Description = "How many children in a round.", DefaultValueFactory = _ => 300 };
var spawn = new Command("spawn", "What it takes to start a child and to wait for it.") { rounds, children };
spawn.SetAction(result => SpawnRounds.Run(result.GetValue(rounds) ?? 3, result.GetValue(children)));
root.Subcommands.Add(spawn);
var count = new Argument<int>("count");
var spawner = new Command("spawner") { runner, count };
spawner.Hidden = true;
spawner.SetAction(result => SpawnRounds.PrintAsync(result.GetValue(runner)!, result.GetValue(count)));
root.Subcommands.Add(spawner);


var size = new Option<int>("--size") { Description = "How much to send, in MiB.", DefaultValueFactory = _ => 1024 };
var files = new Command("files", "What it takes to send a file, beside reading and writing it.") { rounds, size };
files.SetAction(result => FileRounds.Run(result.GetValue(rounds) ?? 3, result.GetValue(size)));
root.Subcommands.Add(files);
var port = new Argument<int>("port");
var path = new Argument<string>("path");
var sender = new Command("sender") { runner, port, path };
sender.Hidden = true;
sender.SetAction(result => FileRounds.SendAsync(result.GetValue(runner)!, result.GetValue(port), result.GetValue(path)!));
root.Subcommands.Add(sender);

return root.Parse(args).Invoke();

int Measure(ParseResult result, bool isFull)
{
    string[]? cellNames = Named(result, cells);
    string[]? peerNames = Named(result, peers);
    var plan = new Plan
    {
        Mode = isFull ? "full" : "quick",
        Cells = Select(CellCatalog.All, cell => cell.Name, cellNames ?? (isFull ? ["*"] : [.. CellCatalog.Quick])),
        Peers = Select(PeerCatalog.All, peer => peer.Name, peerNames ?? (isFull ? ["*"] : [.. PeerCatalog.Quick])),
        Rounds = result.GetValue(rounds) ?? (isFull ? 9 : 3),
        Window = TimeSpan.FromMilliseconds(result.GetValue(window) ?? (isFull ? 300 : 250)),
        RoundsPerServer = 3,
        WarmUpOfFresh = isFull
            ? new WarmUp(TimeSpan.FromSeconds(1.2), TimeSpan.FromSeconds(2.5))
            : new WarmUp(TimeSpan.FromSeconds(0.7), TimeSpan.FromSeconds(1.5)),
        WarmUp = new WarmUp(TimeSpan.Zero, TimeSpan.FromSeconds(1.2)),
        Attempts = result.GetValue(attempts) ?? (isFull ? 2 : 1),
        PrimitiveRounds = !(result.GetValue(primitives) ?? cellNames is null) ? 0 : result.GetValue(rounds) ?? (isFull ? 9 : 1),
    };
    if ((plan.Cells.Count == 0 || plan.Peers.Count == 0) && plan.PrimitiveRounds == 0)
    {
        Console.Error.WriteLine("There is no such cell or no such peer. See: list");
        return 2;
    }

    bool isComplete = isFull && cellNames is null && peerNames is null && plan.PrimitiveRounds > 0;
    return BenchSession.Run(plan, result.GetValue(output) ?? (isComplete ? Repository.Documents : Repository.Artifacts));
}

static string[]? Named(ParseResult result, Option<string[]> option)
    => result.GetValue(option) is { Length: > 0 } names
        ? [.. names.SelectMany(name => name.Split(',', StringSplitOptions.RemoveEmptyEntries))]
        : null;

static T[] Select<T>(IEnumerable<T> all, Func<T, string> name, string[] patterns)
    => [.. all.Where(item => Array.Exists(patterns, pattern => FileSystemName.MatchesSimpleExpression(pattern, name(item))))];

static int List()
{
    foreach (Cell cell in CellCatalog.All)
    {
        Console.Out.WriteLine($"{cell.Name,-24} {cell.Group}: {cell.Title}");
    }

    Console.Out.WriteLine();
    foreach (Peer peer in PeerCatalog.All)
    {
        Presence presence = peer.Probe();
        Console.Out.WriteLine($"{peer.Name,-24} {peer.Title}: {presence.Version ?? $"missing: {presence.Missing}"}");
    }

    return 0;
}

async Task Serve(ParseResult result)
{
    ServerMode serverMode = result.GetValue(mode);
    X509Certificate2? certificate = result.GetValue(tls) is [var pem, var key] ? X509Certificate2.CreateFromPemFile(pem, key) : null;
    switch (result.GetValue(kind))
    {
        case "toolkit":
            ToolkitServer.Run(serverMode, new ToolkitServerOptions
            {
                Loop = result.GetValue(loop),
                Style = result.GetValue(style),
                Certificate = certificate,
                Spin = TimeSpan.FromMicroseconds(result.GetValue(spin)),
            });
            break;
        case "socket":
            await SocketServer.RunAsync(serverMode, result.GetValue(buffer));
            break;
        case "kestrel":
            await KestrelServer.RunAsync(serverMode, certificate);
            break;
    }
}
