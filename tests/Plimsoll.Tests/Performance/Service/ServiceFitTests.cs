using CsCheck;

namespace Plimsoll.Tests.Performance;

public class ServiceFitTests
{
    private static readonly Slo OneSecond = new(TimeSpan.FromSeconds(1), 0.99);

    private static ServiceFit Of(params (double N, double L)[] requests)
    {
        var fit = ServiceFit.None;
        foreach (var (n, l) in requests) fit = fit.Add(new ServiceSample(1, n, l, n * n, n * l, (int)n, l));
        return fit;
    }

    [Fact]
    public void Capacity_is_littles_law_at_the_largest_batch_inside_half_the_objective()
    {
        // l = 0.1 + 0.05 n: half a second allows n = 8, so 8 / 0.5 = 16 a second.
        var fit = Of((1, 0.15), (2, 0.2), (4, 0.3), (8, 0.5));
        Assert.Equal(16, fit.CapacityPerSecond(OneSecond, 100)!.Value, 6);
    }

    [Fact]
    public void No_more_is_believed_than_twice_what_was_seen()
    {
        // The line allows n = 8, but only 2 were ever seen: n = 4 takes 0.3 s, 13.3 a second.
        Assert.Equal(4 / 0.3, Of((1, 0.15), (2, 0.2)).CapacityPerSecond(OneSecond, 100)!.Value, 6);
    }

    [Fact]
    public void Without_a_spread_of_batches_what_was_seen_is_what_is_known() =>
        Assert.Equal(5, Of((1, 0.2), (1, 0.2)).CapacityPerSecond(OneSecond, 100)!.Value, 6);

    [Fact]
    public void Before_anything_was_seen_the_capacity_is_unknown() =>
        Assert.Null(ServiceFit.None.CapacityPerSecond(OneSecond, 8));

    [Fact]
    public void A_first_interval_of_more_requests_than_are_remembered_is_learned_from()
    {
        var fit = ServiceFit.None.Add(new ServiceSample(5000, 5000, 1000, 5000, 1000, 1, 0.3)).Add(new ServiceSample(10, 10, 2, 10, 2, 1, 0.3));
        Assert.Equal(5, fit.CapacityPerSecond(OneSecond, 8)!.Value, 6);
    }

    [Fact]
    public void Garbage_changes_nothing_and_no_capacity_is_ever_negative_or_not_a_number() =>
        Gen.Select(Gen.Double, Gen.Double, Gen.Double, Gen.Double, Gen.Int[-5, 5000]).List[0, 20].Sample(samples =>
        {
            var fit = ServiceFit.None;
            foreach (var (n, l, nn, nl, count) in samples) fit = fit.Add(new ServiceSample(count, n, l, nn, nl, 3, l));
            fit = fit.Add(new ServiceSample(1, 1, 0.1, 1, 0.1, 1, 0.1));
            var capacity = fit.CapacityPerSecond(OneSecond, 8);
            return capacity is > 0 && double.IsFinite(capacity.Value);
        });

    [Fact]
    public void The_longest_request_is_remembered_where_that_is_asked_for_and_fades()
    {
        var sample = new ServiceSample(100, 100, 500, 120, 520, 2, 90);
        Assert.Equal(0, ServiceFit.None.Add(sample).LongestSeconds);
        var fit = ServiceFit.None.Add(sample, longest: true);
        Assert.Equal(90, fit.LongestSeconds);
        for (var i = 0; i < 2000; i++) fit = fit.Add(sample with { MaxLatencySeconds = 10 }, longest: true);
        Assert.InRange(fit.LongestSeconds, 10, 15);
        Assert.Equal(3600, fit.Add(sample with { MaxLatencySeconds = 1e9 }, longest: true).LongestSeconds);
        Assert.True(double.IsFinite(fit.Add(sample with { MaxLatencySeconds = double.NaN }, longest: true).LongestSeconds));
    }
}
