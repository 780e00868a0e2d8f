using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What keeps a model from being started, and what does not.</summary>
public sealed class RefusalTests
{
    private static Plan Decide(ModelKnowledge known, params InferenceReplica[] replicas)
    {
        var spec = Spec(Model("m", 100, min: 1));
        var observed = Snapshot(spec, Node(1000, 8), Noon, replicas);
        return new Planner(new WeightAllocator()).Decide(spec, observed, Knowledge.Empty with
        {
            FoldedAt = Noon,
            Models = ImmutableSortedDictionary<ModelId, ModelKnowledge>.Empty.Add(spec.Models[0].Id, known with { Version = spec.Models[0].Version }),
        });
    }

    [Fact]
    public void One_that_once_took_more_than_there_is_is_refused_by_what_was_measured_and_serves_on_where_it_serves()
    {
        var model = Model("m", 100, min: 1);
        var spiked = ModelKnowledge.Nothing with { Memory = ImmutableSortedDictionary<VariantId, MeasuredMemory>.Empty.Add(model.Variants[0].Id, new MeasuredMemory(null, Bytes.MiB(2000), 1)) };
        var verdict = Decide(spiked).Models[0];
        Assert.True(verdict.Refused);
        Assert.Contains("while loading or since, as its replicas were measured, against a budget of ", verdict.Reason.ToString(), StringComparison.Ordinal);

        verdict = Decide(spiked, Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-1))).Models[0];
        Assert.False(verdict.Refused);
        Assert.DoesNotContain("too heavy", verdict.Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_no_node_has_together_is_named_by_what_is_short_where_its_devices_are()
    {
        // 64 GiB of host memory beside a device: one node has the memory, the other the device.
        var model = Model("m", 1000, min: 1, peakMiB: 64_000, devices: 1);
        var spec = Spec(model);
        var snapshot = Snapshot(spec, Node(32_000, id: "device", deviceMiB: 24_000), Noon);
        snapshot = snapshot with { Nodes = [Node(128_000, id: "bare"), .. snapshot.Nodes] };

        var verdict = Fleets.Decide(spec, snapshot).Models[0];
        Assert.True(verdict.Refused);
        Assert.StartsWith("too heavy: 62.5 GiB while loading against a budget of 31.", verdict.Reason.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("v1", -3600, 2)] // it served before: the next one may crash as the last did
    [InlineData("v0", -31, 2)] // another version's
    [InlineData("v1", -31, 0)]
    public void Failures_are_over_once_one_that_came_up_since_has_served_for_a_while(string version, int since, int left)
    {
        var spec = Spec(Model("m", 100, max: 2));
        var replica = Replica(spec.Models[0], 1, ReplicaState.Ready, Noon.AddSeconds(since)) with { Version = version };
        var before = Knowledge.Empty with
        {
            FoldedAt = Noon.AddSeconds(-1),
            Models = ImmutableSortedDictionary<ModelId, ModelKnowledge>.Empty.Add(
                spec.Models[0].Id, ModelKnowledge.Nothing with { Version = "v1", Failures = new FailureRecord(2, Noon.AddSeconds(-40), "it crashed") }),
        };
        Assert.Equal(left, before.Fold(spec, Snapshot(spec, Node(1000, 8), Noon, replica)).Of(spec.Models[0].Id).Failures.Count);
    }

    [Fact]
    public void Replicas_that_go_at_once_are_one_failure_and_the_next_that_go_one_more()
    {
        var spec = Spec(Model("m", 100, max: 9));
        FleetSnapshot Lost(int seconds, params int[] ordinals) => Snapshot(spec, Node(1000, 8), Noon.AddSeconds(seconds)) with
        {
            Outcomes =
            [
                .. ordinals.Select(ordinal => new Outcome.Exited
                {
                    At = Noon.AddSeconds(seconds),
                    Replica = ReplicaId.Of(spec.Models[0].Id, ordinal),
                    Model = spec.Models[0].Id,
                    Was = ReplicaState.Ready,
                    Asked = false,
                    Why = $"its node went, {ordinal}",
                }),
            ],
        };

        var lost = Knowledge.Empty.Fold(spec, Lost(0, [.. Enumerable.Range(1, 9)]));
        Assert.Equal(new FailureRecord(1, Noon.AddSeconds(1), "its node went, 9"), lost.Of(spec.Models[0].Id).Failures);
        Assert.Equal(new FailureRecord(2, Noon.AddSeconds(62), "its node went, 11"), lost.Fold(spec, Lost(60, 10, 11)).Of(spec.Models[0].Id).Failures);
        Assert.DoesNotContain("\"wakes\":0", JsonSerializer.Serialize(lost, PlimsollJson.Default.Knowledge), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(120, false)]
    [InlineData(300, false)]
    [InlineData(3600, true)]
    public void A_wait_longer_than_the_longest_was_set_before_the_clock_was_put_back_and_is_none(int seconds, bool starts) => Assert.Equal(
        starts, Decide(ModelKnowledge.Nothing with { Failures = new FailureRecord(1, Noon.AddSeconds(seconds), "it crashed") }).Steps.Any(step => step is Step.Start));
}
