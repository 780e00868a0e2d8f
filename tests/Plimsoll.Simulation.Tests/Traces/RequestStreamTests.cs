using CsCheck;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Traces;

public sealed class RequestStreamTests
{
    private static readonly TokenLengths Lengths = new TokenLengths.LogNormal(1200, 0.9, 220, 0.9);

    [Fact]
    public void A_trace_in_groups_has_all_its_requests_and_their_tokens_in_order()
    {
        var gen = from seed in Gen.Int[1, 1_000_000]
                  from rate in Gen.Double[0.01, 400]
                  from groups in Gen.Int[1, 100]
                  select (seed, rate, groups);
        gen.Sample(one =>
        {
            var trace = SyntheticTraffic.Of(RateCurve.Wave(0, one.rate, 20, 30), Lengths, 1.5, new Random(one.seed));
            var all = All(new TraceStream(trace, one.groups));
            Assert.Equal(trace.Count, all.Sum(group => (long)group.Count));
            Assert.All(all, group => Assert.InRange(group.At, 0, 30));
            Assert.All(all.Zip(all.Skip(1)), pair => Assert.True(pair.First.At <= pair.Second.At));
            Assert.All(all.CountBy(group => Math.Floor(group.At)), second => Assert.InRange(second.Value, 1, one.groups));

            // Each second has the trace's tokens, but for rounding to whole ones.
            foreach (var second in all.GroupBy(group => Math.Floor(group.At)))
            {
                var there = Enumerable.Range(0, trace.Count).Where(request => Math.Floor(trace.Arrivals[request]) == second.Key).ToList();
                Assert.Equal(there.Count, second.Sum(group => group.Count));
                Assert.InRange(second.Sum(group => (double)group.Count * group.Prompt) - there.Sum(request => (double)trace.Prompts[request]), -there.Count, there.Count);
                Assert.InRange(second.Sum(group => (double)group.Count * group.Answer) - there.Sum(request => (double)trace.Answers[request]), -there.Count, there.Count);
            }
        }, iter: 200);
    }

    [Fact]
    public void Requests_that_come_seldom_are_the_same_that_a_trace_of_the_same_draws_has()
    {
        var curve = RateCurve.Wave(0, 20, 40, 100);
        var trace = SyntheticTraffic.Of(curve, Lengths, 2, Seeds.Of(3, "traffic"));
        var drawn = All(new DrawnTraffic(curve, _ => Lengths, 2, 3, "traffic").Stream(1000));
        Assert.Equal(trace.Arrivals, drawn.Select(group => group.At));
        Assert.Equal(trace.Prompts, drawn.Select(group => group.Prompt));
        Assert.All(drawn, group => Assert.Equal(1, group.Count));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Of_many_requests_as_many_come_as_of_single_ones_and_as_evenly(double variation)
    {
        // In the first half each comes by itself, in the second in groups.
        var curve = new RateCurve([0, 4000], [30, 3000], 8000);
        var all = All(new DrawnTraffic(curve, _ => Lengths, variation, 1, "traffic").Stream(40));
        Assert.All(all.Where(group => group.At < 4000), group => Assert.Equal(1, group.Count));
        Assert.InRange(all.Count(group => group.At >= 4000), 39.9 * 4000, 40 * 4000);
        foreach (var (from, rate) in ((double, double)[])[(0, 30), (4000, 3000)])
        {
            var counts = Enumerable.Range((int)from, 4000).ToDictionary(second => second, _ => 0.0);
            foreach (var group in all.Where(group => group.At >= from && group.At < from + 4000)) counts[(int)group.At] += group.Count;
            var mean = counts.Values.Average();
            var variance = counts.Values.Sum(count => (count - mean) * (count - mean)) / 4000;
            Assert.InRange(mean / rate, 0.98, 1.02);
            Assert.InRange(variance / (variation * variation * rate), 0.85, 1.15);
        }

        Assert.InRange(all.Sum(group => (double)group.Count * group.Prompt) / all.Sum(group => (double)group.Count), 1150, 1250);
    }

    [Fact]
    public void Streams_become_one_in_order()
    {
        IRequestStream Stream(params double[] at) => new TraceStream(new RequestTrace(at, [.. at.Select(_ => 1)], [.. at.Select(_ => 1)], 100), 10);
        Assert.Equal([1, 2, 3, 3, 50], All(new MergedStream(Stream(2, 3), Stream(), Stream(1, 3, 50))).Select(group => group.At));
        Assert.Empty(All(new MergedStream()));
    }

    private static List<RequestGroup> All(IRequestStream stream)
    {
        var all = new List<RequestGroup>();
        while (stream.TryNext(out var group)) all.Add(group);
        return all;
    }
}
