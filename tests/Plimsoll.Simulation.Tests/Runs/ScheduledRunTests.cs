using System.Text.Json;
using Plimsoll.Control;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Plimsoll where kube-scheduler chooses the nodes.</summary>
public sealed class ScheduledRunTests
{
    private const string Large = "l40s-48gb";
    private const string Small = "l4-24gb";

    private static NodeGroup Devices(string name, string kind, int count, double dollars = 8) => Worlds.Processors(count, 64) with
    {
        Name = name,
        DeviceKind = kind,
        Devices = 2,
        DeviceMemory = Bytes.GiB(24),
        PricePerHour = UsdPerHour.Of(dollars),
    };

    private static ModelRecipe OnDevices(string id, RequestTrace trace, params string[] kinds) => Worlds.Small(id, trace, 4000) with
    {
        Variants = [.. kinds.Select(kind => Worlds.Small(id, trace).Variants[0] with { Device = DeviceCatalogue.BuiltIn.Find(kind), Devices = 1 })],
    };

    private static (RunResult Result, List<Tick> Ticks) Run(World world)
    {
        var ticks = new List<Tick>();
        return (SimulationRun.Plimsoll(world, 1, seen: ticks.Add), ticks);
    }

    [Fact]
    public void Starts_name_no_node_and_the_scheduler_spreads_them()
    {
        var world = Worlds.Of([Worlds.Small("a", Worlds.Poisson(60, 600), min: 2)], [Worlds.Processors(3, 8)], 600);
        var (result, ticks) = Run(world.Scheduled());
        var starts = ticks.SelectMany(tick => tick.Plan.Steps).OfType<Step.Start>().ToList();
        Assert.NotEmpty(starts);
        Assert.All(starts, start => Assert.Null(start.Placement));
        Assert.All(ticks, tick => Assert.False(tick.Snapshot.Can.HasFlag(Capabilities.ChooseNode)));

        // Both put the second beside nobody.
        Assert.InRange(NodesUsed(ticks), 2, 3);
        Assert.InRange(NodesUsed(Run(world).Ticks), 2, 3);
        Assert.InRange(result.Attainment, 0.97, 1);
    }

    private static int NodesUsed(IEnumerable<Tick> ticks) => ticks.SelectMany(tick => tick.Snapshot.Replicas).Select(replica => replica.Placement.Node).Distinct().Count();

    [Fact]
    public void Equals_that_find_no_room_take_turns_by_the_settings_of_today()
    {
        // Two devices, and four models that each want one, asked by turns.
        ModelRecipe[] models = [.. Enumerable.Range(0, 4).Select(i => OnDevices($"m{i}", Worlds.Poisson(0.3, 1800, i + 1), Small))];
        var world = Worlds.Of(models, [Devices("s", Small, 1)], 1800).Scheduled();
        world = world with { Spec = world.Spec with { Settings = PlannerSettings.Latest, Prices = new Prices { Devices = [new DevicePrice(Small, UsdPerHour.Of(1))] } } };
        var (result, ticks) = Run(world);

        Assert.All(result.Models, model => Assert.True(model.WithinSlo > 0, $"{model.Model} answered nothing in time"));
        Assert.Contains(ticks.SelectMany(tick => tick.Plan.Steps).OfType<Step.Drain>(), drain => drain.Reason.Rule == Rule.DrainForClaimant);
        Assert.Equal(0, result.OutOfMemory);
    }

    [Fact]
    public void A_pod_is_put_only_where_its_devices_are()
    {
        var world = Worlds.Of([OnDevices("a", Worlds.Poisson(20, 300), Large), Worlds.Small("b", Worlds.Poisson(20, 300, 2))], [Devices("l", Large, 2), Devices("s", Small, 2)], 300).Scheduled();
        var (result, ticks) = Run(world);
        var placed = ticks.SelectMany(tick => tick.Snapshot.Replicas).ToLookup(replica => replica.Model.Value, replica => replica.Placement);
        Assert.NotEmpty(placed["a"]);
        Assert.All(placed["a"], placement => Assert.StartsWith("l-", placement.Node.Value, StringComparison.Ordinal));
        Assert.All(placed["b"], placement => Assert.Empty(placement.Devices));
        Assert.All(result.Models, model => Assert.InRange(model.Attainment, 0.9, 1));
    }

