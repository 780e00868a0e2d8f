using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Artifacts;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>Statuses that the server refuses keep no others waiting, and are told once.</summary>
public sealed class RefusedStatusTests
{
    private const int Refused = 50;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("plannedjobs")]
    [InlineData("scaledmodels")]
    public async Task Those_that_are_refused_are_tried_again_later_and_after_the_others(string plural)
    {
        await using var server = await FixedServer.StartAsync();
        server.RefusesWrite = path => path.Contains("/a", StringComparison.Ordinal) && path.EndsWith("/status", StringComparison.Ordinal);
        var time = new FakeTimeProvider();
        using var api = new KubernetesApi(server.Configuration, TimeProvider.System);
        await using var cluster = await FixedServer.WatchAsync(api, time, Cancel);
        using var footprints = new FootprintStore(new SourceSettings { Variable = _ => null }, time);
        var log = new ConcurrentQueue<string>();
        var parts = new KubernetesFleetParts
        {
            Cluster = cluster,
            Footprints = footprints,
            ReadPods = (_, _) => throw new InvalidOperationException("no pods are read here"),
            Desired = new DesiredScales(time),
            MayWrite = () => true,
            Time = time,
            Log = log.Enqueue,
        };
        var (jobs, models) = (new JobStatusWriter(parts), new StatusWriter(parts));
        var told = Told(plural);

        // Fifty at once, and all of them are refused.
        Assert.Equal((10, 50), (await WriteAsync(), server.Writes.Count));
        Assert.Equal((0, 60), (await WriteAsync(), server.Writes.Count));
        Assert.Equal(10, server.Writes.Count(path => path.Contains("/b", StringComparison.Ordinal)));
        Assert.Equal((0, 60), (await WriteAsync(), server.Writes.Count));

        // After a second once more, then after two.
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((0, 110), (await WriteAsync(), server.Writes.Count));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal((0, 110), (await WriteAsync(), server.Writes.Count));
        time.Advance(TimeSpan.FromSeconds(1));
        server.RefusesWrite = _ => false;
        Assert.Equal((0, 160), (await WriteAsync(), server.Writes.Count));
        Assert.Equal((0, 160), (await WriteAsync(), server.Writes.Count));
        Assert.Equal(Refused, log.Count);

        async Task<int> WriteAsync()
        {
            await Task.WhenAll(jobs.WriteAsync(told, Cancel), models.WriteAsync(told, Cancel));
            return jobs.Left + models.Left;
        }
    }

    private static ToldTurn Told(string plural)
    {
        var names = Enumerable.Range(0, Refused).Select(i => $"a{i:00}").Concat(Enumerable.Range(0, 10).Select(i => $"b{i:00}")).Select(name => new ObjectName("models", name)).ToArray();
        var snapshot = new FleetSnapshot { At = DateTimeOffset.UnixEpoch, Can = Capabilities.None, Nodes = [], Replicas = [] };
        var tick = new Tick(1, new FleetSpec { Models = [] }, snapshot, new Plan(new InputHashes("", "", ""), [], [], Knowledge.Empty), ApplyResult.Nothing);
        return new ToldTurn(
            tick,
            plural == "plannedjobs" ? [] : [.. names.Select(name => new ResolvedModel
            {
                View = new ScaledModelView(name, name.Name, "1", null, "it cannot be read"),
                Findings = [new Finding(ConditionTypes.Ready, false, "Invalid", "it cannot be read")],
            })],
            ImmutableSortedDictionary<ModelId, string>.Empty, new Dictionary<ModelId, int>(), new Dictionary<string, int>(),
            plural == "scaledmodels" ? [] : [.. names.Select(name => new ResolvedJob
            {
                View = new PlannedJobView(name, name.Name, "1", null, "it cannot be read"),
                Planned = new Finding(JobConditionTypes.Planned, false, "Unreadable", "it cannot be read"),
            })]);
    }
}
