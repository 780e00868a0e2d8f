using System.Net.Security;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Bridges;
using Plimsoll.Kubernetes.Tests.Bridges.Contract;

namespace Plimsoll.Kubernetes.Tests.Bridges;

/// <summary>Certificates, seen from the other end of real handshakes.</summary>
public sealed class BridgesTlsTests : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";

    private readonly FakeTimeProvider _time = new(new(2026, 11, 26, 6, 0, 0, TimeSpan.Zero));
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-bridges-").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_renewed_certificate_is_shown_and_half_a_renewal_changes_nothing()
    {
        var (first, second) = (TestCertificate.SelfSigned("first"), TestCertificate.SelfSigned("second"));
        await first.WriteAsync(_folder, "tls");
        await using var host = await StartAsync();
        Assert.Equal("CN=first", await ShownAsync(host));

        await File.WriteAllTextAsync(Path.Combine(_folder, "tls.crt"), second.CertificatePem, Cancel);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("CN=first", await ShownAsync(host));

        await second.WriteAsync(_folder, "tls");
        Assert.Equal("CN=first", await ShownAsync(host));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("CN=second", await ShownAsync(host));

        File.Delete(Path.Combine(_folder, "tls.key"));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("CN=second", await ShownAsync(host));
    }

    [Fact]
    public async Task With_an_authority_only_a_KEDA_that_it_vouches_for_is_heard()
    {
        var keda = TestCertificate.SelfSigned("keda");
        await TestCertificate.SelfSigned("server").WriteAsync(_folder, "tls");
        await keda.WriteAsync(_folder, "keda");
        await using var host = await StartAsync(Path.Combine(_folder, "keda.crt"));

        Assert.False(await IsHeardAsync(host, null));
        Assert.False(await IsHeardAsync(host, TestCertificate.SelfSigned("keda")));
        Assert.True(await IsHeardAsync(host, keda));

        // A server's certificate is no client's.
        var server = TestCertificate.SelfSigned("keda", [ServerUse]);
        await server.WriteAsync(_folder, "keda");
        await using var other = await StartAsync(Path.Combine(_folder, "keda.crt"));
        Assert.False(await IsHeardAsync(other, server));
    }

    [Fact]
    public async Task What_cannot_be_served_is_said_in_a_sentence()
    {
        var needs = await Assert.ThrowsAsync<BridgesException>(() => BridgesHost.StartAsync(
            new() { ExternalMetricsPort = 0 }, new(_time), NoKubernetes.Client, _time, null, Cancel));
        Assert.Equal("the external metrics API needs a certificate and its key: the API server talks to it by TLS only", needs.Message);
        var missing = await Assert.ThrowsAsync<BridgesException>(() => StartAsync());
        Assert.StartsWith($"{_folder}/tls.crt with {_folder}/tls.key could not be read as a PEM certificate and key: ", missing.Message, StringComparison.Ordinal);
        await TestCertificate.SelfSigned("server").WriteAsync(_folder, "tls");
        await using var host = await StartAsync();
        var used = await Assert.ThrowsAsync<BridgesException>(() => StartAsync(port: host.Keda!.Port));
        Assert.Equal($"127.0.0.1:{host.Keda!.Port} for KEDA is in use; stop what uses it, or choose another port", used.Message);
    }

    private Task<BridgesHost> StartAsync(string? authority = null, int port = 0)
    {
        var scales = new DesiredScales(_time);
        scales.Publish([new() { ScaledModel = new("prod", "llama"), Replicas = 1, Active = true, DecidedAt = _time.GetUtcNow(), Reason = "as wanted" }]);
        return BridgesHost.StartAsync(
            new()
            {
                Address = System.Net.IPAddress.Loopback,
                KedaPort = port,
                KedaTls = true,
                KedaClientAuthorityPath = authority,
                CertificatePath = Path.Combine(_folder, "tls.crt"),
                CertificateKeyPath = Path.Combine(_folder, "tls.key"),
            },
            scales, NoKubernetes.Client, _time, null, Cancel);
    }

    private static async Task<string> ShownAsync(BridgesHost host)
    {
        using var socket = new System.Net.Sockets.TcpClient();
        await socket.ConnectAsync(host.Keda!.Host, host.Keda.Port, Cancel);
        await using var stream = new SslStream(socket.GetStream());
        await stream.AuthenticateAsClientAsync(
            new()
            {
                TargetHost = "localhost",
                ApplicationProtocols = [SslApplicationProtocol.Http2],
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null,
            },
            Cancel);
        return stream.RemoteCertificate!.Subject;
    }

    private static async Task<bool> IsHeardAsync(BridgesHost host, TestCertificate? client)
    {
        var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null } };
        if (client is not null)
        {
            var certificate = client.WithKey();
            handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate;
        }

        using var channel = GrpcChannel.ForAddress(host.Keda!, new() { HttpHandler = handler, DisposeHttpClient = true });
        using var call = new ExternalScaler.ExternalScalerClient(channel).IsActiveAsync(new() { Name = "llama", Namespace = "prod" }, cancellationToken: Cancel);
        try
        {
            return (await call).Result;
        }
        catch (RpcException problem) when (problem.InnerException is HttpRequestException or IOException)
        {
            // The handshake failed, or the connection right after it: with TLS 1.3 the server judges when the client is through.
            return false;
        }
    }
}
