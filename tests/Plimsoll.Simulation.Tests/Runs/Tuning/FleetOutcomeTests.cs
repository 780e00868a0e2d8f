using System.Collections.Immutable;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Tuning;

namespace Plimsoll.Simulation.Tests.Runs.Tuning;

public sealed class FleetOutcomeTests
{
    private static readonly ImmutableArray<WantedShare> Wanted = [new("busy", [ModelId.Of("busy")], 0.99), new("rare", [ModelId.Of("rare")], 0.9)];

    // 990 of 1,000 and 90 of 100 would do: three and ten are missing.
    private static readonly FleetOutcome AsItIs = Of((10, 987, 80), (12, 987, 80));

    [Fact]
    public void Requests_are_missing_by_what_each_model_is_to_have_and_not_by_what_another_has_too_many_of() =>
        Assert.Equal(13 / 1100.0, AsItIs.Missing, 9);

    [Fact]
    public void Cheaper_is_better_where_what_is_wanted_holds_as_before() =>
        Assert.True(Of((9, 987, 80), (11, 987, 80)).IsSurelyBetterThan(AsItIs));

    [Fact]
    public void A_model_does_not_pay_for_the_others() =>
        // Of 200 requests to the rare one 160 were in time; 12 more or less would be chance (twice the root of 41), 20 are not.
        Assert.False(Of((5, 995, 70), (5, 995, 70)).IsBetterThan(AsItIs, AsItIs));

    [Fact]
    public void What_is_wanted_goes_before_what_it_costs_and_more_than_that_is_worth_nothing()
    {
        var enough = Of((20, 990, 90), (20, 990, 90));
        Assert.True(enough.IsBetterThan(AsItIs, AsItIs));
        Assert.False(Of((21, 1000, 100), (21, 1000, 100)).IsBetterThan(enough, AsItIs));
        Assert.True(Of((19, 990, 90), (19, 990, 90)).IsBetterThan(enough, AsItIs));
    }

    [Fact]
    public void What_is_cheaper_with_one_seed_and_dearer_with_another_is_chance() =>
        Assert.False(Of((5, 987, 80), (13, 987, 80)).IsSurelyBetterThan(AsItIs));

    private static FleetOutcome Of(params ReadOnlySpan<(double Dollars, long Busy, long Rare)> seeds)
    {
        var runs = new List<RunResult>();
        foreach (var (dollars, busy, rare) in seeds)
        {
            runs.Add(new RunResult
            {
                Controller = "plimsoll",
                Seed = runs.Count + 1,
                Turns = 1,
                Models = [Model("busy", 1000, busy), Model("rare", 100, rare)],
                Unit = CostUnit.Dollars,
                Dollars = dollars,
                NodeHours = ImmutableSortedDictionary<string, double>.Empty,
                NodeDollars = dollars,
                OutOfMemory = 0,
            });
        }

        return FleetOutcome.Of(Wanted, runs, CostUnit.Dollars);
    }

    private static ModelResult Model(string name, long requests, long within) => new()
    {
        Model = ModelId.Of(name),
        Weights = new Bytes(1),
        Requests = requests,
        WithinSlo = within,
        Late = requests - within,
        Rejected = 0,
        Failed = 0,
        Unfinished = 0,
        Seconds = null,
        DeviceHours = 0,
        Dollars = 0,
        Starts = 0,
    };
}
