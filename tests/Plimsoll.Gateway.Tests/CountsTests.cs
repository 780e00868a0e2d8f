using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway.Tests;

public sealed class CountsTests : GatewayScene
{
    [Fact]
    public async Task Every_arrival_is_completed_failed_abandoned_rejected_held_or_in_a_replica()
    {
        var gateway = await GatewayAsync(new GatewayOptions { HeldRequestsPerModel = 3 });
        var go = new TaskCompletionSource();
        var upstream = await UpstreamAsync(async context =>
        {
            await go.Task.WaitAsync(TimeSpan.FromSeconds(120), TimeProvider.System);
            context.Response.StatusCode = context.Request.Headers.ContainsKey("x-fail") ? 500 : 200;
        });
        var replica = Replica(1, upstream.Address, concurrency: 2);
        Router.Publish(new RouteTable([Route(Bert, replica)]));
        using var failing = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v2/models/bert/infer"));
        failing.Headers.Add("x-fail", "1");
        var first = Client.SendAsync(failing, Patience);
        await UntilAsync(() => Router.Outstanding(replica.Replica) == 1);
        var second = InferAsync(gateway);
        await UntilAsync(() => Router.Outstanding(replica.Replica) == 2);
        using var leaving = new CancellationTokenSource();
        var held = new[] { InferAsync(gateway), InferAsync(gateway) };
        var left = AbandonableAsync(gateway, leaving.Token);
        await UntilAsync(() => Router.HeldCount == 3);
        using (var rejected = await InferAsync(gateway)) Assert.Equal(HttpStatusCode.ServiceUnavailable, rejected.StatusCode);
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await UntilAsync(() => Router.HeldCount == 2);

        // Six arrived: two in the replica, two held, one left, one turned away.
        var during = await TrafficAsync(row => row is { Abandoned: 1, Rejected: 1 });
        Assert.Equal((6, 0, 0, 2, 2), (during.Arrivals, during.Completed, during.Failed, during.HeldNow, Router.Outstanding(replica.Replica)));
        Assert.True(during.HeldRequestSeconds > 0);

        go.SetResult();
        foreach (var response in await Task.WhenAll([first, second, .. held])) response.Dispose();
        var after = await TrafficAsync(row => row.Completed + row.Failed == 4);
        Assert.Equal(3, Router.Answered(replica.Replica));
        Assert.Equal((0, 3, 1, 0, 0), (after.Arrivals, after.Completed, after.Failed, after.HeldNow, Router.Outstanding(replica.Replica)));
    }

    [Fact]
    public async Task Time_held_counts_against_the_slo()
    {
        var gateway = await GatewayAsync();
        Router.Publish(new RouteTable([Route(Bert) with { Slo = new Slo(TimeSpan.FromMilliseconds(10), 0.99) }]));
        var request = InferAsync(gateway);
        await TrafficAsync(row => row.OldestHeld > TimeSpan.FromMilliseconds(10));
        var upstream = await UpstreamAsync();
        Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address)) with { Slo = new Slo(TimeSpan.FromMilliseconds(10), 0.99) }]));
        using var response = await request;
        Assert.True(long.Parse(response.Headers.GetValues("x-plimsoll-held-ms").Single(), System.Globalization.CultureInfo.InvariantCulture) >= 10);
        Assert.Equal(0, (await TrafficAsync(row => row.Completed == 1)).WithinSlo);
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_middle_of_a_stream_frees_its_place()
    {
        var gateway = await GatewayAsync();
        var upstream = await UpstreamAsync(async context =>
        {
            await context.Response.WriteAsync("data: one\n\n");
            await context.Response.Body.FlushAsync();
            var gone = new TaskCompletionSource();
            using var registered = context.RequestAborted.Register(gone.SetResult);
            await gone.Task;
        });
        var replica = Replica(1, upstream.Address);
        Router.Publish(new RouteTable([Route(Bert, replica)]));
        using (var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v2/models/bert/generate_stream")))
        {
            using var response = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Patience);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            Assert.Equal(1, Router.Outstanding(replica.Replica));
        }

        Assert.Equal(1, (await TrafficAsync(row => row.Abandoned == 1)).Arrivals);
        Assert.Equal(0, Router.Outstanding(replica.Replica));
    }

    [Fact]
    public async Task The_end_lets_requests_under_way_finish_and_cuts_those_that_do_not()
    {
        var gateway = await GatewayAsync(new GatewayOptions { ShutdownTime = TimeSpan.FromSeconds(2) });
        var go = new TaskCompletionSource();
        var upstream = await UpstreamAsync(context =>
            context.Request.Path.Value!.EndsWith("generate", StringComparison.Ordinal) ? Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted) : go.Task.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System));
        var replica = Replica(1, upstream.Address);
        Router.Publish(new RouteTable([Route(Bert, replica)]));
        var finishing = InferAsync(gateway);
        var stuck = Client.PostAsync(new Uri(gateway, "/v2/models/bert/generate"), new StringContent("{}"), Patience);
        await UntilAsync(() => Router.Outstanding(replica.Replica) == 2);
        var ending = Host.DisposeAsync().AsTask();
        go.SetResult();
        using var response = await finishing;
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        await ending.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System, Patience);
        await Assert.ThrowsAsync<HttpRequestException>(() => stuck);
        await Assert.ThrowsAsync<HttpRequestException>(() => InferAsync(gateway));
    }

    [Fact]
    public async Task Other_machines_are_served_over_tls_with_a_key_that_replicas_never_see()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(200));
        var folder = Directory.CreateTempSubdirectory("plimsoll-gateway-");
        try
        {
            var (pem, pemKey) = (Path.Combine(folder.FullName, "cert.pem"), Path.Combine(folder.FullName, "key.pem"));
            await File.WriteAllTextAsync(pem, certificate.ExportCertificatePem(), Patience);
            await File.WriteAllTextAsync(pemKey, key.ExportPkcs8PrivateKeyPem(), Patience);
            var gateway = await GatewayAsync(new GatewayOptions
            {
                Address = IPAddress.Any,
                ApiKey = "sesame",
                TlsCertificatePath = pem,
                TlsKeyPath = pemKey,
            });
            var seen = "";
            var upstream = await UpstreamAsync(context =>
            {
                seen = context.Request.Headers.Authorization.ToString();
                return Task.CompletedTask;
            });
            Router.Publish(new RouteTable([Route(Bert, Replica(1, upstream.Address))]));
            using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, shown, _, _) => shown?.Thumbprint == certificate.Thumbprint };
            using var client = new HttpClient(handler);
            var address = new Uri($"https://127.0.0.1:{gateway.Port}/v2/models/bert/infer");
            using var refused = await client.PostAsync(address, new StringContent("{}"), Patience);
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "sesame");
            using var served = await client.PostAsync(address, new StringContent("{}"), Patience);
            Assert.Equal((HttpStatusCode.OK, ""), (served.StatusCode, seen));
            using var second = new HttpRequestMessage(HttpMethod.Post, address)
            {
                Version = HttpVersion.Version20,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Content = new StringContent("over HTTP/2"),
            };
            using var overTwo = await client.SendAsync(second, Patience);
            Assert.Equal((HttpStatusCode.OK, HttpVersion.Version20, "over HTTP/2"), (overTwo.StatusCode, overTwo.Version, upstream.Bodies.Last()));
            Assert.True(IPAddress.IsLoopback(IPAddress.Parse(AdminAddress.Host)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
