using System.Security.Cryptography;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>The folder of one control plane: its authorities, keys, tokens and the administrator's kubeconfig.</summary>
internal sealed class ControlPlaneFiles : IDisposable
{
    public ControlPlaneFiles(int apiServerPort)
    {
        Folder = Directory.CreateTempSubdirectory("plimsoll-control-plane-").FullName;
        Address = new Uri($"https://127.0.0.1:{apiServerPort}");
        AdminToken = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        Write("ca.crt", Authority.CertificatePem);
        Write("front-proxy-ca.crt", FrontProxyAuthority.CertificatePem);
        Write("server", Authority.IssueServer("localhost"));
        // What the API server shows to an aggregated API; that one reads the authority from the config map
        // kube-system/extension-apiserver-authentication.
        Write("front-proxy", FrontProxyAuthority.IssueClient("aggregator"));
        using (var key = RSA.Create(2048)) Write("service-accounts.key", key.ExportRSAPrivateKeyPem());
        Write("tokens.csv", $"{AdminToken},admin,1,\"system:masters\"\n");
        Write(
            "kubeconfig",
            $$$"""
            apiVersion: v1
            kind: Config
            current-context: test
            clusters: [{name: test, cluster: {server: "{{{Address}}}", certificate-authority: "{{{PathOf("ca.crt")}}}"}}]
            users: [{name: admin, user: {token: "{{{AdminToken}}}"}}]
            contexts: [{name: test, context: {cluster: test, user: admin}}]

            """);
    }

    public string Folder { get; }

    public Uri Address { get; }

    public string AdminToken { get; }

    public CertificateAuthority Authority { get; } = new("plimsoll-test");

    public CertificateAuthority FrontProxyAuthority { get; } = new("plimsoll-test-front-proxy");

    public string PathOf(string name) => Path.Combine(Folder, name);

    public void Dispose()
    {
        Authority.Dispose();
        FrontProxyAuthority.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private void Write(string name, KeyPair pair)
    {
        Write(name + ".crt", pair.CertificatePem);
        Write(name + ".key", pair.KeyPem);
    }

    // The folder is this user's alone.
    private void Write(string name, string text) => File.WriteAllText(PathOf(name), text);
}
