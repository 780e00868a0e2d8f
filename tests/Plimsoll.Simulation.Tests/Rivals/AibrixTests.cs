using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Aibrix;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class AibrixTests
{
    private static readonly AibrixSettings Apa = new() { MaxReplicas = 20 };

    private static readonly AibrixProfile Profile = new(
        [5, 8], [5, 8],
        [
            new("small", 1, [[2, 1], [1, 0.5]]),
            new("large", 3, [[4, 4], [4, 4]]),
        ]);

    private static readonly Dictionary<string, int> Least = new() { ["small"] = 1, ["large"] = 0 };

    [Fact]
    public void A_schedule_replaces_the_bounds_and_may_wake_what_is_at_zero()
    {
        var seen = new AibrixObservation(RivalVector.Start, 0, [], new(3, 6));
        Assert.Equal(3, AibrixAutoscaler.Decide(Apa, AibrixState.Fresh, seen).Replicas);
        Assert.Equal(6, AibrixAutoscaler.Decide(Apa, AibrixState.Fresh, seen with { Replicas = 9 }).Replicas);
    }

    [Fact]
    public void When_every_source_fails_nothing_changes()
    {
        var seen = new AibrixObservation(RivalVector.Start, 4, [new(10, null, null), new(10, null, null)]);
        Assert.Equal(4, AibrixAutoscaler.Decide(Apa, AibrixState.Fresh, seen).Replicas);
    }

    [Fact]
    public void Each_source_is_bounded_and_the_largest_wins()
    {
        var seen = new AibrixObservation(RivalVector.Start, 4, [new(10, 20, 20), new(10, 5, 5), new(10, null, null)]);
        Assert.Equal(8, AibrixAutoscaler.Decide(Apa, AibrixState.Fresh, seen).Replicas);
    }

    [Fact]
    public void Within_a_second_the_last_value_counts_and_old_seconds_go()
    {
        var window = new AibrixWindow(TimeSpan.FromSeconds(60));
        Assert.Null(window.Mean(RivalVector.Start));
        window.Record(RivalVector.At(0), 100);
        window.Record(RivalVector.At(0.5), 10);
        window.Record(RivalVector.At(60), 20);
        Assert.Equal(15, window.Mean(RivalVector.At(60)));
        Assert.Equal(20, window.Mean(RivalVector.At(61)));
        Assert.Null(window.Mean(RivalVector.At(121)));
    }

    /// <summary>
    /// 240 requests of one size in 239 s, 1.004 a second: at 2 a second and GPU that is 50.2 hundredths of the small kind, bought as
    /// 51 at a cost of 0.51, against 26 of the large at 0.78.
    /// </summary>
    [Fact]
    public void The_optimiser_counts_in_hundredths_of_the_cheapest_kind()
    {
        var requests = Enumerable.Range(0, 240).Select(i => new AibrixRequest(RivalVector.At(i), 32, 32)).ToImmutableArray();
        var answer = AibrixOptimizer.Decide(new(), Profile, new(RivalVector.At(239), RivalVector.Start, requests, 1), null, Least);
        Assert.Equal((51, 0), (answer["small"], answer["large"]));
    }

    [Fact]
    public void The_optimiser_drops_sizes_that_are_rare_but_not_their_number()
    {
        // 9 requests of another size are too few for a cluster: their rate goes to the size that is one.
        var requests = Enumerable.Range(0, 231).Select(i => new AibrixRequest(RivalVector.At(i), 32, 32))
            .Concat(Enumerable.Range(231, 9).Select(i => new AibrixRequest(RivalVector.At(i), 256, 256))).ToImmutableArray();
        var answer = AibrixOptimizer.Decide(new(), Profile, new(RivalVector.At(239), RivalVector.Start, requests, 1), null, Least);
        Assert.Equal((51, 0), (answer["small"], answer["large"]));
    }

    [Fact]
    public void Without_requests_every_deployment_is_at_its_minimum_and_with_too_few_for_a_cluster_the_last_answer_stands()
    {
        var nothing = new AibrixOptimizerObservation(RivalVector.At(1000), RivalVector.Start, [], 0);
        var fresh = AibrixOptimizer.Decide(new(), Profile, nothing, null, Least);
        Assert.Equal((100, 0), (fresh["small"], fresh["large"]));
        var last = fresh.SetItem("small", 700);
        Assert.Equal(100, AibrixOptimizer.Decide(new(), Profile, nothing, last, Least)["small"]);
        var few = nothing with { Requests = [.. Enumerable.Range(0, 9).Select(i => new AibrixRequest(RivalVector.At(990 + i), 32, 32))] };
        Assert.Equal(700, AibrixOptimizer.Decide(new(), Profile, few, last, Least)["small"]);
        Assert.Equal(100, AibrixOptimizer.Decide(new(), Profile, few, null, Least)["small"]);
    }

    [Fact]
    public void Clusters_join_what_is_near_and_leave_out_what_is_alone()
    {
        var points = Enumerable.Repeat((1.0, 1.0), 6).Concat(Enumerable.Repeat((1.4, 1.0), 6)).Concat(Enumerable.Repeat((5.0, 5.0), 12)).Append((9.0, 9.0));
        var centres = AibrixClusters.Centres([.. points], 0.5, 10);
        Assert.Equal([12, 12], centres.Select(centre => centre.Members));
        Assert.Equal(1.2, centres[0].Output, 9);
        Assert.Equal(5.0, centres[1].Input, 9);
    }
}
