using Microsoft.AspNetCore.Http;
using Plimsoll.Kubernetes.Bridges.Callers;

namespace Plimsoll.Kubernetes.Tests.Bridges;

public sealed class FrontProxyTrustTests
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";

    private static Dictionary<string, string> Map(TestCertificate authority, string names) => new()
    {
        ["requestheader-client-ca-file"] = authority.CertificatePem,
        ["requestheader-allowed-names"] = names,
        ["requestheader-username-headers"] = """["X-Remote-User","X-Second-User"]""",
        ["requestheader-group-headers"] = """["X-Remote-Group"]""",
        ["requestheader-extra-headers-prefix"] = """["X-Remote-Extra-"]""",
        ["requestheader-uid-headers"] = """["X-Remote-Uid"]""",
    };

    [Fact]
    public void Only_an_allowed_name_of_the_front_proxys_authority_is_trusted_and_only_as_a_client()
    {
        var proxy = TestCertificate.SelfSigned("aggregator");
        using var certificate = proxy.WithKey();
        using var stranger = TestCertificate.SelfSigned("aggregator").WithKey();
        Assert.True(new FrontProxyTrust(Map(proxy, """["other","aggregator"]""")).Trusts(certificate));
        Assert.True(new FrontProxyTrust(Map(proxy, "[]")).Trusts(certificate));
        Assert.False(new FrontProxyTrust(Map(proxy, """["other"]""")).Trusts(certificate));
        Assert.False(new FrontProxyTrust(Map(proxy, """["aggregator"]""")).Trusts(stranger));
        Assert.False(new FrontProxyTrust(null).Trusts(certificate));

        var server = TestCertificate.SelfSigned("aggregator", [ServerUse]);
        using var served = server.WithKey();
        Assert.False(new FrontProxyTrust(Map(server, """["aggregator"]""")).Trusts(served));
    }

    [Fact]
    public void Headers_say_who_calls_and_everyone_who_is_known_is_authenticated()
    {
        var trust = new FrontProxyTrust(Map(TestCertificate.SelfSigned("aggregator"), "[]"));
        var headers = new HeaderDictionary
        {
            ["X-Second-User"] = "ann",
            ["X-Remote-Uid"] = "7",
            ["X-Remote-Group"] = new(["dev", "ops"]),
            ["X-Remote-Extra-Scopes.example.com%2Fscope"] = new(["a", "b"]),
            ["Authorization"] = "Bearer x",
        };
        var caller = trust.CallerOf(headers);
        Assert.NotNull(caller);
        Assert.Equal(("ann", "7"), (caller.Name, caller.Uid));
        Assert.Equal(["dev", "ops", "system:authenticated"], caller.Groups);
        var (key, values) = Assert.Single(caller.Extra);
        Assert.Equal("scopes.example.com/scope", key);
        Assert.Equal(["a", "b"], values);

        headers["X-Remote-User"] = "bob";
        Assert.Equal("bob", trust.CallerOf(headers)!.Name);
        Assert.Null(trust.CallerOf(new HeaderDictionary { ["X-Remote-Group"] = "system:masters" }));
    }

    [Theory]
    [InlineData("requestheader-client-ca-file", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "requestheader-client-ca-file holds no PEM certificates")]
    [InlineData("requestheader-allowed-names", "aggregator", "requestheader-allowed-names is not a JSON array of texts")]
    [InlineData("requestheader-username-headers", """{"a":1}""", "requestheader-username-headers is not a JSON array of texts")]
    public void A_config_map_that_holds_something_else_is_refused_in_a_sentence(string key, string value, string sentence)
    {
        var map = Map(TestCertificate.SelfSigned("aggregator"), "[]");
        map[key] = value;
        Assert.Contains(sentence, Assert.Throws<ReviewException>(() => new FrontProxyTrust(map)).Message, StringComparison.Ordinal);
    }
}
