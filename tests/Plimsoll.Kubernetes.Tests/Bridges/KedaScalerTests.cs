using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Bridges;
using Plimsoll.Kubernetes.Tests.Bridges.Contract;

namespace Plimsoll.Kubernetes.Tests.Bridges;

/// <summary>Every call of KEDA's contract, by a client made from it, over HTTP/2 on loopback.</summary>
public sealed class KedaScalerTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(new(2026, 11, 26, 6, 0, 0, TimeSpan.Zero));
    private readonly DesiredScales _scales;
    private BridgesHost _host = null!;
    private GrpcChannel _channel = null!;

    public KedaScalerTests() => _scales = new(_time);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private ExternalScaler.ExternalScalerClient Client => new(_channel);

    public async ValueTask InitializeAsync()
    {
        _host = await BridgesHost.StartAsync(
            new() { Address = System.Net.IPAddress.Loopback, KedaPort = 0 }, _scales, NoKubernetes.Client, _time, null, Cancel);
        _channel = OneConnection(_host.Keda!);
    }

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _host.DisposeAsync();
    }

    [Fact]
    public async Task A_fresh_plan_is_told_as_a_metric_of_its_replicas_with_a_target_of_one_each()
    {
        _scales.Publish([Scale("prod", "llama", 3), Scale("prod", "mistral", 0)]);

        Assert.True((await Client.IsActiveAsync(Ref("llama"), cancellationToken: Cancel)).Result);
        Assert.False((await Client.IsActiveAsync(Ref("mistral"), cancellationToken: Cancel)).Result);

        var spec = Assert.Single((await Client.GetMetricSpecAsync(Ref("llama"), cancellationToken: Cancel)).MetricSpecs);
        Assert.Equal(("plimsoll_desired_replicas", 1L, 1.0), (spec.MetricName, spec.TargetSize, spec.TargetSizeFloat));

        var value = Assert.Single((await Client.GetMetricsAsync(Metrics(Ref("llama")), cancellationToken: Cancel)).MetricValues);
        Assert.Equal(("plimsoll_desired_replicas", 3L, 3.0), (value.MetricName, value.MetricValue_, value.MetricValueFloat));
        Assert.Equal(0, (await Client.GetMetricsAsync(Metrics(Ref("mistral")), cancellationToken: Cancel)).MetricValues[0].MetricValueFloat);
    }

    [Fact]
    public async Task Metadata_names_a_ScaledModel_that_is_not_called_as_the_ScaledObject_is()
    {
        _scales.Publish([Scale("prod", "llama", 3), Scale("models", "llama", 5), Scale("models", "mistral", 7)]);
        var other = Ref("llama-keda");
        other.ScalerMetadata["scaledModel"] = "llama";
        Assert.Equal(3, await Replicas(other));
        other.ScalerMetadata["namespace"] = "models";
        Assert.Equal(5, await Replicas(other));
        other.ScalerMetadata["scaledModel"] = "mistral";
        Assert.Equal(7, await Replicas(other));
    }

    [Fact]
    public async Task Without_a_fresh_number_the_answer_is_a_status_and_never_a_zero()
    {
        var none = await Failure(Ref("llama"));
        Assert.Equal(StatusCode.Unavailable, none.StatusCode);
        Assert.StartsWith("no plan has been made yet", none.Detail, StringComparison.Ordinal);

        _scales.Publish([Scale("prod", "llama", 3)]);
        var unknown = await Failure(Ref("lama"));
        Assert.Equal(StatusCode.NotFound, unknown.StatusCode);
        Assert.Equal("no ScaledModel 'lama' in namespace 'prod' is in the plan with mode act and without a conflict", unknown.Detail);

        _time.Advance(TimeSpan.FromSeconds(121));
        foreach (var name in (string[])["llama", "lama"])
        {
            var stale = await Failure(Ref(name));
            Assert.Equal(StatusCode.Unavailable, stale.StatusCode);
            Assert.Equal("the last plan is 121 s old and none older than 120 s is given out: see the operator's log", stale.Detail);
            Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => Client.IsActiveAsync(Ref(name), cancellationToken: Cancel).ResponseAsync)).StatusCode);
        }

        // The HPA is built from this one; without it there would be no metric to miss.
        Assert.Single((await Client.GetMetricSpecAsync(Ref("llama"), cancellationToken: Cancel)).MetricSpecs);
    }

    [Theory]
    [InlineData("", "prod", "plimsoll_desired_replicas", "name has 0 characters; a name has 1 to 253")]
    [InlineData("llama", "", "plimsoll_desired_replicas", "namespace has 0 characters; a name has 1 to 253")]
    [InlineData("llama", "prod", "s0-plimsoll_desired_replicas", "metricName: there is no metric 's0-plimsoll_desired_replicas' here; it is plimsoll_desired_replicas")]
    public async Task A_call_that_names_nothing_is_refused_in_a_sentence(string name, string space, string metric, string sentence)
    {
        var request = new GetMetricsRequest { MetricName = metric, ScaledObjectRef = new() { Name = name, Namespace = space } };
        var failure = await Assert.ThrowsAsync<RpcException>(() => Client.GetMetricsAsync(request, cancellationToken: Cancel).ResponseAsync);
        Assert.Equal((StatusCode.InvalidArgument, sentence), (failure.StatusCode, failure.Status.Detail));
    }

    [Fact]
    public async Task A_call_without_a_reference_or_with_one_too_large_is_refused()
    {
        var bare = new GetMetricsRequest { MetricName = "plimsoll_desired_replicas" };
        Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(() => Client.GetMetricsAsync(bare, cancellationToken: Cancel).ResponseAsync)).StatusCode);
        var large = await Assert.ThrowsAsync<RpcException>(() => Client.IsActiveAsync(Ref(new string('a', 100_000)), cancellationToken: Cancel).ResponseAsync);
        Assert.Equal(StatusCode.ResourceExhausted, large.StatusCode);
    }

    [Fact]
    public async Task The_stream_tells_the_state_at_once_and_then_its_changes_only()
    {
        _scales.Publish([Scale("prod", "llama", 0)]);
        using var call = Client.StreamIsActive(Ref("llama"), cancellationToken: Cancel);
        Assert.False(await Next(call.ResponseStream));

        // Two plans that change nothing of it, then one that does: only the last is heard of.
        _scales.Publish([Scale("prod", "llama", 0), Scale("prod", "mistral", 4)]);
        _scales.Publish([Scale("prod", "llama", 0)]);
        _scales.Publish([Scale("prod", "llama", 2)]);
        Assert.True(await Next(call.ResponseStream));
        _scales.Publish([Scale("prod", "llama", 5)]);
        _scales.Publish([Scale("prod", "llama", 0)]);
        Assert.False(await Next(call.ResponseStream));
    }

    [Fact]
    public async Task A_stream_outlives_a_plan_that_grew_old_and_ends_when_its_model_is_gone()
    {
        _scales.Publish([Scale("prod", "llama", 1)]);
        using var call = Client.StreamIsActive(Ref("llama"), cancellationToken: Cancel);
        Assert.True(await Next(call.ResponseStream));

        // An old plan that says otherwise, then a fresh one as before: nothing of either is heard.
        var old = Scale("prod", "llama", 0);
        _time.Advance(TimeSpan.FromMinutes(3));
        _scales.Publish([old]);
        Assert.Equal(StatusCode.Unavailable, (await Failure(Ref("llama"))).StatusCode);
        _scales.Publish([Scale("prod", "llama", 1)]);
        Assert.Equal(1, await Replicas(Ref("llama")));

        _scales.Publish([Scale("prod", "mistral", 1)]);
        var end = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancel));
        Assert.Equal(StatusCode.NotFound, end.StatusCode);
    }

    [Fact]
    public async Task A_stream_that_is_opened_without_a_fresh_number_fails_at_once()
    {
        using var call = Client.StreamIsActive(Ref("llama"), cancellationToken: Cancel);
        var end = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Cancel));
        Assert.Equal(StatusCode.Unavailable, end.StatusCode);
    }

    [Fact]
    public async Task When_the_server_stops_its_streams_end_well()
    {
        _scales.Publish([Scale("prod", "llama", 1)]);
        using var active = Client.StreamIsActive(Ref("llama"), cancellationToken: Cancel);
        using var spec = Client.StreamMetricSpec(Ref("llama"), cancellationToken: Cancel);
        Assert.True(await Next(active.ResponseStream));
        Assert.True(await spec.ResponseStream.MoveNext(Cancel));
        Assert.Equal(1, spec.ResponseStream.Current.MetricSpecs[0].TargetSizeFloat);

        await _host.DisposeAsync();
        Assert.False(await active.ResponseStream.MoveNext(Cancel));
        Assert.False(await spec.ResponseStream.MoveNext(Cancel));
    }

    [Fact]
    public async Task When_another_leads_streams_end_as_unavailable_and_calls_go_over_a_new_connection()
    {
        var opened = 0;
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (context, cancel) =>
            {
                Interlocked.Increment(ref opened);
                var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(context.DnsEndPoint, cancel);
                return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
            },
        };
        using var channel = GrpcChannel.ForAddress(_host.Keda!, new() { HttpHandler = handler, DisposeHttpClient = true });
        var client = new ExternalScaler.ExternalScalerClient(channel);
        _scales.Publish([Scale("prod", "llama", 1)]);
        using var active = client.StreamIsActive(Ref("llama"), cancellationToken: Cancel);
        using var spec = client.StreamMetricSpec(Ref("llama"), cancellationToken: Cancel);
        Assert.True(await Next(active.ResponseStream));
        Assert.True(await spec.ResponseStream.MoveNext(Cancel));

        _scales.Withdraw();
        foreach (var end in (Func<Task<bool>>[])[() => active.ResponseStream.MoveNext(Cancel), () => spec.ResponseStream.MoveNext(Cancel)])
            Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(end)).StatusCode);
        Assert.False(_scales.TryGet(new("prod", "llama"), out _));
        Assert.Equal(1, opened);

        // Whoever is still led here is answered, and its connection ends too.
        for (var call = 0; call < 1000 && Volatile.Read(ref opened) < 4; call++)
            Assert.Equal(StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => client.IsActiveAsync(Ref("llama"), cancellationToken: Cancel).ResponseAsync)).StatusCode);
        Assert.Equal(4, opened);

        // It leads again: a connection that is made now stays.
        _scales.Publish([Scale("prod", "llama", 2)]);
        Assert.True((await client.IsActiveAsync(Ref("llama"), cancellationToken: Cancel)).Result);
        var before = Volatile.Read(ref opened);
        for (var call = 0; call < 3; call++) Assert.True((await client.IsActiveAsync(Ref("llama"), cancellationToken: Cancel)).Result);
        Assert.Equal(before, opened);
    }

    [Fact]
    public async Task One_connection_carries_the_streams_of_many_ScaledObjects_and_calls_beside_them()
    {
        // Each external-push trigger keeps two open, all over one connection; Kestrel would stop at 100 by itself.
        _scales.Publish([Scale("prod", "llama", 1)]);
        var calls = Enumerable.Range(0, 300).Select(_ => Client.StreamIsActive(Ref("llama"), cancellationToken: Cancel)).ToList();
        foreach (var call in calls) Assert.True(await Next(call.ResponseStream));
        Assert.Equal(1, await Replicas(Ref("llama")));
        _scales.Publish([Scale("prod", "llama", 0)]);
        foreach (var call in calls) Assert.False(await Next(call.ResponseStream));
        calls.ForEach(call => call.Dispose());
    }

    [Fact]
    public async Task The_server_lets_go_of_a_stream_whose_client_is_gone()
    {
        var open = 0;
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddKeda(_scales, _time);
        await using var app = builder.Build();
        app.Use(async (context, next) =>
        {
            Interlocked.Increment(ref open);
            try
            {
                await next(context);
            }
            finally
            {
                Interlocked.Decrement(ref open);
            }
        });
        app.MapKeda();
        await app.StartAsync(Cancel);
        _scales.Publish([Scale("prod", "llama", 1)]);

        using var channel = OneConnection(new(app.Urls.First()));
        var client = new ExternalScaler.ExternalScalerClient(channel);
        using (var active = client.StreamIsActive(Ref("llama"), cancellationToken: Cancel))
        using (var spec = client.StreamMetricSpec(Ref("llama"), cancellationToken: Cancel))
        {
            Assert.True(await Next(active.ResponseStream));
            Assert.True(await spec.ResponseStream.MoveNext(Cancel));
            Assert.Equal(2, Volatile.Read(ref open));
        }

        while (Volatile.Read(ref open) != 0) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Cancel);
    }

    private static ScaledObjectRef Ref(string name) => new() { Name = name, Namespace = "prod" };

    private static GetMetricsRequest Metrics(ScaledObjectRef reference) =>
        new() { MetricName = "plimsoll_desired_replicas", ScaledObjectRef = reference };

    private static async Task<bool> Next(IAsyncStreamReader<IsActiveResponse> stream)
    {
        Assert.True(await stream.MoveNext(Cancel));
        return stream.Current.Result;
    }

    // A client of its own: with a handler alone the library balances over subchannels, and waited for one without end after a call that the
    // server had refused.
    private static GrpcChannel OneConnection(Uri address) => GrpcChannel.ForAddress(address, new()
    {
        HttpClient = new HttpClient(new SocketsHttpHandler { EnableMultipleHttp2Connections = false }) { Timeout = Timeout.InfiniteTimeSpan },
        DisposeHttpClient = true,
    });

    private DesiredScale Scale(string space, string name, int replicas) => new()
    {
        ScaledModel = new(space, name),
        Replicas = replicas,
        Active = replicas > 0,
        DecidedAt = _time.GetUtcNow(),
        Reason = "as wanted",
    };

    private async Task<double> Replicas(ScaledObjectRef reference) =>
        (await Client.GetMetricsAsync(Metrics(reference), cancellationToken: Cancel)).MetricValues[0].MetricValueFloat;

    private async Task<Status> Failure(ScaledObjectRef reference) =>
        (await Assert.ThrowsAsync<RpcException>(() => Client.GetMetricsAsync(Metrics(reference), cancellationToken: Cancel).ResponseAsync)).Status;
}
