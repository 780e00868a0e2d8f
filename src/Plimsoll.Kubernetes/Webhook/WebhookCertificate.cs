using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Plimsoll.Kubernetes.Webhook;

/// <summary>
/// The webhook's certificate where the operator makes it: an authority of its own that the API server is told to trust, kept
/// for ten years, and a server's certificate that it renews. All replicas share them by a Secret.
/// </summary>
internal sealed record WebhookCertificate
{
    public const string AuthorityField = "ca.crt";
    public const string AuthorityKeyField = "ca.key";
    public const string CertificateField = "tls.crt";
    public const string KeyField = "tls.key";

    private static readonly TimeSpan AuthorityLife = TimeSpan.FromDays(3652);
    private static readonly TimeSpan Life = TimeSpan.FromDays(90);

    // Clocks differ.
    private static readonly TimeSpan Before = TimeSpan.FromHours(1);

    /// <summary>PEM; two of them while one takes over from another.</summary>
    public required string Authorities { get; init; }

    public required string AuthorityKey { get; init; }

    public required string Certificate { get; init; }

    public required string Key { get; init; }

    /// <summary>Reads the Secret's fields; null where they are not all there or do not belong together.</summary>
    public static WebhookCertificate? Of(Func<string, byte[]?> field)
    {
        string? Text(string name) => field(name) is { Length: > 0 and < 65_536 } bytes ? Encoding.UTF8.GetString(bytes) : null;
        if (Text(AuthorityField) is not { } authorities || Text(AuthorityKeyField) is not { } authorityKey
            || Text(CertificateField) is not { } certificate || Text(KeyField) is not { } key) return null;
        var found = new WebhookCertificate { Authorities = authorities, AuthorityKey = authorityKey, Certificate = certificate, Key = key };
        try
        {
            using (X509Certificate2.CreateFromPem(certificate, key))
            using (X509Certificate2.CreateFromPem(authorities, authorityKey))
                return found;
        }
        catch (Exception unusable) when (unusable is CryptographicException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>What is shown to clients.</summary>
    public SslStreamCertificateContext Context()
    {
        using var pem = X509Certificate2.CreateFromPem(Certificate, Key);
        // A key that came from PEM must go through PKCS#12 on some platforms before TLS takes it.
        var own = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        return SslStreamCertificateContext.Create(own, null, offline: true);
    }

    /// <summary>The certificate to use from now on: this one, or one renewed where a third of its life or less is left.</summary>
    /// <param name="before">The one in use; null where there is none.</param>
    /// <param name="names">The server's DNS names, the first its common name.</param>
    /// <param name="now">The time.</param>
    public static WebhookCertificate Renewed(WebhookCertificate? before, IReadOnlyList<string> names, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(names);
        if (before is null) return Sign(Authority(now), names, now);
        using var authority = X509Certificate2.CreateFromPem(before.Authorities);
        if (authority.NotAfter.ToUniversalTime() - now.UtcDateTime < Life * 2)
        {
            // Both are trusted until the old one's last server has gone.
            var next = Sign(Authority(now), names, now);
            return next with { Authorities = next.Authorities + "\n" + authority.ExportCertificatePem() };
        }

        using var server = X509Certificate2.CreateFromPem(before.Certificate);
        var serves = names.All(name => server.MatchesHostname(name)) && now.UtcDateTime >= server.NotBefore.ToUniversalTime();
        return serves && server.NotAfter.ToUniversalTime() - now.UtcDateTime > Life / 3 ? before : Sign(before, names, now);
    }

    private static WebhookCertificate Authority(DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(Named("plimsoll-webhook-ca"), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        using var made = request.CreateSelfSigned(now - Before, now + AuthorityLife);
        return new WebhookCertificate { Authorities = made.ExportCertificatePem(), AuthorityKey = key.ExportPkcs8PrivateKeyPem(), Certificate = "", Key = "" };
    }

    private static WebhookCertificate Sign(WebhookCertificate by, IReadOnlyList<string> names, DateTimeOffset now)
    {
        using var authority = X509Certificate2.CreateFromPem(by.Authorities, by.AuthorityKey);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(Named(names[0].Length > 64 ? "plimsoll-webhook" : names[0]), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], false));
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names) alternatives.AddDnsName(name);
        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, true, false));
        using var made = request.Create(authority, now - Before, now + Life, RandomNumberGenerator.GetBytes(16));
        return by with { Certificate = made.ExportCertificatePem(), Key = key.ExportPkcs8PrivateKeyPem() };
    }

    private static X500DistinguishedName Named(string name)
    {
        var builder = new X500DistinguishedNameBuilder();
        builder.AddCommonName(name);
        return builder.Build();
    }
}
