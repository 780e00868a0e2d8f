using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What teaches nothing: one absurd request, another version's replicas, a clock that was set back, what was asked for before.</summary>
public sealed class SoberKnowledgeTests
{
    private static readonly PlannerSettings Sober = new() { LearnsSoberly = true };

    private static readonly ModelSpec Model1 = Model("m", 1000, devices: 1);

    // Of half the share of the device.
    private static readonly ModelSpec Half = Model1 with { Variants = [Model1.Variants[0] with { Needs = Model1.Variants[0].Needs with { PerDevice = new MemoryNeed(Bytes.MiB(550), Bytes.MiB(550)) } }] };

    private static FleetSpec SpecOf(ModelSpec model, PlannerSettings? settings = null) => Spec(model) with { Settings = settings ?? Sober };

    private static ServiceSample Sample(int requests, double seconds, double longest) =>
        new(requests, requests, (requests - 1) * seconds + longest, requests, (requests - 1) * seconds + longest, 1, longest);

    [Fact]
    public void One_request_that_hung_says_nothing_of_what_a_replica_carries()
    {
        double Capacity(PlannerSettings settings)
        {
            var spec = SpecOf(Model1, settings);
            var known = Knowledge.Empty.Fold(spec, Served(spec, Noon, Sample(100, 2, 1500)));
            return known.Of(Model1.Id).Service.CapacityPerSecond(Model1.Slo, 8)!.Value;
        }

        Assert.InRange(Capacity(Sober), 0.4, 0.5);
        Assert.InRange(Capacity(new PlannerSettings()), 0, 0.07);
    }

    [Fact]
    public void By_itself_in_its_interval_it_is_held_against_those_before_and_slower_ones_are_soon_usual()
    {
        var fit = ServiceFit.None.Add(Sample(100, 2, 2));
        fit = fit.Add(fit.Sober(Sample(1, 0, 1500)));
        Assert.InRange(fit.SumL / fit.Weight, 2, 2.3);
        for (var i = 0; i < 60; i++) fit = fit.Add(fit.Sober(Sample(5, 40, 40)));
        Assert.InRange(fit.SumL / fit.Weight, 25, 40);

        // Nothing to hold it against.
        Assert.Equal(Sample(1, 0, 1500), ServiceFit.None.Sober(Sample(1, 0, 1500)));
    }

    [Fact]
    public void Requests_of_another_versions_replicas_teach_nothing_and_its_crash_is_no_failure_of_this_one()
    {
        var (next, spec) = (Model1 with { Version = "v2" }, SpecOf(Model1 with { Version = "v2" }));
        var old = Replica(Model1, 1, ReplicaState.Ready, Noon);
        var crash = new Outcome.Exited { At = Noon, Replica = ReplicaId.Of(Model1.Id, 2), Model = Model1.Id, Version = "v1", Was = ReplicaState.Ready, Asked = false, Why = "it crashed" };
        var known = Knowledge.Empty.Fold(spec, Served(spec, Noon, Sample(100, 2, 2), old) with { Outcomes = [crash] });
        Assert.Equal((0, 0, 3), (known.Of(next.Id).Service.Weight, known.Of(next.Id).Failures.Count, known.Of(next.Id).NextOrdinal));

        // Of its own, and of one whose version nobody knows.
        known = known.Fold(spec, Served(spec, Noon.AddSeconds(1), Sample(100, 2, 2), Replica(next, 3, ReplicaState.Ready, Noon)) with { Outcomes = [crash with { Version = null }] });
        Assert.Equal((100, 1), (known.Of(next.Id).Service.Weight, known.Of(next.Id).Failures.Count));
        Assert.Equal(1, known.Fold(spec, Served(spec, Noon.AddSeconds(2), Sample(9, 2, 2), old) with { Outcomes = [crash] }).Of(next.Id).Failures.Count);
    }

    [Fact]
    public void Where_less_of_the_device_is_asked_for_what_was_measured_before_is_forgotten()
    {
        var spec = SpecOf(Model1);
        var known = Knowledge.Empty.Fold(spec, Using(spec, Noon, 1200, Noon) with { Outcomes = [Measured(Noon)] });
        known = known.Fold(spec, Using(spec, Noon.AddSeconds(1), 1200, Noon));
        Assert.Equal(Bytes.MiB(1200), Needs(spec, known));

        // A device of the kind that is a little smaller is no other share.
        var smaller = SpecOf(Model1 with { Variants = [Model1.Variants[0] with { Needs = Model1.Variants[0].Needs with { PerDevice = new MemoryNeed(Bytes.MiB(1090), Bytes.MiB(1090)) } }] });
        known = known.Fold(smaller, Using(smaller, Noon.AddSeconds(1.5), 1000, Noon));
        Assert.Equal(Bytes.MiB(1200), Needs(smaller, known));

        // A replica of before goes on using what it was given; the next one says what it takes.
        var half = SpecOf(Half);
        known = known.Fold(half, Using(half, Noon.AddSeconds(2), 1200, Noon)).Fold(half, Using(half, Noon.AddSeconds(3), 1200, Noon));
        Assert.Equal(Bytes.MiB(550), Needs(half, known));
        known = known.Fold(half, Using(half, Noon.AddSeconds(4), 700, Noon.AddSeconds(3)));
        Assert.Equal(Bytes.MiB(700), Needs(half, known));

        // More is the larger of the two anyway.
        known = known.Fold(spec, Using(spec, Noon.AddSeconds(5), 700, Noon.AddSeconds(3)));
        Assert.Equal(Bytes.MiB(1100), Needs(spec, known));
        Assert.Equal(Bytes.MiB(700), known.Of(Model1.Id).Memory[Model1.Variants[0].Id].PerDevice);
    }

