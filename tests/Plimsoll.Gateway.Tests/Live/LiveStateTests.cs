using System.Text;
using System.Text.Json;
using System.Xml.Linq;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Control;
using Plimsoll.Pages.Live;
using Plimsoll.Tests.Planning;

namespace Plimsoll.Gateway.Tests.Live;

public sealed class LiveStateTests
{
    private readonly FakeTimeProvider _time = new(Fleets.Noon);

    [Fact]
    public void A_tick_is_told_by_model_with_its_weight_tier_rates_memory_and_reason()
    {
        var state = Shown(Ticks.Three());

        // What waits, what runs, what rests.
        Assert.Equal(["b", "a", "c"], state.Models!.Rows.Select(row => row.Model));
        var (waits, runs, rests) = (state.Models.Rows[0], state.Models.Rows[1], state.Models.Rows[2]);
        Assert.Equal(("disk", 0, 1, 3, 26_214_400), (waits.Tier, waits.Ready, waits.Wanted, waits.HeldNow, waits.WeightBytes));
        Assert.StartsWith("3 requests wait and no replica serves", waits.Reason, StringComparison.Ordinal);
        Assert.Equal(("memory", 1, 83_886_080, false), (runs.Tier, runs.Ready, runs.MemoryBytes, runs.MemoryCharged));
        Assert.Equal(("disk", 0, null, "IdleAtZero"), (rests.Tier, rests.Wanted, rests.MemoryBytes, rests.Rule));
        Assert.Equal(new LiveTotals(3, 1, 0, 1, 0, 1, 3, 585 * 1024 * 1024, state.Totals!.DemandPerSecond, state.Totals.ForecastPerSecond), state.Totals);
        Assert.Equal(waits.DemandPerSecond + runs.DemandPerSecond + rests.DemandPerSecond, state.Totals.DemandPerSecond);
        Assert.True(runs.DemandPerSecond > 0 && runs.ForecastPerSecond >= runs.DemandPerSecond);
        var step = Assert.Single(state.Decisions);
        Assert.Equal(("b", "start b-1"), (step.Model, step.What));
        Assert.Equal(waits.Reason, step.Why);
    }

    [Fact]
    public void Memory_is_told_against_the_budget_with_who_holds_it_and_what_was_not_measured()
    {
        var (a, b) = (Fleets.Model("a", 60, devices: 2), Fleets.Model("b", 25));
        var spec = Fleets.Spec(a, b);
        var on = new Placement(NodeId.Of("here"), [new DeviceId("gpu0"), new DeviceId("gpu1")]);
        var seen = Fleets.Snapshot(spec, Fleets.Node(1000, deviceMiB: [100, 100, 100]), Fleets.Noon,
            Fleets.Replica(a, 1, ReplicaState.Ready, Fleets.Noon) with { Placement = on, HostMemory = Signal.Known(Bytes.MiB(5), Fleets.Noon) },
            Fleets.Replica(b, 1, ReplicaState.Ready, Fleets.Noon) with { HostMemory = Signal.Stale(Bytes.MiB(30), Fleets.Noon, "late") },
            Fleets.Replica(b, 2, ReplicaState.Loading, Fleets.Noon))
            with
        { Foreign = [new ForeignUse { Node = NodeId.Of("here"), Memory = Signal.Known(Bytes.MiB(70), Fleets.Noon) }] };
        var state = Shown(Ticks.Of(spec, seen));

        var (host, gpu) = (state.Memory[0], state.Memory[1]);
        Assert.Equal(("host memory", 1, Bytes.MiB(1000).Value, Bytes.MiB(60).Value, 1, Bytes.MiB(70).Value), (host.Kind, host.Count, host.BudgetBytes, host.UsedBytes, host.Charged, host.ForeignBytes));
        Assert.Equal([new LivePart("b", Bytes.MiB(55).Value), new LivePart("a", Bytes.MiB(5).Value)], host.Parts);
        // 60 MiB × 1.1 over two devices, charged on each, as nobody measured there.
        Assert.Equal(("gpu", 3, Bytes.MiB(300).Value, Bytes.MiB(66).Value, 2), (gpu.Kind, gpu.Count, gpu.BudgetBytes, gpu.UsedBytes, gpu.Charged));
        Assert.Equal(Bytes.MiB(5 + 66).Value, state.Models!.Rows.Single(row => row.Model == "a").MemoryBytes);
        Assert.Equal(["host memory", "gpu"], Assert.Single(state.Nodes).Memory.Select(memory => memory.Kind));
    }

