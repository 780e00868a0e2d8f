using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Traces;

public sealed class RequestTraceTests
{
    [Theory]
    [InlineData(new[] { 0.0, 1 }, new[] { 1 }, new[] { 1, 1 }, 2, "every request needs")]
    [InlineData(new[] { 1.0, 0.5 }, new[] { 1, 1 }, new[] { 1, 1 }, 2, "request 1 arrives at 0.5 s")]
    [InlineData(new[] { 0.0, double.NaN }, new[] { 1, 1 }, new[] { 1, 1 }, 2, "request 1 arrives at NaN s")]
    [InlineData(new[] { 0.0, 1 }, new[] { 1, 0 }, new[] { 1, 1 }, 2, "request 1 has 0 tokens")]
    [InlineData(new[] { 0.0, 1 }, new[] { 1, 1 }, new[] { 1, 1 }, 0.5, "before the last arrival")]
    public void A_trace_that_makes_no_sense_is_refused(double[] arrivals, int[] prompts, int[] answers, double length, string why) =>
        Assert.Contains(why, Assert.Throws<ArgumentException>(() => new RequestTrace(arrivals, prompts, answers, length)).Message, StringComparison.Ordinal);

    [Fact]
    public void Its_rate_counts_the_silence_at_its_end() => Assert.Equal(0.5, new RequestTrace([0, 1], [1, 1], [1, 1], 4).PerSecond);
}
