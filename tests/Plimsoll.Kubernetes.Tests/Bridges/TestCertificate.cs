using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Plimsoll.Kubernetes.Tests.Bridges;

/// <summary>A self-signed certificate in PEM, its own authority.</summary>
internal sealed record TestCertificate(string CertificatePem, string KeyPem)
{
    /// <param name="commonName">CN.</param>
    /// <param name="uses">Extended key usages; none means any.</param>
    /// <param name="dnsNames">Beside localhost and 127.0.0.1.</param>
    public static TestCertificate SelfSigned(string commonName, string[]? uses = null, params string[] dnsNames)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName(commonName);
        var request = new CertificateRequest(name.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        if (uses is not null)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. uses.Select(use => new Oid(use))], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        foreach (var dns in (string[])["localhost", .. dnsNames]) names.AddDnsName(dns);
        request.CertificateExtensions.Add(names.Build());
        var from = TimeProvider.System.GetUtcNow().AddHours(-1);
        using var certificate = request.CreateSelfSigned(from, from.AddDays(2));
        return new(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    public X509Certificate2 WithKey() => X509Certificate2.CreateFromPem(CertificatePem, KeyPem);

    /// <summary>Writes "NAME.crt" and "NAME.key" into the folder.</summary>
    public async Task WriteAsync(string folder, string name)
    {
        await File.WriteAllTextAsync(Path.Combine(folder, name + ".crt"), CertificatePem);
        await File.WriteAllTextAsync(Path.Combine(folder, name + ".key"), KeyPem);
    }
}
