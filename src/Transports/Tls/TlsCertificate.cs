using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Toolkit;

/// <summary>
/// A certificate with its private key and the certificates of its issuers: what one end of a connection shows to the other. It
/// can be loaded anew while it is in use. Any thread.
/// </summary>
/// <remarks>
/// Connections hold what was there when their handshake began. After <see cref="Reload"/> new handshakes use what is there now;
/// when it fails, they go on using what was there before. Sessions are resumed only with the certificate that they began with.
/// </remarks>
public sealed class TlsCertificate
{
    private readonly Func<Loaded> _load;
    private readonly Func<string>? _stamp;
    private volatile Loaded _current;

    private TlsCertificate(Func<Loaded> load, Func<string>? stamp)
    {
        _load = load;
        _stamp = stamp;
        LoadedStamp = stamp?.Invoke() ?? "";
        _current = load();
    }

    /// <summary>The certificate that new handshakes use.</summary>
    public X509Certificate2 Certificate => _current.Context.TargetCertificate;

    internal SslStreamCertificateContext Context => _current.Context;

    private string LoadedStamp { get; set; }

    /// <summary>Loads a certificate and its key from PEM files (RFC 7468).</summary>
    /// <param name="certificatePath">The certificate, and behind it those of its issuers, without the root.</param>
    /// <param name="keyPath">The key; null when it is in the same file.</param>
    /// <param name="password">The password of an encrypted key; null for one that is not.</param>
    /// <exception cref="TlsCertificateException">It cannot be used; the message says why.</exception>
    public static TlsCertificate FromPemFiles(string certificatePath, string? keyPath = null, string? password = null)
    {
        ArgumentNullException.ThrowIfNull(certificatePath);
        return new TlsCertificate(
            () => Loading($"{certificatePath} and {keyPath ?? "its key"}", () => LoadPem(certificatePath, keyPath, password)),
            () => StampOf(certificatePath) + StampOf(keyPath ?? certificatePath));
    }

    /// <summary>Loads a certificate, its key and its issuers from a PKCS #12 file (RFC 7292), also known as PFX.</summary>
    /// <param name="path">The file.</param>
    /// <param name="password">Its password; null for none.</param>
    /// <exception cref="TlsCertificateException">It cannot be used; the message says why.</exception>
    public static TlsCertificate FromPfxFile(string path, string? password = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return new TlsCertificate(() => Loading(path, () => LoadPfx(path, password)), () => StampOf(path));
    }

