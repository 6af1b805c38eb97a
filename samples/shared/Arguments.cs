using System.CommandLine;
using System.Net;

namespace Toolkit.Samples;

/// <summary>The options that the samples have in common, and what becomes of a command line.</summary>
internal static class Arguments
{
    public static Option<string> Host() => new("--host")
    {
        Description = "The host to listen on or to connect to.",
        DefaultValueFactory = _ => "127.0.0.1",
    };

    public static Option<int> Port(int defaultPort)
    {
        var port = new Option<int>("--port")
        {
            Description = "The port; 0 lets the system choose one to listen on.",
            DefaultValueFactory = _ => defaultPort,
        };
        return port.Require(value => value is >= 0 and <= IPEndPoint.MaxPort, "--port is 0 to 65535.");
    }

    public static Option<string> Loop()
    {
        var loop = new Option<string>("--loop")
        {
            Description = "The kind of event loop; auto is what TOOLKIT_BACKEND says, or the best of this machine.",
            DefaultValueFactory = _ => "auto",
        };
        // A simulated network has nobody to serve.
        return loop.AcceptOnlyFromAmong([.. Enum.GetNames<LoopKind>()
            .Where(name => name != nameof(LoopKind.Simulated))
            .Select(name => name.ToLowerInvariant())]);
    }

    public static Option<bool> Systemd() => new("--systemd")
    {
        Description = "Serve on the sockets that a systemd socket unit passes, instead of a host and a port.",
    };

    public static Option<string?> Unix() => new("--unix")
    {
        Description = "The path of a Unix socket, instead of a host and a port.",
        HelpName = "PATH",
    };

    public static Option<string?> Diagnostics() => new("--diagnostics")
    {
        Description = "The path of a Unix socket that tells this user, and root, what the process does; see samples/top.",
        HelpName = "PATH",
    };

    /// <summary>A certificate and its key, as two files in PEM.</summary>
    public static Option<string[]> Certificate(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "CERT KEY",
        Arity = new ArgumentArity(2, 2),
        AllowMultipleArgumentsPerToken = true,
    };

    /// <summary>What <see cref="Certificate"/> was given, and TLS with it; null when it was not.</summary>
    public static TlsServerOptions? GetTls(this ParseResult result, Option<string[]> certificate)
        => result.GetValue(certificate) is [var path, var key]
            ? new TlsServerOptions { Certificate = TlsCertificate.FromPemFiles(path, key) }
            : null;

    /// <summary>Refuses what does not meet a condition. What is no number at all has its own message from the library.</summary>
    public static Option<T> Require<T>(this Option<T> option, Predicate<double> condition, string message)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && double.TryParse(text, out double value) && !condition(value))
            {
                result.AddError(message);
            }
        });
        return option;
    }

    /// <summary>The kind of loop that <see cref="Loop"/> was given.</summary>
    public static LoopKind GetLoopKind(this ParseResult result, Option<string> loop)
        => Enum.Parse<LoopKind>(result.GetValue(loop)!, ignoreCase: true);

    /// <summary>Runs the command that the arguments name.</summary>
    /// <returns>The exit code: 2 when the arguments are wrong, which standard error says.</returns>
    public static int Invoke(this RootCommand root, string[] args)
    {
        ParseResult parsed = root.Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (System.CommandLine.Parsing.ParseError error in parsed.Errors)
            {
                Console.Error.WriteLine(error.Message);
            }

            return 2;
        }

        // Without a time-out the library leaves signals to us; with one it ends the process in the middle of a drain.
        return parsed.Invoke(new InvocationConfiguration { ProcessTerminationTimeout = null });
    }
}