    [Fact]
    public void After_a_clock_that_was_set_back_a_model_is_idle_from_then_on()
    {
        foreach (var settings in (PlannerSettings[])[Sober, new()])
        {
            var spec = SpecOf(Model1, settings);
            var known = Knowledge.Empty.Fold(spec, Snapshot(spec, Node(9000), Noon.AddHours(1)).With(Traffic(Model1.Id, Noon.AddHours(1), 3)));
            known = known.Fold(spec, Snapshot(spec, Node(9000), Noon).With(Traffic(Model1.Id, Noon, 0)));
            known = known.Fold(spec, Snapshot(spec, Node(9000), Noon.AddMinutes(10)).With(Traffic(Model1.Id, Noon.AddMinutes(10), 0)));
            Assert.Equal(settings == Sober ? Noon : Noon.AddHours(1), known.Of(Model1.Id).LastArrival);
        }
    }

    [Fact]
    public void Who_would_need_more_than_those_that_sleep_looks_ahead_by_the_time_of_a_load()
    {
        // One carries five a second.
        var model = Model("large", 900, sloSeconds: 60, devices: 1, max: 12);
        model = model with { Variants = [model.Variants[0] with { Needs = model.Variants[0].Needs with { Asleep = new SleepNeed(Bytes.MiB(990), Bytes.MiB(50)) } }] };
        TimeSpan Ahead(bool looks, int asleep, double arrivals)
        {
            var spec = Spec(model) with { Settings = new PlannerSettings { LooksPastSleepers = looks } };
            var replicas = Enumerable.Range(1, asleep).Select(i => Replica(model, i, ReplicaState.Asleep, Noon.AddHours(-1)) with { Placement = new Placement(new NodeId("here"), [new DeviceId("gpu0")]) }).ToArray();
            var snapshot = Snapshot(spec, Node(90_000, deviceMiB: [1100]), Noon, replicas) with { Can = Local | Capabilities.Sleep };
            var known = Knowledge.Empty.Fold(spec, Snapshot(spec, Node(90_000, deviceMiB: [1100]), Noon.AddMinutes(-1)).With(
                Traffic(model.Id, Noon.AddMinutes(-1), 1) with { Service = new ServiceSample(100, 100, 20, 100, 20, 1, 0.2) }));
            for (var second = 59; second >= 0; second--)
                known = known.Fold(spec, snapshot with { At = Noon.AddSeconds(-second), Traffic = [Traffic(model.Id, Noon.AddSeconds(-second), (long)arrivals)] });
            return Outlooks.Of(spec, snapshot, known).Single().Load.P90;
        }

        var (wake, load) = (Ahead(false, 1, 20), Ahead(true, 0, 20));
        Assert.True(wake < load, $"{wake} {load}");
        Assert.Equal(wake, Ahead(true, 1, 3));
        Assert.Equal(load, Ahead(true, 1, 20));
        Assert.Equal(wake, Ahead(true, 5, 20));
    }

    private static FleetSnapshot Served(FleetSpec spec, DateTimeOffset at, ServiceSample sample, params InferenceReplica[] replicas) =>
        Snapshot(spec, Node(9000), at, replicas).With(Traffic(Model1.Id, at, sample.Count) with { Service = sample });

    private static FleetSnapshot Using(FleetSpec spec, DateTimeOffset at, double mib, DateTimeOffset started) => Snapshot(
        spec, Node(9000, deviceMiB: [4000]), at, Replica(spec.Models[0], 1, ReplicaState.Ready, started) with { DeviceMemory = Signal.Known(Bytes.MiB(mib), at) });

    private static Outcome.MemoryMeasured Measured(DateTimeOffset at) => new()
    {
        At = at,
        Replica = ReplicaId.Of(Model1.Id, 1),
        Model = Model1.Id,
        Version = "v1",
        Variant = Model1.Variants[0].Id,
        LoadPeak = Bytes.MiB(1000),
        Steady = Bytes.MiB(300),
    };

    private static Bytes Needs(FleetSpec spec, Knowledge known) => Weighing.Needs(spec.Models[0].Variants[0], known.Of(Model1.Id)).PerDevice!.Highest;
}
