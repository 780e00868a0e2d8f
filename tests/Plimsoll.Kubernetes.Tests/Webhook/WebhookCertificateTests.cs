using System.Security.Cryptography.X509Certificates;
using System.Text;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Kubernetes.Tests.Webhook;

/// <summary>The certificate that the operator makes, and its renewal.</summary>
public sealed class WebhookCertificateTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 26, 6, 0, 0, TimeSpan.Zero);
    private static readonly string[] Names = ["plimsoll-webhook.plimsoll-system.svc", "plimsoll-webhook.plimsoll-system.svc.cluster.local"];

    [Fact]
    public void It_is_trusted_by_its_authority_for_the_Services_name_and_nothing_else()
    {
        var made = WebhookCertificate.Renewed(null, Names, Start);

        Assert.True(IsTrusted(made, made.Authorities, Start));
        Assert.False(IsTrusted(made, WebhookCertificate.Renewed(null, Names, Start).Authorities, Start));
        using var server = X509Certificate2.CreateFromPem(made.Certificate);
        Assert.True(server.MatchesHostname("plimsoll-webhook.plimsoll-system.svc"));
        Assert.False(server.MatchesHostname("kubernetes.default.svc"));
        using var authority = X509Certificate2.CreateFromPem(made.Authorities);
        Assert.True(authority.Extensions.OfType<X509BasicConstraintsExtension>().Single() is { CertificateAuthority: true, PathLengthConstraint: 0 });
    }

    [Fact]
    public void It_is_renewed_in_its_last_month_under_the_same_authority()
    {
        var made = WebhookCertificate.Renewed(null, Names, Start);

        Assert.Equal(made, WebhookCertificate.Renewed(made, Names, Start.AddDays(59)));
        var renewed = WebhookCertificate.Renewed(made, Names, Start.AddDays(61));
        Assert.NotEqual(made.Certificate, renewed.Certificate);
        Assert.Equal(made.Authorities, renewed.Authorities);
        Assert.True(IsTrusted(renewed, made.Authorities, Start.AddDays(150)));
        Assert.NotEqual(made.Certificate, WebhookCertificate.Renewed(made, ["another.name.svc"], Start).Certificate);
    }

    [Fact]
    public void A_new_authority_is_trusted_beside_the_old_one()
    {
        var made = WebhookCertificate.Renewed(null, Names, Start);
        var late = Start.AddDays(3652 - 100);
        var next = WebhookCertificate.Renewed(made, Names, late);

        Assert.True(IsTrusted(next, next.Authorities, late));
        Assert.True(IsTrusted(WebhookCertificate.Renewed(made, Names, Start.AddDays(3000)), next.Authorities, Start.AddDays(3001)));
        Assert.Equal(next, WebhookCertificate.Renewed(next, Names, late.AddDays(1)));
    }

    [Fact]
    public void What_a_Secret_holds_is_read_and_half_of_it_is_nothing()
    {
        var made = WebhookCertificate.Renewed(null, Names, Start);
        var fields = new Dictionary<string, string>
        {
            ["ca.crt"] = made.Authorities,
            ["ca.key"] = made.AuthorityKey,
            ["tls.crt"] = made.Certificate,
            ["tls.key"] = made.Key,
        };
        byte[]? Field(string name) => fields.TryGetValue(name, out var text) ? Encoding.UTF8.GetBytes(text) : null;

        Assert.Equal(made, WebhookCertificate.Of(Field));
        fields["tls.key"] = WebhookCertificate.Renewed(null, Names, Start).Key;
        Assert.Null(WebhookCertificate.Of(Field));
        fields.Remove("tls.key");
        Assert.Null(WebhookCertificate.Of(Field));
        Assert.Null(WebhookCertificate.Of(_ => null));
    }

    private static bool IsTrusted(WebhookCertificate shown, string authorities, DateTimeOffset at)
    {
        using var server = X509Certificate2.CreateFromPem(shown.Certificate);
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.ImportFromPem(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationTime = at.UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new("1.3.6.1.5.5.7.3.1"));
        return chain.Build(server);
    }
}
