using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>A certificate authority that lives as long as a control plane; everything in PEM.</summary>
public sealed class CertificateAuthority : IDisposable
{
    private static readonly Oid ServerUse = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientUse = new("1.3.6.1.5.5.7.3.2");

    private readonly DateTimeOffset _from = TimeProvider.System.GetUtcNow().AddHours(-1);
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;

    public CertificateAuthority(string name)
    {
        var request = new CertificateRequest(Named(name), _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _certificate = request.CreateSelfSigned(_from, _from.AddDays(2));
    }

    public string CertificatePem => _certificate.ExportCertificatePem();

    /// <summary>The authority's certificate without its key.</summary>
    public X509Certificate2 Certificate => X509Certificate2.CreateFromPem(CertificatePem);

    /// <summary>A certificate for a server on loopback.</summary>
    public KeyPair IssueServer(string name)
    {
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("localhost");
        return Issue(Named(name), ServerUse, names.Build());
    }

    /// <summary>A certificate that the API server reads as a user in groups.</summary>
    public KeyPair IssueClient(string user, params IEnumerable<string> groups) => Issue(Named(user, groups), ClientUse);

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private static X500DistinguishedName Named(string name, params IEnumerable<string> groups)
    {
        var builder = new X500DistinguishedNameBuilder();
        foreach (var group in groups) builder.AddOrganizationName(group);
        builder.AddCommonName(name);
        return builder.Build();
    }

    private KeyPair Issue(X500DistinguishedName subject, Oid use, params X509Extension[] extensions)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([use], false));
        foreach (var extension in extensions) request.CertificateExtensions.Add(extension);
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7f; // a serial number is positive
        using var certificate = request.Create(_certificate, _from, _from.AddDays(1), serial);
        return new KeyPair(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}

/// <summary>A certificate and its private key, in PEM.</summary>
public sealed record KeyPair(string CertificatePem, string KeyPem);
