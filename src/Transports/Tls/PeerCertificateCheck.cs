using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Toolkit.Backends;

namespace Toolkit.Transports;

/// <summary>Decides whether a peer's certificate is accepted, and remembers in words why it was not.</summary>
internal sealed class PeerCertificateCheck(TlsUserCode user, RemoteCertificateValidationCallback? callback, string? host)
{
    /// <summary>Why the certificate was refused; null unless it was.</summary>
    public string? Refusal { get; private set; }

    /// <summary>What the user's own check has thrown.</summary>
    public Exception? Failure { get; private set; }

    public bool Check(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (callback is null)
        {
            Refusal = errors == SslPolicyErrors.None ? null : Describe(certificate, chain, errors);
            return errors == SslPolicyErrors.None;
        }

        try
        {
            if (user.Call(
                callback, nameof(RemoteCertificateValidationCallback), () => callback(sender, certificate, chain, errors)))
            {
                return true;
            }
        }
        catch (Exception exception)
        {
            Failure = exception;
        }

        string found = errors == SslPolicyErrors.None ? "" : $" ({Describe(certificate, chain, errors)})";
        Refusal = $"the application's own check {(Failure is null ? "refused it" : "threw")}{found}";
        return false;
    }

    private string Describe(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        var reasons = new List<string>();
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
        {
            reasons.Add("the peer has shown none");
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            reasons.Add($"it is not for {host}, but for {NamesOf(certificate)}");
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
        {
            reasons.AddRange((chain?.ChainStatus ?? [])
                .Select(status => status.Status)
                .Distinct()
                .Select(status => Describe(certificate, status)));
            if (chain is null or { ChainStatus.Length: 0 })
            {
                reasons.Add("its chain is not valid");
            }
        }

        return string.Join("; ", reasons);
    }

    private static string Describe(X509Certificate? certificate, X509ChainStatusFlags status) => status switch
    {
        X509ChainStatusFlags.NotTimeValid when certificate is X509Certificate2 { } own => string.Create(
            CultureInfo.InvariantCulture,
            $"it or an issuer of it is not valid now (it is from {own.NotBefore:u} to {own.NotAfter:u})"),
        X509ChainStatusFlags.UntrustedRoot => "its root is not trusted (self-signed, or of an authority that is not known here)",
        X509ChainStatusFlags.PartialChain => "its issuer is not known here, and the peer has not sent it",
        X509ChainStatusFlags.NotValidForUsage => "it is not for this use (extended key usage)",
        _ => status.ToString(),
    };

    private static string NamesOf(X509Certificate? certificate)
    {
        string names = certificate is X509Certificate2 own
            ? string.Join(", ", own.Extensions
                .OfType<X509SubjectAlternativeNameExtension>()
                .SelectMany(names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(a => a.ToString()))))
            : "";
        return names.Length == 0 ? "nobody" : LogText.Escape(names);
    }
}
