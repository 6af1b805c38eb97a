using System.Globalization;
using System.Net;
using System.Text;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>Reads one address, and remembers where its parts were, so that whatever is wrong with one has a place.</summary>
internal sealed class AddressReader
{
    private const string Known = "tcp://, tls://, udp://, unix:, pipe:, fd: or systemd:";
    private const int ShownOfAWord = 30;

    private readonly string _text;
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal) { [AddressPart.Scheme] = 0 };
    private readonly Dictionary<string, string> _parameters = new(StringComparer.Ordinal);
    private int _start; // behind the scheme and what belongs to it
    private int _end; // where the parameters begin
    private AddressFormatException? _error;

    private AddressReader(string text) => _text = text;

    /// <summary>Reads an address.</summary>
    /// <returns>The address, or null and what is wrong.</returns>
    public static ServiceAddress? Read(string text, AddressUse use, out AddressFormatException? error)
    {
        var reader = new AddressReader(text);
        ServiceAddress? address = reader.Read();
        if (address?.FindProblem(use) is { } problem)
        {
            address = reader.Fail(problem);
        }

        error = reader._error;
        return address;
    }

    private ServiceAddress? Read()
    {
        if (_text.Length == 0)
        {
            return Fail(0, $"The address is empty. Expected one that begins with {Known}.");
        }

        if (!HasOnlyCharacters())
        {
            return null;
        }

        int colon = _text.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0)
        {
            return Fail(0, $"Expected an address that begins with {Known}.");
        }

        _start = colon + 1;
        _end = _text.IndexOf('?', _start) is >= 0 and var mark ? mark : _text.Length;
        _places[AddressPart.Name] = _start;
        string scheme = _text[..colon];
        return scheme.ToUpperInvariant() switch
        {
            "TCP" => ReadTcp(),
            "TLS" => ReadTls(),
            "UDP" => ReadUdp(),
            "UNIX" => ReadUnix(),
            "PIPE" => ReadPipe(),
            "FD" => ReadDescriptor(),
            "SYSTEMD" => ReadSystemd(),
            _ => Fail(0, $"There is no scheme {Quote(scheme)}. Expected an address that begins with {Known}."),
        };
    }

    private TcpAddress? ReadTcp()
        => TryReadAuthority("tcp", out string? host, out int port) && TryReadParameters() ? new TcpAddress(host, port) : null;

    private UdpAddress? ReadUdp()
        => TryReadAuthority("udp", out string? host, out int port) && TryReadParameters() ? new UdpAddress(host, port) : null;

    private TlsAddress? ReadTls()
    {
        if (!TryReadAuthority("tls", out string? host, out int port)
            || !TryReadParameters(
                TlsAddress.CertificateParameter, TlsAddress.KeyParameter, TlsAddress.AuthorityParameter, TlsAddress.NameParameter))
        {
            return null;
        }

        string? certificate = _parameters.GetValueOrDefault(TlsAddress.CertificateParameter);
        string? key = _parameters.GetValueOrDefault(TlsAddress.KeyParameter);
        string? authority = _parameters.GetValueOrDefault(TlsAddress.AuthorityParameter);
        string? name = _parameters.GetValueOrDefault(TlsAddress.NameParameter);
        if (TlsAddress.FindParameterProblem(certificate, key, authority, name) is { } problem)
        {
            Fail(problem);
            return null;
        }

        return new TlsAddress(host, port, certificate, key, authority, name);
    }

    private UnixAddress? ReadUnix()
    {
        if (ReadPath() is not { } path)
        {
            return null;
        }

        if (UnixAddress.FindPathProblem(path) is { } pathProblem)
        {
            Fail(pathProblem);
            return null;
        }

        if (!TryReadParameters(UnixAddress.ModeParameter))
        {
            return null;
        }

        UnixFileMode? mode = null;
        if (_parameters.TryGetValue(UnixAddress.ModeParameter, out string? digits))
        {
            if (digits.Length is not (3 or 4) || !digits.All(c => c is >= '0' and <= '7') || Convert.ToInt32(digits, 8) > 0x1FF)
            {
                Fail(_places[UnixAddress.ModeParameter], "Expected a mode in octal digits, 0000 to 0777, such as 0660.");
                return null;
            }

            mode = (UnixFileMode)Convert.ToInt32(digits, 8);
        }

        if (UnixAddress.FindModeProblem(path, mode) is { } problem)
        {
            Fail(problem);
            return null;
        }

        return new UnixAddress(path, mode);
    }

    private PipeAddress? ReadPipe()
    {
        if (ReadPath() is not { } name)
        {
            return null;
        }

        if (PipeAddress.FindNameProblem(name) is { } problem)
        {
            Fail(problem);
            return null;
        }

        return TryReadParameters() ? new PipeAddress(name) : null;
    }

    private DescriptorAddress? ReadDescriptor()
    {
        if (TryReadNumber(_start, int.MaxValue, "Expected the number of a descriptor, such as fd:3.", out int descriptor)
            && TryReadParameters())
        {
            return new DescriptorAddress(descriptor);
        }

        return null;
    }

    private SystemdAddress? ReadSystemd()
    {
        if (Unescape(_start, _end) is not { } name)
        {
            return null;
        }

        if (SystemdAddress.FindNameProblem(name) is { } problem)
        {
            Fail(problem);
            return null;
        }

        return TryReadParameters() ? new SystemdAddress(name) : null;
    }

    // A control character in an address is a mistake, or somebody's who writes to a terminal.
    private bool HasOnlyCharacters()
    {
        int half = AddressText.FindLoneSurrogate(_text);
        for (int i = 0; i < _text.Length; i++)
        {
            if (i == half)
            {
                Fail(i, "Half a surrogate pair is no character.");
                return false;
            }

            if (char.IsControl(_text[i]))
            {
                string escape = AddressText.Escape(new Rune(_text[i]));
                Fail(i, $"A control character (U+{(int)_text[i]:X4}) is written as an escape, {escape}.");
                return false;
            }
        }

        return true;
    }

    // Of unix:///path, which others write as well, the host is empty.
    private string? ReadPath()
    {
        int start = _start;
        if (_text.AsSpan(start, _end - start).StartsWith("//", StringComparison.Ordinal))
        {
            start += 2;
            if (start == _end || _text[start] != '/')
            {
                string scheme = _text[..(_start - 1)];
                Fail(start, $"Expected a path and no host: {scheme}:/path or {scheme}:name.");
                return null;
            }
        }

        return Unescape(start, _end);
    }

    private bool TryReadAuthority(string scheme, out string? host, out int port)
    {
        host = null;
        port = 0;
        if (!_text.AsSpan(_start, _end - _start).StartsWith("//", StringComparison.Ordinal))
        {
            Fail(_start, $"Expected {scheme}://host:port.");
            return false;
        }

        int start = _start + 2;
        _places[AddressPart.Host] = start;
        int colon;
        if (start < _end && _text[start] == '[')
        {
            int bracket = _text.IndexOf(']', start, _end - start);
            if (bracket < 0)
            {
                Fail(_end, "Expected a ] behind the IPv6 address.");
                return false;
            }

            host = _text[(start + 1)..bracket];
            if (HostName.FindEscapedZone(host) is >= 0 and var zone)
            {
                Fail(start + 1 + zone, "A zone is written without an escape: %eth0, and not %25eth0.");
                return false;
            }

            if (!InternetAddress.IsV6(host) || HostName.FindProblem(host, out _) is not null)
            {
                Fail(start + 1, "Expected an IPv6 address in the brackets, such as [::1].");
                return false;
            }

            colon = bracket + 1;
        }
        else
        {
            colon = _text.IndexOf(':', start, _end - start);
            if (colon >= 0 && _text.IndexOf(':', colon + 1, _end - colon - 1) >= 0)
            {
                Fail(start, $"An IPv6 address stands in brackets: {scheme}://[::1]:port.");
                return false;
            }

            int end = colon >= 0 ? colon : _end;
            host = end > start ? _text[start..end] : null;
            if (host is not null && InternetAddress.FindHostProblem(host) is { } problem)
            {
                Fail(problem);
                return false;
            }
        }

        if (colon < 0 || colon >= _end || _text[colon] != ':')
        {
            Fail(colon >= 0 ? colon : _end, $"Expected a colon and a port: {scheme}://host:port.");
            return false;
        }

        _places[AddressPart.Port] = colon + 1;
        return TryReadNumber(colon + 1, IPEndPoint.MaxPort, "Expected a port, 0 to 65535.", out port);
    }

    // Digits up to the parameters.
    private bool TryReadNumber(int start, int max, string expected, out int number)
    {
        int digits = start;
        while (digits < _end && char.IsAsciiDigit(_text[digits]))
        {
            digits++;
        }

        if (digits < _end || digits == start)
        {
            number = 0;
            Fail(digits, expected);
            return false;
        }

        if (!int.TryParse(_text.AsSpan(start, digits - start), NumberStyles.None, CultureInfo.InvariantCulture, out number)
            || number > max)
        {
            Fail(start, expected);
            return false;
        }

        return true;
    }

    private bool TryReadParameters(params ReadOnlySpan<string> known)
    {
        int start = _end;
        while (start < _text.Length)
        {
            start++; // the ? or &
            int end = _text.IndexOf('&', start) is >= 0 and var next ? next : _text.Length;
            int equals = _text.IndexOf('=', start, end - start);
            string name = _text[start..(equals >= 0 ? equals : end)];
            if (!known.Contains(name))
            {
                Fail(start, known.IsEmpty
                    ? $"Expected no parameters: {_text[..(_text.IndexOf(':', StringComparison.Ordinal) + 1)]} has none."
                    : $"There is no parameter {Quote(name)}. Expected {string.Join(" or ", known!)}.");
                return false;
            }

            if (equals < 0)
            {
                Fail(end, $"Expected {name}= and a value.");
                return false;
            }

            _places[name] = equals + 1;
            if (Unescape(equals + 1, end) is not { } value)
            {
                return false;
            }

            if (value.Length == 0)
            {
                Fail(end, $"Expected a value of {name}.");
                return false;
            }

            if (!_parameters.TryAdd(name, value))
            {
                Fail(start, $"The parameter {name} is given twice.");
                return false;
            }

            start = end;
        }

        return true;
    }

    private string? Unescape(int start, int end)
    {
        string? meant = AddressText.Unescape(_text[start..end], out string? problem, out int index);
        if (problem is not null)
        {
            Fail(start + index, problem);
        }

        return meant;
    }

    private ServiceAddress? Fail(in AddressProblem problem) => Fail(_places[problem.Part] + problem.Index, problem.Message);

    private ServiceAddress? Fail(int position, string reason)
    {
        _error ??= new AddressFormatException(reason, _text, position);
        return null;
    }

    private static string Quote(string word)
        => $"\"{LogText.Escape(word.Length > ShownOfAWord ? word[..ShownOfAWord] + "..." : word)}\"";
}
