using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.ModelMesh;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class ModelMeshTests
{
    private static readonly ModelMeshSettings Settings = new() { DefaultModelUnits = 1 };
    private static readonly DateTimeOffset Now = RivalVector.At(1_000_000);

    private static ModelMeshInstance Instance(string name, long free, int models = 1, double oldestHours = 10, long busy = 0, bool leaving = false) =>
        new(name, leaving, 1, false, 1000, free, Now.AddHours(-oldestHours), models, 0, busy);

    [Fact]
    public void Room_goes_before_age_and_fewer_models_before_more_room()
    {
        ModelMeshInstance[] instances =
            [Instance("leaving", 900, leaving: true), Instance("full", 1), Instance("many", 900, models: 5), Instance("few", 500), Instance("older", 1, oldestHours: 20)];
        Assert.Equal(["few", "many", "older", "full", "leaving"], ModelMeshPlacement.Ranked(Settings, instances).Select(instance => instance.Name));
    }

    [Fact]
    public void Close_to_the_best_are_those_with_a_quarter_of_its_room_and_not_too_busy()
    {
        ModelMeshInstance[] instances =
        [
            Instance("best", 800, busy: 100), Instance("quarter", 200, busy: 100), Instance("less", 199, busy: 100),
            Instance("busy", 700, busy: 301), Instance("crowded", 700, models: 10, busy: 100),
        ];
        Assert.Equal(["best", "quarter"], Names(ModelMeshOccasion.UsedWithinMinutes));
        Assert.Equal(["best", "busy", "quarter"], Names(ModelMeshOccasion.UsedWithinDay));

        IEnumerable<string> Names(ModelMeshOccasion occasion) =>
            ModelMeshPlacement.Shortlist(Settings, instances, occasion, Now).Select(instance => instance.Name);
    }

    [Fact]
    public void Of_full_instances_those_about_as_old_are_close()
    {
        ModelMeshInstance[] instances = [Instance("a", 1, oldestHours: 10), Instance("b", 1, oldestHours: 9.1), Instance("c", 1, oldestHours: 8.9)];
        Assert.Equal(["a", "b"], ModelMeshPlacement.Shortlist(Settings, instances, ModelMeshOccasion.UsedWithinDay, Now).Select(instance => instance.Name));
    }

    [Fact]
    public void A_third_copy_goes_only_when_all_is_quiet()
    {
        Assert.True(Drop());
        Assert.False(Drop(unload: 79));
        Assert.False(Drop(load: 29));
        Assert.False(Drop(heavyHours: 4.9));
        Assert.False(Drop(rpm: 1334));
        Assert.False(Drop(queued: 2));
        Assert.False(Drop(free: 0.06));

        static bool Drop(double unload = 80, double load = 30, double heavyHours = 5, long rpm = 1333, int queued = 1, double free = 0.05) =>
            ModelMeshScaling.DropFurther(
                Settings, TimeSpan.FromSeconds(unload), TimeSpan.FromMinutes(load), TimeSpan.FromHours(heavyHours), rpm, 2000, queued, free);
    }

    [Fact]
    public void Instances_too_busy_themselves_are_taken_off_twice()
    {
        var use = new ModelMeshUse(1000, TimeSpan.FromSeconds(10), 1, 0, 10, false, 2000, [], 0, [], 1, TimeSpan.Zero);
        Assert.Equal(3, ModelMeshScaling.ScaleUp(Settings, use).Add);
        Assert.Equal(1, ModelMeshScaling.ScaleUp(Settings, use with { OtherRpm = [9000, 9000, 9000, 9000] }).Add);
        Assert.Equal(3, ModelMeshScaling.ScaleUp(Settings, use with { OtherRpm = [8000, 8000, 8000, 8000] }).Add);
    }

    [Fact]
    public void A_check_that_comes_early_says_nothing() =>
        Assert.Equal(0, ModelMeshScaling.ScaleUp(Settings, new(1000, TimeSpan.FromSeconds(5.9), 1, 0, 10, false, 2000, [], 0, [], 1, TimeSpan.Zero)).Add);

    [Fact]
    public void Regular_use_earns_a_second_copy_where_the_cluster_has_room_or_a_long_memory()
    {
        Assert.False(ModelMeshScaling.SecondCopy(Settings, 1000, [900], 0.09, TimeSpan.FromHours(20)));
        Assert.True(ModelMeshScaling.SecondCopy(Settings, 1000, [900], 0.09, TimeSpan.FromHours(20.1)));
        Assert.True(ModelMeshScaling.SecondCopy(Settings, 1000, [958], 0.1, TimeSpan.Zero));
        Assert.False(ModelMeshScaling.SecondCopy(Settings, 1000, [959], 0.1, TimeSpan.Zero));
    }

    [Fact]
    public void A_limit_of_requests_at_once_makes_a_threshold_of_nine_tenths()
    {
        // 64 calls of 100 ms, 5 at once: 3,000 a minute, of which 90 %.
        Assert.Equal(2700, ModelMeshScaling.LatencyThreshold(Settings, 5, 64, TimeSpan.FromSeconds(6.4)));
        Assert.Equal(2000, ModelMeshScaling.LatencyThreshold(Settings, 5, 7, TimeSpan.FromSeconds(0.7)));
    }

    [Fact]
    public void Half_of_the_room_is_filled_ahead_with_what_was_used_last()
    {
        // (625 − 125) / 2 = 250.
        ImmutableArray<ModelMeshUnloaded> unloaded = [new("old", 100, Now.AddHours(-3)), new("new", 100, Now.AddHours(-1)), new("mid", 100, Now.AddHours(-2))];
        Assert.Equal(["new", "mid"], ModelMeshProactive.Choose([Instance("a", 625)], unloaded, Now.AddHours(-9), Now));
        // None free: 5 % of 4,000, and only what was used in the later two thirds of the cache's memory.
        ModelMeshInstance[] full = [.. Enumerable.Range(0, 4).Select(i => Instance($"{i}", 1))];
        Assert.Equal(["new", "mid"], ModelMeshProactive.Choose(full, unloaded, Now.AddHours(-4), Now));
    }

    [Fact]
    public void A_model_larger_than_the_cache_is_refused() =>
        Assert.Equal(ModelMeshRefusal.TooLarge, ModelMeshCache.Load(Settings, 100, [], 101, Now, Now).Refusal);
}
