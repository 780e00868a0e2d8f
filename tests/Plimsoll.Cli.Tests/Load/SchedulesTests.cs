using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Traces;

namespace Plimsoll.Cli.Tests.Load;

public sealed class SchedulesTests
{
    private static readonly ModelId Small = ModelId.Of("small");

    [Fact]
    public void Poisson_arrivals_have_their_rate_and_an_exponential_spread()
    {
        var schedule = Schedules.Poisson(Small, 50, TimeSpan.FromSeconds(1000), 8, seed: 1).ToList();
        var gaps = schedule.Zip(schedule.Skip(1), (a, b) => (b.At - a.At).TotalSeconds).ToList();
        var mean = gaps.Average();

        Assert.InRange(schedule.Count, 49_000, 51_000);
        Assert.InRange(gaps.Average(gap => gap * gap) / (mean * mean), 1.95, 2.05); // second moment of an exponential: 2 mean²
        Assert.All(schedule, request => Assert.Equal(8, request.SequenceLength));
    }

    [Fact]
    public void The_same_seed_gives_the_same_schedule()
    {
        Assert.Equal(
            Schedules.Poisson(Small, 50, TimeSpan.FromSeconds(10), 8, seed: 5),
            Schedules.Poisson(Small, 50, TimeSpan.FromSeconds(10), 8, seed: 5));
        Assert.NotEqual(
            Schedules.Poisson(Small, 50, TimeSpan.FromSeconds(10), 8, seed: 5),
            Schedules.Poisson(Small, 50, TimeSpan.FromSeconds(10), 8, seed: 6));
    }

    [Fact]
    public void A_replayed_trace_is_faster_by_the_speed_up_and_sizes_are_cut_to_the_cap()
    {
        TraceRequest[] trace = [new(TimeSpan.Zero, null, 0), new(TimeSpan.FromSeconds(30), null, 100), new(TimeSpan.FromSeconds(60), null, 4808)];

        var schedule = Schedules.Replay(trace, (_, _) => Small, 15, 1, 512, TimeSpan.MaxValue, 1);

        Assert.Equal(
            [new(TimeSpan.Zero, Small, 1), new(TimeSpan.FromSeconds(2), Small, 100), new(TimeSpan.FromSeconds(4), Small, 512)],
            schedule);
    }

    [Fact]
    public void A_duration_cuts_the_replay_in_real_time()
    {
        TraceRequest[] trace = [new(TimeSpan.Zero, null, 1), new(TimeSpan.FromSeconds(30), null, 2), new(TimeSpan.FromSeconds(60), null, 3)];

        var schedule = Schedules.Replay(trace, (_, _) => Small, 15, 1, 512, TimeSpan.FromSeconds(4), 1);

        Assert.Equal([1, 2], schedule.Select(request => request.SequenceLength));
    }

    [Fact]
    public void Thinning_keeps_one_in_k_the_same_ones_for_a_seed_and_keeps_bursts_bursts()
    {
        // 500 bursts of 40 requests, a minute apart: 1 in 4 keeps about 10 of each.
        var trace = Enumerable.Range(0, 20_000).Select(n => new TraceRequest(TimeSpan.FromSeconds(n / 40 * 60), null, 1)).ToList();

        var kept = Thin(1);

        Assert.InRange(kept.Count, 4_800, 5_200);
        Assert.Equal(kept, Thin(1));
        Assert.NotEqual(kept, Thin(2));
        Assert.InRange(kept.GroupBy(request => request.At).Count(), 499, 500);

        List<ScheduledRequest> Thin(ulong seed) =>
            [.. Schedules.Replay(trace, (_, _) => Small, 1, 4, 8, TimeSpan.MaxValue, seed)];
    }

    [Fact]
    public void Merged_schedules_are_in_the_order_of_time_and_ties_go_to_the_first()
    {
        ScheduledRequest[] first = [At(1, "a"), At(3, "a"), At(5, "a")];
        ScheduledRequest[] second = [At(0, "b"), At(3, "b"), At(9, "b")];

        var merged = Schedules.Merge([first, second, []]).Select(request => $"{request.At.TotalSeconds}{request.Model}");

        Assert.Equal(["0b", "1a", "3a", "3b", "5a", "9b"], merged);

        static ScheduledRequest At(double seconds, string model) => new(TimeSpan.FromSeconds(seconds), ModelId.Of(model), 1);
    }
}
