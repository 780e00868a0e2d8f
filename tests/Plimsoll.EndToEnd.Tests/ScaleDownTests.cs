using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>
/// Forced by the test: it drives a real fleet of real model servers behind a real gateway with the steps a plan has for it,
/// while requests come in. What the planner would have chosen is no matter here; that nothing is dropped is.
/// </summary>
public sealed class ScaleDownTests
{
    private const int Replicas = 3;
    private const int RequestsMin = 10_000;
    private const int ScaleDownsMin = 20;
    private static readonly ModelId Model = ModelId.Of("tiny");

    [Fact]
    public async Task Ten_thousand_requests_through_twenty_scale_downs_are_all_answered()
    {
        await using var scene = new Scene();
        var spec = await DefineAsync(scene);
        var options = new GatewayOptions { Port = 0, AdminPort = null };
        var router = new Router(options, TimeProvider.System);
        await using var fleet = await LocalFleet.OpenAsync(
            new LocalFleetParts
            {
                Name = "e2e",
                StateFolder = scene.State,
                Node = spec.Node,
                Launch = (model, _) => spec.Launches.GetValueOrDefault(model),
                Spec = () => spec.Spec,
                Routing = new Routing(router.Publish, router.ReadTraffic, router.Outstanding, router.WaitForChangeAsync),
                Log = NullLogger.Instance,
            },
            Scene.Cancel);
        await using var gateway = await GatewayHost.StartAsync(options, router, TimeProvider.System, null, Scene.Cancel);

        var ordinal = 1;
        ImmutableArray<ReplicaId> serving = [.. Enumerable.Range(0, Replicas).Select(_ => ReplicaId.Of(Model, ordinal++))];
        await ApplyAsync(fleet, [.. serving.Select(one => Start(spec, one))]);
        await UntilAsync(fleet, seen => seen.Count(one => one.State == ReplicaState.Ready) == Replicas);
        using var traffic = Traffic.Start(gateway.Address, 400, Model.Value);
        await traffic.MoreAsync(100);
        var scaleDowns = 0;
        var busy = 0;
        while (scaleDowns < ScaleDownsMin || traffic.Answered < RequestsMin)
        {
            // From three to one, with whatever is in the two; then two others come.
            var going = serving[..^1];
            await ApplyAsync(fleet, [.. going.Select(one => new Step.Drain(one, Model, TimeSpan.FromSeconds(30)) { Reason = Why })]);
            busy += going.Count(one => router.Outstanding(one) > 0);
            await UntilAsync(fleet, seen => going.All(one => seen.Single(replica => replica.Id == one).State == ReplicaState.Drained));
            Assert.All(going, one => Assert.Equal(0, router.Outstanding(one)));
            await ApplyAsync(fleet, [.. going.Select(one => new Step.Stop(one, Model) { Reason = Why })]);
            scaleDowns += going.Length;
            ImmutableArray<ReplicaId> coming = [.. going.Select(_ => ReplicaId.Of(Model, ordinal++))];
            await ApplyAsync(fleet, [.. coming.Select(one => Start(spec, one))]);
            await UntilAsync(fleet, seen => seen.Count(one => one.State == ReplicaState.Ready) == Replicas
                && seen.Length == Replicas);
            serving = [.. serving[^1..], .. coming];
        }

        var results = await traffic.StopAsync();

        Assert.Equal("", Traffic.Failures(results));
        Assert.True(results.Length >= RequestsMin && scaleDowns >= ScaleDownsMin);
        // Some were let go with requests in them, or this shows nothing.
        Assert.True(busy > 0, $"none of {scaleDowns} was busy");
    }

    private static Reason Why => new(Rule.StopDrained, []);

    private static async Task<FleetDefinition> DefineAsync(Scene scene)
    {
        var model = await scene.ModelAsync(Model.Value, Bytes.MiB(1));
        var file = FleetFile.Read(scene.Fleet($"machine: {{memory: 8GiB}}\nmodels:\n- {{name: {Model}, source: {model}, maxReplicas: 3}}\n"));
        return new FleetResolver(file, TimeProvider.System).Resolve(Scene.Cancel) ?? throw new InvalidOperationException(string.Join('\n', file.Problems.Lines()));
    }

    private static Step.Start Start(FleetDefinition spec, ReplicaId replica)
    {
        var model = spec.Spec.Models.Single();
        var variant = model.Variants.Single();
        return new Step.Start(
            replica, model.Id, model.Version, variant.Id, new Placement(LocalFleet.Node, []), variant.Needs, TimeSpan.FromSeconds(5))
        { Reason = Why };
    }

    private static async Task ApplyAsync(LocalFleet fleet, ImmutableArray<Step> steps)
    {
        var applied = await fleet.ApplyAsync(new Plan(new InputHashes("", "", ""), steps, [], Knowledge.Empty), Scene.Cancel);
        Assert.Equal(steps.Length, applied.Started.Length);
    }

    private static async Task UntilAsync(LocalFleet fleet, Func<ImmutableArray<InferenceReplica>, bool> holds)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (await fleet.ObserveAsync(Scene.Cancel) is var seen && !holds(seen.Replicas))
        {
            Assert.DoesNotContain(seen.Outcomes, outcome => outcome is Outcome.Exited { Asked: false } or Outcome.StepFailed);
            Assert.True(TimeProvider.System.GetElapsedTime(since) < Scene.Patience,
                $"it never came to that: {string.Join(", ", seen.Replicas.Select(one => $"{one.Id} {one.State}"))}");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Scene.Cancel);
        }
    }
}