    [Fact]
    public void A_replica_of_several_pods_holds_what_all_that_have_a_place_hold()
    {
        var model = Fleets.Model("a", 60);
        var spec = Fleets.Spec(model);
        var needs = new ReplicaNeeds
        {
            Host = new MemoryNeed(Bytes.MiB(50), Bytes.MiB(7)),
            PerDevice = new MemoryNeed(Bytes.MiB(40), Bytes.MiB(30)),
            Devices = 2,
            Cores = Cores.Of(1),
            Disk = Bytes.Zero,
        };
        var leader = Fleets.Replica(model, 1, ReplicaState.Ready, Fleets.Noon) with
        {
            HostMemory = Signal.Known(Bytes.MiB(5), Fleets.Noon),
            Members = [new ReplicaMember(new Placement(NodeId.Of("here"), []), needs, null), new ReplicaMember(Placement.Pending, needs, null)],
        };

        var row = Assert.Single(Shown(Ticks.Of(spec, Fleets.Snapshot(spec, Fleets.Node(1000), Fleets.Noon, leader))).Models!.Rows);

        // 5 measured, and 7 + 2 × 30 of the one worker that is somewhere, which nobody measures.
        Assert.Equal((Bytes.MiB(72).Value, true), (row.MemoryBytes, row.MemoryCharged));
    }

