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

    /// <summary>Where to serve, as addresses: docs/guide/addresses.md has all of them.</summary>
    public static Option<ServiceAddress[]> Listen()
    {
        Option<ServiceAddress[]> listen = Addresses("--listen", AddressUse.Listen);
        listen.Description = "An address to listen at, such as tcp://0.0.0.0:7000, tls://:7001?cert=c.pem&key=k.pem or unix:/path; "
            + "may be given several times.";
        return listen;
    }

    /// <summary>Whom to connect to, as an address; only <paramref name="many"/> is more than one.</summary>
    public static Option<ServiceAddress[]> Connect(bool many = false)
    {
        Option<ServiceAddress[]> connect = Addresses("--connect", AddressUse.Connect);
        connect.Description = "The address to connect to, such as tcp://localhost:7000, tls://host:7001?ca=ca.pem or unix:/path"
            + (many ? "; may be given several times." : ".");
        if (!many)
        {
            connect.Validators.Add(result =>
            {
                if (result.Tokens.Count > 1)
                {
                    result.AddError("--connect is given twice, and there is one server to connect to.");
                }
            });
        }

        return connect;
    }

    /// <summary>Refuses an address beside the options that say the same in another way.</summary>
    public static void RefuseBeside(
        this System.CommandLine.Parsing.CommandResult result, Option address, params ReadOnlySpan<Option> others)
    {
        if (result.GetResult(address) is not { Implicit: false })
        {
            return;
        }

        foreach (Option other in others)
        {
            if (result.GetResult(other) is { Implicit: false })
            {
                result.AddError($"{address.Name} and {other.Name} both say where; choose one.");
            }
        }
    }

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

    private static Option<ServiceAddress[]> Addresses(string name, AddressUse use) => new(name)
    {
        HelpName = "ADDRESS",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
        CustomParser = result =>
        {
            var addresses = new List<ServiceAddress>();
            foreach (System.CommandLine.Parsing.Token token in result.Tokens)
            {
                if (ServiceAddress.TryParse(token.Value, use, out ServiceAddress? address, out AddressFormatException? error))
                {
                    addresses.Add(address);
                }
                else
                {
                    result.AddError($"{name}: {error.Message}");
                }
            }

            return [.. addresses];
        },
    };

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
