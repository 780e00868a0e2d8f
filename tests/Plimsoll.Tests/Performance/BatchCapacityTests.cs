using CsCheck;

namespace Plimsoll.Tests.Performance;

public sealed class BatchCapacityTests
{
    private static readonly Gen<BatchProfile> Profiles =
        Gen.Select(Gen.Int[0, 7], Gen.Double[0.001, 0.3], Gen.Double[0, 1], Gen.Double[0.6, 1]).Select((powers, alone, each, bend) => BatchProfile.Of(
            Enumerable.Range(0, powers + 1).Select(power => 1 << power).Select(size => new BatchTime(size, alone * (1 - each + (each * Math.Pow(size, bend)))))).Profile!);

    private static BatchProfile Profile(params (int Batch, double Seconds)[] rows) =>
        BatchProfile.Of(rows.Select(row => new BatchTime(row.Batch, row.Seconds))).Profile!;

    [Fact]
    public void Times_are_linear_between_measurements_and_never_fall()
    {
        var profile = Profile((32, 0.080), (1, 0.010), (8, 0.008), (16, 0.040));
        Assert.Equal([0.010, 0.010, 0.040, 0.080], profile.Times.Select(row => row.Seconds));
        Assert.Equal((0.010, 0.025, 0.060, 0.080), (profile.Seconds(0.2), profile.Seconds(12), profile.Seconds(24), profile.Seconds(500)));
        Assert.Equal(24, profile.LargestWithin(0.060), 1e-9);
        Assert.Equal((1, 32), (profile.LargestWithin(0.001), profile.LargestWithin(9)));
        Assert.Equal(800, profile.MostPerSecond(8, double.PositiveInfinity), 1e-9);
        Assert.Equal((0.030, 0.030), (Profile((1, 0.010)).Slower(3).Seconds(1), Profile((4, 0.030)).Seconds(2)));
    }

    [Theory]
    [InlineData(1, 0.0, "found 0 s for a batch of 1; more than 0 and at most an hour would do")]
    [InlineData(1, double.NaN, "found NaN s for a batch of 1; more than 0 and at most an hour would do")]
    [InlineData(0, 0.1, "found a batch of 0; 1 to 100000 would do")]
    [InlineData(7, 0.1, "found two times for a batch of 7; one would do")]
    public void What_cannot_be_a_profile_is_named(int batch, double seconds, string problem) =>
        Assert.Equal((null, problem), BatchProfile.Of([new(7, 0.2), new(batch, seconds)]));

    [Fact]
    public void No_measurement_and_too_many_are_none() =>
        Assert.All([BatchProfile.Of([]), BatchProfile.Of(Enumerable.Range(1, 65).Select(size => new BatchTime(size, 1)))], read => Assert.Contains("; 1 to 64 would do", read.Problem, StringComparison.Ordinal));

    [Fact]
    public void One_at_a_time_the_mean_is_that_of_a_queue_with_one_server()
    {
        // M/D/1: the wait is ρ/(2(1−ρ)) of a service time (Pollaczek and Khinchine).
        var queue = new BatchCapacity(Profile((1, 0.01)), 2);
        foreach (var load in (ReadOnlySpan<double>)[0.2, 0.5, 0.8, 0.9])
            Assert.Equal(0.01 * (1 + (load / (2 * (1 - load)))), queue.Late(100 * load, 0.05)!.Value.Mean, 0.0001);
        Assert.Null(queue.Late(100, 0.05));
    }

    [Theory]
    [InlineData(1, 0.95, 2.5)]
    [InlineData(1, 0.99, 6)]
    [InlineData(2, 0.95, 4)]
    [InlineData(4, 0.9, 3)]
    [InlineData(8, 0.95, 6)]
    public void It_is_near_what_a_simulation_of_the_same_carries(int replicas, double share, double times)
    {
        var profile = Profile((1, 0.010), (4, 0.016), (16, 0.040), (64, 0.140));
        var limit = times * profile.Seconds(1);
        var carried = new BatchCapacity(profile, 128).PerSecond(replicas, share, limit);
        Assert.InRange(Simulated(profile, replicas, carried * 0.9, limit), share, 1);
        Assert.InRange(Simulated(profile, replicas, carried * (replicas == 1 ? 1.06 : 1.2), limit), 0, share);
    }

    [Fact]
    public void Slower_batches_shorter_limits_and_stricter_shares_never_carry_more_and_more_replicas_never_less_each() =>
        Gen.Select(Profiles, Gen.Double[1.02, 15], Gen.Double[0.5, 0.999], Gen.Int[1, 20], Gen.Double[1, 3]).Sample((profile, times, share, replicas, more) =>
        {
            var (queue, limit) = (new BatchCapacity(profile, 2 * profile.BatchMax), times * profile.Seconds(1));
            var carried = queue.PerSecond(replicas, share, limit);
            Assert.True(double.IsFinite(carried) && carried > 0 && carried <= replicas * queue.MostPerSecond * 1.0001, $"{carried}");

            // A search ends within a thousandth, and the grid that states are counted on changes with the limit.
            Assert.True(queue.PerSecond(replicas + 1, share, limit) / (replicas + 1) >= carried / replicas * 0.999);
            Assert.True(queue.PerSecond(replicas, share, limit * more) >= carried * 0.98, "more time");
            Assert.True(queue.PerSecond(replicas, 1 - ((1 - share) / more), limit) <= carried * 1.003, "a stricter share");
            Assert.True(new BatchCapacity(profile.Slower(more), 2 * profile.BatchMax).PerSecond(replicas, share, limit) <= carried * 1.02, "slower");
        }, iter: 100);

