using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using k8s.Models;
using Microsoft.AspNetCore.Http;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>Pods whose metrics hang, lie, break off or never end, beside pods that tell the truth.</summary>
public sealed class MetricsFaultTests
{
    private static readonly string[] Wrong = ["hangs", "negative", "nan", "huge", "resets", "endless", "trickles"];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Endpoints_that_hang_lie_or_never_end_lose_no_replica_and_cost_the_honest_ones_nothing()
    {
        var endpoints = new Endpoints();
        await using var cluster = await FaultGround.StartAsync();
        await cluster.Nodes.CreateAsync("second", gpus: 8);
        await cluster.Nodes.CreateAsync("third", gpus: 8);
        cluster.Serve = endpoints.Of;
        foreach (var name in (string[])[.. Wrong, "backwards", "quiet"]) await cluster.ActAsync(name, 2, 1, 2, ",\"idleLimit\":\"4s\"");
        await cluster.ActAsync("good", 1, 1, 3, ",\"slo\":{\"latency\":\"5s\"}");
        foreach (var name in (string[])[.. Wrong, "backwards", "quiet"]) await cluster.ReadyAsync(name, 2);
        await cluster.OperateAsync();
        foreach (var name in (string[])[.. Wrong, "backwards", "quiet", "good"])
            await cluster.StatusAsync(name, status => status.DemandPerSecond > 0, $"the demand of {name} is seen");

        // From now on nobody asks anything of them, and only one of them says so.
        endpoints.Turned = true;
        foreach (var name in Wrong)
            await cluster.StatusAsync(name, status => OperatedCluster.Condition(status, ConditionTypes.MetricsSeen) is { Status: "False" }, $"{name} is not believed");
        await cluster.ReplicasAsync("quiet", deployment => deployment.Spec.Replicas == 1, "the honest and idle one is let go");
        endpoints.Rate = 12;
        await cluster.ReadyAsync("good", 3);

        // As long again as the idle limit: what says nothing is not idle.
        await FaultGround.PauseAsync(5);
        foreach (var name in Wrong)
        {
            Assert.Equal(2, (await cluster.DeploymentAsync(name, Cancel)).Spec.Replicas);
            Assert.StartsWith("the count of arrivals is missing", (await cluster.StatusAsync(name, Cancel))!.Reason, StringComparison.Ordinal);
        }

        Assert.InRange((await cluster.DeploymentAsync("backwards", Cancel)).Spec.Replicas ?? 0, 1, 2);
        // Of an answer without an end no more is read than its bound, or than comes in a pod's time.
        var endless = OperatedCluster.Condition(await cluster.StatusAsync("endless", Cancel), ConditionTypes.MetricsSeen)!.Message;
        Assert.True(endless.Contains("bytes that are read", StringComparison.Ordinal) || endless.Contains("did not answer within 1 s", StringComparison.Ordinal), endless);
    }

    /// <summary>What the pods answer: all as they should at first, and each in its own wrong way once they have turned.</summary>
    private sealed class Endpoints
    {
        private const long Gigabyte = 1_000_000_000;

        private readonly ConcurrentDictionary<string, (DateTimeOffset At, double Done)> _done = new();
        private int _backwards;

        public volatile bool Turned;

        /// <summary>Requests a second of the good one, over all its pods; the others have one each until they turn.</summary>
        public double Rate { get; set; } = 1;

        public RequestDelegate Of(V1Pod pod)
        {
            var (app, name) = (pod.Metadata.Labels["app"], pod.Metadata.Name);
            return context => !Turned || app is "good" or "quiet" ? Honest(context, app, name) : app switch
            {
                "hangs" => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted),
                "negative" => Text(context, Exposition(app, -1, -500)),
                "nan" => Text(context, Exposition(app, double.NaN, double.NaN)),
                "huge" => Text(context, Exposition(app, 1e300, 1e300)),
                "backwards" => Text(context, Exposition(app, 0, Interlocked.Increment(ref _backwards) % 2 == 0 ? 1000 : 10)),
                "resets" => Reset(context),
                "endless" => Endless(context),
                _ => Trickle(context),
            };
        }

        private Task Honest(HttpContext context, string app, string pod)
        {
            var now = TimeProvider.System.GetUtcNow();
            var rate = app == "good" ? Math.Min(4, Rate / Math.Max(1, _done.Keys.Count(key => key.StartsWith(app + "-", StringComparison.Ordinal)))) : Turned ? 0 : 1;
            var (_, done) = _done.AddOrUpdate(pod, (now, 0), (_, before) => (now, before.Done + (rate * (now - before.At).TotalSeconds)));
            return Text(context, Exposition(app, rate * 2, Math.Floor(done)));
        }

        private static Task Text(HttpContext context, string text)
        {
            context.Response.ContentType = "text/plain; version=0.0.4";
            return context.Response.WriteAsync(text, context.RequestAborted);
        }

        private static async Task Reset(HttpContext context)
        {
            await Text(context, "vllm:num_requests_running{model_name=\"resets\"} 1\n");
            context.Abort();
        }

        private static async Task Endless(HttpContext context)
        {
            var block = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("vllm:request_success_total{model_name=\"endless\"} 1\n", 1300)));
            for (var sent = 0L; sent < Gigabyte; sent += block.Length) await context.Response.Body.WriteAsync(block, context.RequestAborted);
        }

        private static async Task Trickle(HttpContext context)
        {
            foreach (var letter in Exposition("trickles", 1, 1).Select(letter => letter.ToString()))
            {
                await context.Response.WriteAsync(letter, context.RequestAborted);
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, context.RequestAborted);
            }
        }

        // Two seconds a request; what is running says with it how many there are at once.
        private static string Exposition(string app, double running, double done) => string.Create(CultureInfo.InvariantCulture, $"""
            vllm:num_requests_running{Label(app)} {running}
            vllm:num_requests_waiting{Label(app)} 0
            vllm:request_success_total{Label(app)} {done}
            vllm:e2e_request_latency_seconds_count{Label(app)} {done}
            vllm:e2e_request_latency_seconds_sum{Label(app)} {done * 2}
            vllm:e2e_request_latency_seconds_bucket{Label(app, "5")} {done}
            vllm:e2e_request_latency_seconds_bucket{Label(app, "+Inf")} {done}

            """);

        private static string Label(string app, string? bound = null) => "{model_name=\"" + app + "\"" + (bound is null ? "" : ",le=\"" + bound + "\"") + "}";
    }
}