    /// <summary>Takes a certificate that is in memory. <see cref="Reload"/> then only looks whether it is still valid.</summary>
    /// <param name="certificate">The certificate, with its private key; not disposed while this is in use.</param>
    /// <param name="issuers">The certificates of its issuers, without the root; null for none.</param>
    /// <exception cref="TlsCertificateException">It cannot be used; the message says why.</exception>
    public static TlsCertificate From(X509Certificate2 certificate, X509Certificate2Collection? issuers = null)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return new TlsCertificate(
            () => Loading("the certificate that was given", () => Checked(certificate, issuers ?? [])), stamp: null);
    }

    /// <summary>Loads certificates of authorities, for <see cref="TlsOptions.TrustedRoots"/>, from a PEM file.</summary>
    /// <exception cref="TlsCertificateException">It cannot be read, or there is none in it.</exception>
    public static X509Certificate2Collection LoadRoots(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(path);
        }
        catch (Exception exception) when (exception is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new TlsCertificateException($"Cannot read certificates from {path}: {exception.Message}", exception);
        }

        return roots.Count > 0 ? roots : throw new TlsCertificateException($"There is no certificate in PEM in {path}.");
    }

    /// <summary>
    /// Loads again from the same place. Reads files, and takes some milliseconds.
    /// </summary>
    /// <exception cref="TlsCertificateException">What is there cannot be used. What was there before stays in use.</exception>
    public void Reload() => _current = _load();

    /// <summary>
    /// Reloads whenever the files have changed: looks at their time and size now and then, in a thread of the loop's
    /// (<see cref="EventLoop.RunInThreadAsync(Action, CancellationToken)"/>). A new file that cannot be used is reported to the
    /// loop's exception handler, and the old certificate stays in use until the file changes again. Loop thread only.
    /// </summary>
    /// <param name="loop">The loop whose time it is. One loop may watch for all.</param>
    /// <param name="interval">How often to look.</param>
    /// <param name="cancellationToken">Ends the watch; so does the end of the loop.</param>
    /// <exception cref="InvalidOperationException">It did not come from a file.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The interval is not above zero.</exception>
    public void Watch(EventLoop loop, TimeSpan interval, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(loop);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(interval, TimeSpan.Zero);
        if (_stamp is null)
        {
            throw new InvalidOperationException("This certificate did not come from a file, so there is nothing to watch.");
        }

        _ = loop.CreateTask(() => WatchAsync(loop, interval, cancellationToken), "certificate watch");
    }

    private static Loaded Loading(string source, Func<Loaded> load)
    {
        try
        {
            return load();
        }
        catch (Exception exception) when (exception
            is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new TlsCertificateException($"Cannot use {source}: {TextOf(exception)}", exception);
        }
    }

    private static string TextOf(Exception exception) => exception switch
    {
        // The runtime's own words do not name the usual reason.
        CryptographicException when exception.Message.Contains("password", StringComparison.OrdinalIgnoreCase)
            && exception.InnerException is null
            => $"the password is wrong, or missing. ({exception.Message})",
        _ => exception.Message,
    };

    private static Loaded LoadPem(string certificatePath, string? keyPath, string? password)
    {
        string certificates = File.ReadAllText(certificatePath);
        string key = keyPath is null ? certificates : File.ReadAllText(keyPath);
        if (!certificates.Contains("-----BEGIN CERTIFICATE-----", StringComparison.Ordinal))
        {
            throw new CryptographicException($"there is no certificate in PEM in {certificatePath}.");
        }

        if (!key.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            throw new CryptographicException($"there is no private key in PEM in {keyPath ?? certificatePath}.");
        }

        bool isEncrypted = key.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal);
        if (isEncrypted && password is null)
        {
            throw new CryptographicException("the key is encrypted, and its password is missing.");
        }

        var all = new X509Certificate2Collection();
        all.ImportFromPem(certificates);
        X509Certificate2 certificate = isEncrypted
            ? Decrypting(() => X509Certificate2.CreateFromEncryptedPem(certificates, key, password))
            : X509Certificate2.CreateFromPem(certificates, key);
        all.RemoveAt(0);
        return Checked(ForTheSystem(certificate), all);
    }

    private static X509Certificate2 Decrypting(Func<X509Certificate2> load)
    {
        try
        {
            return load();
        }
        catch (CryptographicException exception)
        {
            throw new CryptographicException(
                $"the password of its key is wrong, or the key is damaged. ({exception.Message})", exception);
        }
    }

    private static Loaded LoadPfx(string path, string? password)
    {
        X509Certificate2Collection all = X509CertificateLoader.LoadPkcs12CollectionFromFile(
            path,
            password,
            OperatingSystem.IsWindows() ? X509KeyStorageFlags.DefaultKeySet : X509KeyStorageFlags.EphemeralKeySet);
        X509Certificate2 certificate = all.FirstOrDefault(one => one.HasPrivateKey)
            ?? throw new CryptographicException("none of its certificates has a private key.");
        all.Remove(certificate);
        return Checked(certificate, all);
    }

    // Windows does TLS in another process, which does not know of a key that is only in our memory.
    private static X509Certificate2 ForTheSystem(X509Certificate2 certificate)
    {
        if (!OperatingSystem.IsWindows())
        {
            return certificate;
        }

        using (certificate)
        {
            return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), password: null);
        }
    }

    private static Loaded Checked(X509Certificate2 certificate, X509Certificate2Collection issuers)
    {
        if (!certificate.HasPrivateKey)
        {
            throw new CryptographicException(
                "the certificate has no private key. Load it together with its key, from PEM files or a PFX file.");
        }

        DateTime now = DateTime.Now;
        if (now > certificate.NotAfter)
        {
            throw new CryptographicException(string.Create(
                CultureInfo.InvariantCulture, $"the certificate has expired on {certificate.NotAfter.ToUniversalTime():u}."));
        }

        if (now < certificate.NotBefore)
        {
            throw new CryptographicException(string.Create(
                CultureInfo.InvariantCulture,
                $"the certificate is not valid before {certificate.NotBefore.ToUniversalTime():u}."));
        }

        return new Loaded(SslStreamCertificateContext.Create(certificate, issuers, offline: true));
    }

    // What changes when a file is written or replaced; also when it comes to be missing.
    private static string StampOf(string path)
    {
        var file = new FileInfo(path);
        return file.Exists
            ? string.Create(CultureInfo.InvariantCulture, $"{file.LastWriteTimeUtc.Ticks}/{file.Length};")
            : "none;";
    }

    private async Task WatchAsync(EventLoop loop, TimeSpan interval, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await loop.Delay(interval, cancellationToken);
            try
            {
                await loop.RunInThreadAsync(ReloadIfChanged, cancellationToken);
            }
            catch (TlsCertificateException exception)
            {
                loop.ReportError(new LoopError(
                    "A certificate has changed and cannot be used; the old one stays in use.", exception));
            }
        }
    }

    private void ReloadIfChanged()
    {
        string stamp = _stamp!();
        if (!string.Equals(stamp, LoadedStamp, StringComparison.Ordinal))
        {
            LoadedStamp = stamp;
            Reload();
        }
    }

    private sealed record Loaded(SslStreamCertificateContext Context);
}
