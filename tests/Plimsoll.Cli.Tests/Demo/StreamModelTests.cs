using Plimsoll.Cli.Demo.Traffic;
using Plimsoll.Cli.Load.Traces;

namespace Plimsoll.Cli.Tests.Demo;

public sealed class StreamModelTests
{
    private static readonly TimeSpan Half = TimeSpan.FromMinutes(30);

    public static TheoryData<string> Streams => ["code", "conv"];

    [Theory]
    [MemberData(nameof(Streams))]
    public void A_made_up_stream_has_the_rate_the_burstiness_and_the_lengths_it_was_fitted_to(string name)
    {
        var stream = TrafficFitFile.Embedded.Streams.Single(one => one.Model.Name == name);
        var made = Enumerable.Range(1, 40)
            .Select(seed => StreamMoments.Of(stream.Model.Requests((ulong)seed), TimeSpan.Zero, Half)).ToList();
        var measured = stream.FittedOn;

        // Medians over forty half hours; the bounds are the fit's known error, not noise: see docs/demo.md.
        AssertWithin(0.10, measured.PerSecond, Median(one => one.PerSecond));
        AssertWithin(0.10, measured.GapCv, Median(one => one.GapCv));
        AssertWithin(0.30, measured.Dispersion10, Median(one => one.Dispersion10));
        AssertWithin(0.45, measured.Dispersion60, Median(one => one.Dispersion60));
        Assert.InRange(Median(one => one.Empty10), measured.Empty10 - 0.05, measured.Empty10 + 0.05);
        AssertWithin(0.08, measured.TokensMean, Median(one => one.TokensMean));
        AssertWithin(0.05, measured.Tokens50, Median(one => one.Tokens50));
        AssertWithin(0.05, measured.Tokens90, Median(one => one.Tokens90));

        double Median(Func<StreamMoments, double> of) => QuantileTable.QuantileOf([.. made.Select(of).Order()], 0.5);

        static void AssertWithin(double share, double expected, double actual) =>
            Assert.InRange(actual, expected * (1 - share), expected * (1 + share));
    }

    [Fact]
    public void The_two_streams_are_of_two_kinds_bursts_with_silences_and_a_drift()
    {
        var (code, conv) = (TrafficFitFile.Embedded.Stream("code"), TrafficFitFile.Embedded.Stream("conv"));

        Assert.NotNull(code.Silences);
        Assert.Null(conv.Silences);
        Assert.True(TrafficFitFile.Embedded.Streams[0].FittedOn.GapCv > 10);
        Assert.Equal("CC-BY-4.0", TrafficFitFile.Embedded.Licence[..9]);
    }

    [Theory]
    [MemberData(nameof(Streams))]
    public void The_same_seed_gives_the_same_requests_in_the_order_of_time(string name)
    {
        var model = TrafficFitFile.Embedded.Stream(name);

        var requests = model.Requests(11).Take(5000).ToList();

        Assert.Equal(requests, model.Requests(11).Take(5000));
        Assert.NotEqual(requests, model.Requests(12).Take(5000));
        Assert.All(requests.Zip(requests.Skip(1)), pair => Assert.True(pair.First.At <= pair.Second.At));
        Assert.All(requests, request => Assert.InRange(request.Tokens, 1, 20_000));
    }

    [Fact]
    public void Quantiles_between_two_levels_are_geometric_and_the_ends_are_the_ends()
    {
        var table = QuantileTable.Of(Enumerable.Range(1, 1000).Select(n => (double)n));

        Assert.Equal(1, table.At(0));
        Assert.Equal(1000, table.At(1));
        Assert.Equal(500, table.At(0.5));
        Assert.Equal(750, table.At(0.75));
        // Half way between the median's 500 and the third quartile's 750: sqrt(500 * 750).
        Assert.Equal(612.37, table.At(0.625), 2);
    }

    [Fact]
    public void Moments_are_those_of_a_stream_counted_by_hand()
    {
        // 4 requests in 120 s: at 0, 1, 2 and 11 s; gaps 1, 1, 9; counts of 10 s: 3, 1 and ten zeros.
        TraceRequest[] requests = [At(0, 10), At(1, 20), At(2, 30), At(11, 40)];

        var moments = StreamMoments.Of(requests, TimeSpan.Zero, TimeSpan.FromSeconds(120));

        Assert.Equal(0.0333, moments.PerSecond);
        Assert.Equal(1.0285, moments.GapCv); // mean 11/3, variance 128/9: sqrt(128)/11
        Assert.Equal(2.1667, moments.Dispersion10); // mean 1/3, variance 10/12 - 1/9 = 13/18
        Assert.Equal(2, moments.Dispersion60); // counts 4 and 0: mean 2, variance 4
        Assert.Equal(0.8333, moments.Empty10);
        Assert.Equal((25, 20, 40), (moments.TokensMean, moments.Tokens50, moments.Tokens90));

        static TraceRequest At(double seconds, int tokens) => new(TimeSpan.FromSeconds(seconds), null, tokens);
    }

    [Fact]
    public void A_fit_finds_back_what_a_stream_was_made_of()
    {
        var made = TrafficFitFile.Embedded.Stream("code");

        var found = StreamFit.Fit("code", made.Requests(5), TimeSpan.FromHours(20));

        Assert.InRange(found.BurstPerSecond, made.BurstPerSecond * 0.9, made.BurstPerSecond * 1.1);
        Assert.InRange(found.Silences!.At(0.5), made.Silences!.At(0.5) * 0.7, made.Silences.At(0.5) * 1.3);
        Assert.InRange(found.BurstSizes!.At(0.5), made.BurstSizes!.At(0.5) * 0.7, made.BurstSizes.At(0.5) * 1.3);
        Assert.InRange(found.ContextTokens.At(0.5), made.ContextTokens.At(0.5) * 0.97, made.ContextTokens.At(0.5) * 1.03);
    }

    [Theory]
    [MemberData(nameof(Streams))]
    public void The_committed_numbers_are_what_the_fit_gives_on_the_published_trace(string name)
    {
        var file = RealTraces.FileOrSkip(name);
        var embedded = TrafficFitFile.Embedded.Streams.Single(one => one.Model.Name == name);
        var requests = TraceReader.Read(file).ToList();

        var found = StreamFit.Fit(name, requests, Half);

        Assert.Equal(embedded.Model.GapShape, found.GapShape);
        Assert.Equal(embedded.Model.RateSigma, found.RateSigma);
        Assert.Equal(embedded.Model.ContextTokens.Values, found.ContextTokens.Values);
        Assert.Equal(embedded.CheckedOn, StreamMoments.Of(requests, Half, requests[^1].At));
    }
}
