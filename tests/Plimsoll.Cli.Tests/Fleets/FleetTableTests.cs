using Plimsoll.Cli.Commands;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Tests.Fleets;

public sealed class FleetTableTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_fleet_is_shown_in_eighty_columns() =>
        Assert.Equal(
            [
                "MODEL                  WEIGHT TIER      REPLICAS       DEMAND FORECAST    MEMORY",
                "a-name-th..s-column  1.40 GiB memory    1               0.5/s    120/s  1.50 GiB",
                "small                25.0 MiB loading   0 +1 loading        ?        ?         ?",
            ],
            FleetTable.Lines(Spec(), Seen(), Plan(), 80).Take(3));

    [Fact]
    public void Demand_that_nobody_counted_lately_is_the_last_that_was()
    {
        var (spec, later) = (Spec(), Seen() with { At = At.AddMinutes(3) });
        Assert.Contains(" 0.5/s? ", FleetTable.Lines(spec, later, Plan(), 80)[1], StringComparison.Ordinal);
        Assert.Contains(
            ExplainText.Lines(spec.Models[0], spec.Settings, later, Plan(), "now", [], 80), line => line.StartsWith("  demand    0.5/s? (counted last 3 min ago), forecast 120/s", StringComparison.Ordinal));
        Assert.Null(ModelStatus.Of(spec.Models[0], spec.Settings, later, Plan()).DemandPerSecond);
        Assert.Equal(0.5, ModelStatus.Of(spec.Models[0], spec.Settings, Seen(), Plan()).DemandPerSecond);
    }

    [Fact]
    public void No_line_is_wider_than_the_terminal() =>
        Assert.All(FleetTable.Lines(Spec(), Seen(), Plan(), 80), line => Assert.InRange(line.Length, 1, 80));

    [Fact]
    public void Memory_is_shown_against_the_budget() =>
        Assert.Contains(
            "memory [###############.....] 1.50 GiB of 2.00 GiB, 1 not measured yet, 2 cores",
            FleetTable.Lines(Spec(), Seen(), Plan(), 80));

    [Fact]
    public void A_low_terminal_shows_what_is_at_work_and_counts_the_rest()
    {
        var spec = Spec() with { Models = [.. Enumerable.Range(1, 40).Select(n => Model($"model-{n:00}", Bytes.MiB(25)))] };
        var seen = Seen() with { Replicas = [Replica("model-33", ReplicaState.Ready, Signal.Known(Bytes.MiB(90), At))] };
        var plan = Plan() with { Models = [.. spec.Models.Select(model => Verdict(model.Id.Value, Signal.Known(0.03, At), Signal.Known(0.0, At)) with { Wanted = 0 })] };

        var lines = FleetTable.Lines(spec, seen, plan, 80, 20);

        Assert.Equal(20, lines.Length);
        Assert.Equal("model-33  25.0 MiB memory    1              0.03/s      0/s  90.0 MiB", lines[14]);
        Assert.Equal("and 26 more; plimsoll status shows all", lines[15]);
        Assert.StartsWith("memory [", lines[16], StringComparison.Ordinal);
        Assert.StartsWith("model-01: ", lines[17], StringComparison.Ordinal);
        // All of it where there is room.
        Assert.Equal(1 + 40 + 1 + 40, FleetTable.Lines(spec, seen, plan, 80).Length);
    }

    [Fact]
    public void A_cached_model_shows_how_far_its_weights_are()
    {
        var model = Model("m", Bytes.MiB(25)) with { Cached = true };
        var seen = Seen();
        WorkInFlight Fetch(Bytes? done) => new()
        {
            Step = StepId.Of("prefetch/m@1/local"),
            Kind = WorkKind.Fetching,
            StartedAt = At,
            Model = model.Id,
            Done = done,
            Total = Bytes.MiB(100),
        };
        CachedArtifact Copy(string version) => new()
        {
            Node = NodeId.Of("local"),
            Model = model.Id,
            Version = version,
            Size = Bytes.MiB(25),
            Complete = true,
        };

        Assert.Equal("remote", FleetTable.ShownTier(model, seen));
        Assert.Equal("fetch", FleetTable.ShownTier(model, seen with { InFlight = [Fetch(null)] }));
        Assert.Equal("fetch 43%", FleetTable.ShownTier(model, seen with { InFlight = [Fetch(Bytes.MiB(43.9))], Cache = [Copy("0")] }));
        Assert.Equal("disk", FleetTable.ShownTier(model, seen with { Cache = [Copy("1")] }));
    }

    [Fact]
    public void The_cache_is_shown_against_its_bound()
    {
        var seen = Seen();
        seen = seen with
        {
            Nodes = [seen.Nodes[0] with { CacheBudget = Bytes.MiB(100), CacheFileSystemFree = Signal.Missing<Bytes>("the disk is gone") }],
            Cache =
            [
                new CachedArtifact { Node = NodeId.Of("local"), Model = ModelId.Of("m"), Version = "1", Size = Bytes.MiB(40), Complete = true },
                new CachedArtifact { Node = NodeId.Of("local"), Model = ModelId.Of("n"), Version = "1", Size = Bytes.MiB(10), Complete = false },
            ],
        };

        Assert.Contains(
            "cache  [##########..........] 50.0 MiB of 100 MiB, 1 model, 1 unfinished; the...",
            FleetTable.Lines(Spec(), seen, Plan(), 80));
    }

    [Fact]
    public void A_reason_is_folded_at_spaces()
    {
        var parts = FleetTable.Wrap("one two three four", 9).ToList();

        Assert.Equal(["one two", "three", "four"], parts);
        Assert.Equal(["abcde", "fgh"], FleetTable.Wrap("abcdefgh", 5));
    }

    private static FleetSpec Spec() => new() { Models = [Model("a-name-that-is-longer-than-its-column", Bytes.GiB(1.4)), Model("small", Bytes.MiB(25))] };

    private static ModelSpec Model(string name, Bytes weights) => new()
    {
        Id = ModelId.Of(name),
        Version = "1",
        Source = "/models/" + name,
        Footprint = new Footprint { Format = ArtifactFormat.Onnx, Source = FootprintSource.Header, Digest = "d", OnDisk = weights, Weights = weights },
        Slo = new Slo(TimeSpan.FromSeconds(1), 0.99),
        Variants = [],
    };

    private static FleetSnapshot Seen() => new()
    {
        At = At,
        Can = Capabilities.None,
        Nodes = [new NodeState { Id = NodeId.Of("local"), HostMemory = Bytes.GiB(8), HostMemoryBudget = Bytes.GiB(2), Cores = Cores.Of(2) }],
        Replicas =
        [
            Replica("a-name-that-is-longer-than-its-column", ReplicaState.Ready, Signal.Known(Bytes.GiB(1.5), At)),
            Replica("small", ReplicaState.Loading, Signal.Missing<Bytes>("not looked yet")),
        ],
    };

    private static InferenceReplica Replica(string model, ReplicaState state, Signal<Bytes> memory) => new()
    {
        Id = ReplicaId.Of(ModelId.Of(model), 1),
        Model = ModelId.Of(model),
        Version = "1",
        Variant = VariantId.Of("cpu"),
        Placement = new Placement(NodeId.Of("local"), []),
        State = state,
        StateSince = At,
        StartedAt = At,
        Reserved = Needs(),
        HostMemory = memory,
    };

    [Fact]
    public void Explain_says_what_a_forecast_rests_on_or_that_there_is_none()
    {
        var verdict = Verdict("m", Signal.Known(0.5, At), Signal.Known(15.4, At));
        Assert.Equal(" (the most of late; too little was seen to forecast)", ExplainText.Basis(verdict, At));
        Assert.Equal(
            " (96.3 % quantile of the most within 5.6 s, raised by late requests; half such windows stay under 11.2/s, 1 in 100 goes over 17.8/s, by 214 seen)",
            ExplainText.Basis(verdict with { ForecastFrom = new ForecastBasis(0.963, TimeSpan.FromSeconds(5.6), 214, 11.2, 17.8, Corrected: true) }, At));
        var known = new EventAhead(At.AddMinutes(3), 3, 0, 5.1, Underway: false);
        Assert.Equal(
            $" ({known.Shown(At)})", ExplainText.Basis(verdict with { Event = known }, At));
        Assert.Equal("", ExplainText.Basis(Verdict("m", Signal.Known(0.5, At), Signal.Known(0.0, At)), At));
    }

    private static ReplicaNeeds Needs() => new() { Host = MemoryNeed.None, Cores = Cores.Zero, Disk = Bytes.Zero };

    private static Plan Plan() => new(
        new InputHashes("", "", ""), [],
        [
            Verdict("a-name-that-is-longer-than-its-column", Signal.Known(0.5, At), Signal.Known(120.0, At)),
            Verdict("small", Signal.Missing<double>("nobody counted"), Signal.Missing<double>("nobody counted")),
        ],
        Knowledge.Empty);

    private static ModelVerdict Verdict(string model, Signal<double> demand, Signal<double> forecast) => new()
    {
        Model = ModelId.Of(model),
        Wanted = 1,
        Serving = 1,
        DemandPerSecond = demand,
        ForecastPerSecond = forecast,
        Needs = Needs(),
        Reason = new Reason(Rule.IdleAtZero, [Fact.Of("load", TimeSpan.FromSeconds(3))]),
    };
}