    [Fact]
    public void Of_a_request_that_is_late_alone_none_is_carried_and_a_prior_serves_what_it_can()
    {
        var profile = Profile((1, 0.2), (8, 0.3));
        Assert.Equal(0, new BatchCapacity(profile, 16).PerSecond(3, 0.9, 0.1));
        var prior = ServicePriors.Of(profile, 16, new Slo(TimeSpan.FromSeconds(0.1), 0.9));
        Assert.False(prior.Keeps(1, 0, 0));
        Assert.InRange(prior.CapacityPerSecond(1, 0, 0), 15, 27);
    }

    [Fact]
    public void A_prior_carries_what_the_queue_does_at_any_pace_and_whatever_tokens_are_counted()
    {
        var profile = Profile((1, 0.010), (4, 0.016), (16, 0.040));
        var slo = new Slo(TimeSpan.FromMilliseconds(60), 0.95);
        var prior = ServicePriors.Of(profile, 32, slo);
        var queue = new BatchCapacity(profile, 32);
        Assert.Equal(queue.PerSecond(1, 0.95, 0.060), prior.CapacityPerSecond(1, 700, 90), queue.MostPerSecond * 0.001);

        // Of four and of sixteen it is computed, of those between read off.
        Assert.Equal(queue.PerSecond(16, 0.95, 0.060) / 16, prior.CapacityPerSecond(1, 1, 1, 16), queue.MostPerSecond * 0.001);
        Assert.Equal(queue.PerSecond(8, 0.95, 0.060) / 8, prior.CapacityPerSecond(1, 1, 1, 8), queue.MostPerSecond * 0.01);
        var slower = new BatchCapacity(profile.Slower(1.3), 32).PerSecond(1, 0.95, 0.060);
        Assert.InRange(prior.CapacityPerSecond(1.3, 0, 0), slower * 0.9, slower * 1.1);

        // The first of an answer is all of it.
        Assert.Equal(prior.CapacityPerSecond(1, 0, 0), ServicePriors.Of(profile, 32, new Slo(TimeSpan.FromSeconds(5), 0.95) { TimeToFirstToken = TimeSpan.FromMilliseconds(60) }).CapacityPerSecond(1, 0, 0));

        // A replica that takes no more than four at once computes two and lets two wait.
        Assert.True(ServicePriors.Of(profile, 4, slo).MostPerSecond < prior.MostPerSecond / 2);
    }

    [Fact]
    public void The_pace_of_replicas_that_take_longer_than_their_profile_is_learned_from_the_times_of_requests()
    {
        var profile = Profile((1, 0.010), (4, 0.016), (16, 0.040), (64, 0.140));
        var prior = ServicePriors.Of(profile, 128, new Slo(TimeSpan.FromMilliseconds(100), 0.95));
        foreach (var load in (ReadOnlySpan<double>)[0.2, 0.5, 0.8])
        {
            var log = Run(profile.Slower(1.5), 1, load * prior.MostPerSecond / 1.5);
            var mean = Enumerable.Range(0, log.Count).Average(log.EndToEnd);
            var inReplica = 1 + (load * prior.MostPerSecond / 1.5 * mean);
            var sample = new ServiceSample(log.Count, log.Count * inReplica, log.Count * mean, log.Count * inReplica * inReplica, log.Count * inReplica * mean, (int)(2 * inReplica), 1);
            var pace = Slowness.Predicted(prior.LogSpread, DateTimeOffset.UnixEpoch);
            for (var i = 1; i < 30; i++) pace = pace.Learn(prior, sample, (0, 0), DateTimeOffset.UnixEpoch + TimeSpan.FromMinutes(i));
            Assert.InRange(pace.Factor, 1.35, 1.65);
        }
    }

    private static double Simulated(BatchProfile profile, int replicas, double rate, double limit)
    {
        var log = Run(profile, replicas, rate);
        return Enumerable.Range(0, log.Count).Count(request => log.EndToEnd(request) <= limit) / (double)log.Count;
    }

    private static RequestLog Run(BatchProfile profile, int replicas, double rate)
    {
        var random = new Random(7);
        double now = 0;
        var arrivals = Enumerable.Range(0, 30_000).Select(_ => now -= Math.Log(1 - random.NextDouble()) / rate).ToArray();
        var ones = Enumerable.Repeat(1, arrivals.Length).ToArray();
        var log = new RequestLog(arrivals, ones, ones);
        BatchGroup.Run(profile, replicas, log);
        return log;
    }
}