    [Fact]
    public void Demand_that_nobody_counts_any_more_is_marked()
    {
        var first = Ticks.Three();
        var seen = first.Snapshot with { At = Fleets.Noon + TimeSpan.FromMinutes(5), Traffic = [] };
        var fleet = new LiveFleet("shop", _time);
        fleet.Show(first);
        Assert.All(fleet.State(new LiveQuery()).State.Models!.Rows, row => Assert.False(row.DemandStale));
        fleet.Show(first with { Snapshot = seen, Plan = Fleets.Decide(first.Spec, seen, first.Plan.Next) });

        var state = fleet.State(new LiveQuery(Model: "a")).State;
        var row = state.Models!.Rows.Single(row => row.Model == "a");
        Assert.Equal((2.0, true), (row.DemandPerSecond, row.DemandStale));
        Assert.StartsWith("2/s?, planned for ", state.Detail!.Facts.Single(fact => fact.Name == "demand").Text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_known_is_left_out_and_never_zero()
    {
        var model = Fleets.Model("a", 60);
        var spec = Fleets.Spec(model);
        var state = Shown(Ticks.Of(spec, Fleets.Snapshot(spec, Fleets.Node(1000), Fleets.Noon) with { Traffic = [] }));
        Assert.Null(state.Totals!.DemandPerSecond);
        using var json = JsonDocument.Parse(state.Json());
        var row = json.RootElement.GetProperty("models").GetProperty("rows")[0];
        Assert.False(row.TryGetProperty("demandPerSecond", out _));
        Assert.False(row.TryGetProperty("memoryBytes", out _));
        Assert.False(json.RootElement.TryGetProperty("trouble", out _));
    }

    [Fact]
    public void Before_the_first_tick_there_is_a_name_and_the_trouble_alone()
    {
        var (state, version) = new LiveFleet("shop", _time, () => "another leads").State(new LiveQuery());
        Assert.Equal(0, version);
        Assert.Equal("""{"fleet":"shop","trouble":"another leads","now":"2026-11-24T12:00:00+00:00","memory":[],"nodes":[],"nodeCount":0,"decisions":[]}""", Encoding.UTF8.GetString(state.Json()));
    }

    [Fact]
    public void One_model_in_full_has_its_numbers_its_replicas_its_plot_and_its_own_decisions()
    {
        var fleet = new LiveFleet("shop", _time);
        fleet.Show(Ticks.Three());
        fleet.Show(Ticks.Three(5));
        var (state, version) = fleet.State(new LiveQuery(Model: "a"));
        Assert.Equal(2, version);
        Assert.Equal(("a", "a-1"), (state.Detail!.Model.Model, Assert.Single(state.Detail.Replicas).Id));
        Assert.Equal(["weights", "objective", "demand", "loading", "hold", "priority"], state.Detail.Facts.Select(fact => fact.Name));
        Assert.Contains("99 % within 1 s", state.Detail.Facts[1].Text, StringComparison.Ordinal);
        Assert.Empty(state.Decisions);
        var plot = XElement.Parse(state.Plot!);
        Assert.StartsWith("a: arrivals a second", plot.Attribute("aria-label")!.Value, StringComparison.Ordinal);
        Assert.Equal(2, plot.Elements("path").Single(path => path.Attribute("class")!.Value == "rate").Attribute("d")!.Value.Split('L').Length);

        // Of all models together, and of one that is not there, the plot is of all.
        Assert.StartsWith("all models: ", XElement.Parse(fleet.State(new LiveQuery(Model: "z")).State.Plot!).Attribute("aria-label")!.Value, StringComparison.Ordinal);
        Assert.Null(fleet.State(new LiveQuery(Model: "z")).State.Detail);
        Assert.Equal(2, fleet.State(new LiveQuery()).State.Decisions.Length);
    }

    [Fact]
    public void Ten_minutes_are_kept_and_a_clock_that_is_set_back_begins_anew()
    {
        var fleet = new LiveFleet("shop", _time);
        for (var second = 0; second <= 1200; second += 2) fleet.Show(Ticks.Three(second));
        Assert.Equal(151, Moments());
        fleet.Show(Ticks.Three(100));
        Assert.Null(fleet.State(new LiveQuery()).State.Plot);
        fleet.Show(Ticks.Three(104));
        Assert.Equal(2, Moments());

        int Moments() => XElement.Parse(fleet.State(new LiveQuery()).State.Plot!).Elements("path")
            .Single(path => path.Attribute("class")!.Value == "rate").Attribute("d")!.Value.Split('L').Length;
    }

    [Fact]
    public void Five_thousand_models_come_a_page_at_a_time_and_are_searched_and_sorted()
    {
        var fleet = new LiveFleet("shop", _time);
        fleet.Show(Ticks.Many(5000));
        var first = fleet.State(new LiveQuery()).State;
        Assert.Equal((5000, 0, 50), (first.Models!.Matching, first.Models.From, first.Models.Rows.Length));
        Assert.Equal(5000, first.Totals!.Models);
        Assert.All(first.Models.Rows, row => Assert.Equal(1, row.Ready));
        Assert.InRange(first.Json().Length, 10_000, 60_000);
        Assert.Equal(9, first.Memory[0].Parts.Length);
        Assert.Equal("42 others", first.Memory[0].Parts[^1].Name);

        var last = fleet.State(new LiveQuery(Sort: LiveSort.Name, Page: 1_000_000)).State.Models!;
        Assert.Equal((4950, "team-6/model-04997"), (last.From, last.Rows[^1].Model));
        var found = fleet.State(new LiveQuery("EL-0499", LiveSort.Weight)).State.Models!;
        Assert.Equal(10, found.Matching);
        Assert.Equal(found.Rows.Select(row => row.WeightBytes).OrderDescending(), found.Rows.Select(row => row.WeightBytes));
        Assert.Empty(fleet.State(new LiveQuery("nowhere")).State.Models!.Rows);
    }

    [Fact]
    public void Names_and_reasons_of_strangers_stay_text()
    {
        var model = Fleets.Model(Ticks.Hostile, 60);
        var spec = Fleets.Spec(model);
        var tick = Ticks.Of(spec, Fleets.Snapshot(spec, Fleets.Node(1000), Fleets.Noon, Fleets.Replica(model, 1, ReplicaState.Ready, Fleets.Noon)) with
        {
            Outcomes = [new Outcome.Exited { At = Fleets.Noon, Replica = ReplicaId.Of(model.Id, 0), Model = model.Id, Was = ReplicaState.Loading, Asked = false, Why = $"one\n{Ticks.Hostile}" }],
        });
        var fleet = new LiveFleet(Ticks.Hostile, _time, () => Ticks.Hostile);
        fleet.Show(tick);
        fleet.Show(tick with { Snapshot = tick.Snapshot with { At = Fleets.Noon + TimeSpan.FromSeconds(5) } });
        var name = fleet.State(new LiveQuery()).State.Models!.Rows.Single().Model;
        Assert.Equal("</script><img src=x onerror=alert(1)>\uFFFD&\"'\uFFFD", name);
        var state = fleet.State(new LiveQuery(Model: name)).State;
        var json = Encoding.UTF8.GetString(state.Json());
        Assert.DoesNotContain('<', json);
        Assert.DoesNotContain("\u202E", json, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', json);
        Assert.Equal($"died {name}-0: one | {name}", state.Decisions[^1].What);

        // The plot is markup: what is a stranger's in it is escaped.
        var plot = XElement.Parse(state.Plot!);
        Assert.Empty(plot.Descendants("img"));
        Assert.StartsWith(name, plot.Attribute("aria-label")!.Value, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", state.Plot, StringComparison.Ordinal);
    }

    [Fact]
    public void Decisions_and_proposals_are_kept_the_newest_first_and_not_without_end()
    {
        var model = Fleets.Model("a", 60, min: 1);
        var spec = Fleets.Spec(model) with { Mode = FleetMode.Recommend };
        var tick = Ticks.Of(spec, Fleets.Snapshot(spec, Fleets.Node(1000), Fleets.Noon)) with { Applied = ApplyResult.Nothing };
        var fleet = new LiveFleet("shop", _time);
        for (var i = 0; i < 3; i++) fleet.Show(tick);
        Assert.Equal("would start a-1", Assert.Single(fleet.State(new LiveQuery()).State.Decisions).What);
        for (var i = 0; i < 300; i++)
            fleet.Show(tick with { Snapshot = tick.Snapshot with { Outcomes = [new Outcome.Exited { At = Fleets.Noon, Replica = ReplicaId.Of(model.Id, i), Model = model.Id, Was = ReplicaState.Ready, Asked = true, Why = "" }] } });
        var decisions = fleet.State(new LiveQuery()).State.Decisions;
        Assert.Equal((40, "ended a-299", "ended a-260"), (decisions.Length, decisions[0].What, decisions[^1].What));
    }

    [Theory]
    [InlineData("sort", "size", "there is no such sort; activity, name, weight, demand, forecast, memory, replicas would do")]
    [InlineData("sort", "3", "there is no such sort; activity, name, weight, demand, forecast, memory, replicas would do")]
    [InlineData("page", "-1", "page is not a whole number from 0 to 1000000")]
    [InlineData("page", "1000001", "page is not a whole number from 0 to 1000000")]
    public void A_query_that_makes_no_sense_is_refused(string name, string value, string why) =>
        Assert.Equal(why, LiveQuery.Read(asked => asked == name ? value : null, out _));

    [Fact]
    public void A_query_is_bounded()
    {
        Assert.NotNull(LiveQuery.Read(name => name == "q" ? new string('x', 301) : null, out _));
        Assert.NotNull(LiveQuery.Read(name => name == "model" ? new string('x', 301) : null, out _));
        Assert.Null(LiveQuery.Read(name => name switch { "q" => " a ", "sort" => "Weight", "page" => "2", _ => "" }, out var query));
        Assert.Equal(new LiveQuery("a", LiveSort.Weight, 2), query);
    }

    [Fact]
    public void Every_field_is_in_the_documentation()
    {
        var page = File.ReadAllText(Path.Combine(Repository(), "docs", "live-page.md"));
        var names = new[] { typeof(LiveState), typeof(LiveTotals), typeof(LiveMemory), typeof(LivePart), typeof(LiveNode), typeof(LiveModels), typeof(LiveModel), typeof(LiveDetail), typeof(LiveFact), typeof(LiveReplica), typeof(LiveDecision) }
            .SelectMany(type => type.GetProperties()).Select(property => JsonNamingPolicy.CamelCase.ConvertName(property.Name)).Distinct();
        Assert.All(names, name => Assert.True(page.Contains($"`{name}`", StringComparison.Ordinal) || page.Contains($"`{name}[]`", StringComparison.Ordinal), name));
    }

    private static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Plimsoll.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }

    private LiveState Shown(Tick tick)
    {
        var fleet = new LiveFleet("shop", _time);
        fleet.Show(tick);
        return fleet.State(new LiveQuery()).State;
    }
}