    [Fact]
    public void A_pod_is_put_and_nodes_are_asked_for_only_where_the_cache_could_hold_its_model()
    {
        var little = Worlds.Processors(1, 64, cacheGiB: 5) with { Most = 4, Boot = TimeSpan.FromSeconds(10) };
        World Of(params NodeGroup[] nodes) => Worlds.Of([Worlds.Small("a", Worlds.Poisson(5, 600), 10_000, min: 1, cached: true)], nodes, 600);
        Assert.InRange(SimulationRun.Rival(Of(little, Worlds.Processors(1, 64, cacheGiB: 50) with { Name = "disk" }), 1, "hpa").Attainment, 0.75, 1);
        var nowhere = SimulationRun.Rival(Of(little), 1, "hpa");
        Assert.Equal((0, 600.0), (nowhere.Models[0].DeviceHours, Math.Round(nowhere.NodeHours["cpu"] * 3600, 6)));
    }

    [Fact]
    public void What_no_node_has_the_devices_for_is_put_nowhere()
    {
        var (result, ticks) = Run(Worlds.Of([OnDevices("a", Worlds.Poisson(5, 120), Large)], [Devices("s", Small, 2)], 120).Scheduled());
        Assert.Equal(0, result.Models[0].WithinSlo);
        Assert.DoesNotContain(ticks.SelectMany(tick => tick.Plan.Steps), step => step is Step.Start);
        Assert.True(ticks[^1].Plan.Models[0].Refused);
    }

    [Fact]
    public void Ways_to_run_a_model_are_workloads_of_their_own()
    {
        var world = Worlds.Of([OnDevices("a", Worlds.Poisson(20, 300), Large, Small)], [Devices("l", Large, 1, 20), Devices("s", Small, 1, 4)], 300).Scheduled();
        var spec = Assert.Single(world.Spec.Models);
        Assert.Equal(2, spec.Variants.Select(variant => variant.Target).Distinct().Count());
        Assert.Equal(["l"], spec.Variants[0].Requests!.Pools);
        var (result, _) = Run(world);
        Assert.InRange(result.Attainment, 0.9, 1);
    }

    [Fact]
    public void A_model_from_afar_is_on_its_nodes_disk_before_it_is_loaded()
    {
        var trace = new RequestTrace([10.0, 200], [1, 1], [1, 1], 300);
        var world = Worlds.Of([Worlds.Small("a", trace, 2000, cached: true)], [Worlds.Processors(2, 8, cacheGiB: 20)], 300).Scheduled();
        var (result, ticks) = Run(world);
        Assert.Equal(2, result.Models[0].WithinSlo + result.Models[0].Late);
        var outcomes = ticks.SelectMany(tick => tick.Snapshot.Outcomes).ToList();
        Assert.DoesNotContain(outcomes, one => one is Outcome.StepFailed);
        var fetched = outcomes.FindIndex(one => one is Outcome.Fetched);
        Assert.True(fetched >= 0 && outcomes.FindIndex(one => one is Outcome.Loaded) > fetched);
    }

    [Fact]
    public void Nodes_are_asked_for_where_pods_find_no_room()
    {
        var world = Worlds.Of(
            [Worlds.Small("a", Worlds.Poisson(250, 300), 1000, max: 8) with { IdleLimit = TimeSpan.FromSeconds(60) }],
            [Worlds.Processors(1, 4) with { Most = 4, Boot = TimeSpan.FromSeconds(30) }], 900);
        var (_, ticks) = Run((world with { Spec = world.Spec with { NodePools = world.Nodes.Pools() } }).Scheduled());
        Assert.InRange(ticks.Max(tick => tick.Snapshot.Nodes.Length), 2, 4);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes()
    {
        static string Once() => JsonSerializer.Serialize(SimulationRun.Plimsoll(
            Worlds.Of([Worlds.Small("a", Worlds.Poisson(30, 300)), Worlds.Small("b", Worlds.Poisson(5, 300, 2), 2000)], [Worlds.Processors(2, 4)], 300).Scheduled(), 3));
        Assert.Equal(Once(), Once());
    }
}
