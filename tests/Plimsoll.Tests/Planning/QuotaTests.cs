using System.Collections.Immutable;
using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.SchedulerChoiceTests;

namespace Plimsoll.Tests.Planning;

/// <summary>Most devices of a kind that all models together may take.</summary>
public sealed class QuotaTests
{
    [Fact]
    public void Nothing_starts_beyond_a_quota_and_it_says_so()
    {
        var high = Asking(Model("high", 1_000, priority: 5, min: 2, devices: 1) with { MaxReplicas = 4 });
        var low = Asking(Model("low", 1_000, min: 2, devices: 1) with { MaxReplicas = 4 });
        var cluster = Cluster(Gpus("a", 100_000, 8, "gpu", 80_000));

        var plan = Decide(Spec(high, low) with { Quotas = [new DeviceQuota("gpu", 3)] }, cluster);

        Assert.Equal(["start/high-1", "start/high-2", "start/low-1"], plan.StepIds());
        var held = plan.Models.Single(verdict => verdict.Model.Value == "low");
        Assert.Equal("a replica takes 1 gpu, and 3 of the 3 that the Fleet's quota lets all models have are taken", held.Reason.ToString());
        Assert.Equal(2, held.Wanted);
        Assert.False(held.Refused);

        // Of another kind there is none.
        Assert.Equal(4, Decide(Spec(high, low) with { Quotas = [new DeviceQuota("other", 0)] }, cluster).Steps.Length);
    }

    [Fact]
    public void What_is_there_and_above_it_stays_and_what_goes_counts_until_it_has_gone()
    {
        var model = Asking(Model("m", 1_000, min: 2, devices: 1) with { MaxReplicas = 4 });
        var gone = Asking(Model("gone", 1_000, devices: 1));
        InferenceReplica Placed(ModelSpec of, int i) => Replica(of, i, ReplicaState.Ready, Noon.AddMinutes(-1), node: "a") with
        {
            Placement = new Placement(new NodeId("a"), [new DeviceId($"gpu{i:00}")]),
            Requests = of.Requests,
        };
        var cluster = Cluster(Gpus("a", 100_000, 8, "gpu", 80_000, free: 5));

        var above = Decide(Spec(model) with { Quotas = [new DeviceQuota("gpu", 1)] }, cluster with { Replicas = [Placed(model, 1), Placed(model, 2)] });
        Assert.Empty(above.Steps);

        // One of a model that is no longer wanted drains: its device is its own until then.
        var full = Spec(model) with { Quotas = [new DeviceQuota("gpu", 2)] };
        var plan = Decide(full, cluster with { Replicas = [Placed(gone, 0), Placed(model, 1)] });
        Assert.Equal(["drain/gone-0", "stop/gone-0"], plan.StepIds());
        Assert.Equal(["start/m-2"], Decide(full, cluster with { Replicas = [Placed(model, 1)] }, plan.Next).StepIds());
    }

    [Fact]
    public void What_waits_counts_as_every_kind_that_it_may_land_on()
    {
        var model = Asking(Model("m", 1_000, min: 2, devices: 1) with { MaxReplicas = 2 });
        model = model with { Variants = [.. model.Variants, model.Variants[0] with { Id = new VariantId("second"), DeviceKind = "other" }] };
        var waiting = Replica(model, 1, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = model.Requests };
        var cluster = Cluster(Gpus("a", 100_000, 4, "gpu", 80_000), Gpus("b", 100_000, 4, "other", 80_000)) with { Replicas = [waiting] };

        Assert.Empty(Decide(Spec(model) with { Quotas = [new DeviceQuota("other", 1)] }, cluster).Steps);
        Assert.Single(Decide(Spec(model) with { Quotas = [new DeviceQuota("other", 2)] }, cluster).Steps);
    }

    [Fact]
    public void A_body_that_places_keeps_to_it_as_well()
    {
        var model = Model("m", 1_000, min: 3, devices: 1) with { MaxReplicas = 4 };
        var cluster = Cluster(Gpus("a", 100_000, 8, "gpu", 80_000)) with { Can = Capabilities.ChooseNode | Capabilities.ChooseVictim };

        Assert.Equal(2, Decide(Spec(model) with { Quotas = [new DeviceQuota("gpu", 2)] }, cluster).Steps.OfType<Step.Start>().Count());
    }

    [Fact]
    public void In_no_plan_are_more_devices_taken_than_there_were_or_than_the_quota_lets() =>
        Gen.Select(Gen.Int[0, 9], Gen.Select(Gen.Int[0, 4], Gen.Int[0, 3], Gen.Int[0, 3]).Array[1, 5], Gen.Int[0, 6]).Sample((quota, draws, there) =>
        {
            var models = draws.Select((draw, i) => Asking(Model($"m{i}", 1_000, priority: draw.Item3, min: draw.Item1, devices: draw.Item2) with { MaxReplicas = 8 })).ToArray();
            var replicas = Enumerable.Range(0, there).Select(i => Replica(models[i % models.Length], 10 + i, ReplicaState.Loading, Noon) with
            {
                Placement = Placement.Pending,
                Requests = models[i % models.Length].Requests,
            }).OrderBy(replica => replica.Id).ToImmutableArray();
            var before = replicas.Sum(replica => replica.Reserved.Devices);

            var plan = Decide(Spec(models) with { Quotas = [new DeviceQuota("gpu", quota)] }, Cluster(Gpus("a", 100_000, 16, "gpu", 80_000), Gpus("b", 100_000, 16, "gpu", 80_000)) with { Replicas = replicas });

            var after = before + plan.Steps.OfType<Step.Start>().Sum(start => start.Needs.Devices);
            return plan.Steps.OfType<Step.Start>().All(start => start.Needs.Devices == 0) || after <= quota;
        }, iter: 500);

    private static ModelSpec Asking(ModelSpec model) => model with
    {
        Requests = new SchedulerRequests
        {
            Memory = Bytes.MiB(2_000),
            Cores = new Cores(250),
            EphemeralStorage = Bytes.Zero,
            Resource = model.Variants[0].Needs.Devices > 0 ? "nvidia.com/gpu" : null,
            Devices = model.Variants[0].Needs.Devices,
        },
    };
}
