using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Traces;

public sealed class RateFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-rates-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Of(string text)
    {
        var path = Path.Combine(_folder, "rates.csv");
        File.WriteAllText(path, text);
        return path;
    }

    [Fact]
    public void A_rate_holds_until_the_next_and_the_last_as_long_as_the_one_before()
    {
        var rates = RateFile.Read(Of("seconds,requests_per_second\n0,2\n60,0\n120,5.5\n"));
        Assert.Equal((180, 450), (rates.Curve.Length, rates.Curve.Expected));
        Assert.Equal((2, 0, 5.5, 0), (rates.Curve.At(59), rates.Curve.At(60), rates.Curve.At(179), rates.Curve.At(180)));
        Assert.Null(rates.TokensAt(10));
    }

    [Fact]
    public void Lengths_are_of_their_step_and_unknown_where_none_are_told()
    {
        var rates = RateFile.Read(Of("seconds,requests_per_second,prompt_tokens,answer_tokens\r\n0,2,900,120\r\n60,2,,\r\n120,2,0,40\r\n180,1,100.5,7\r\n"));
        Assert.Equal((900, 120), rates.TokensAt(59.9));
        Assert.Null(rates.TokensAt(60));
        Assert.Null(rates.TokensAt(150));
        Assert.Equal((100.5, 7), rates.TokensAt(1e6));
    }

    [Theory]
    [InlineData("seconds,rps\n", ":1: the header is 'seconds,rps'; expected 'seconds,requests_per_second'")]
    [InlineData("seconds,requests_per_second\n5,1\n", ":2: seconds is 5; the first row's must be 0")]
    [InlineData("seconds,requests_per_second\n0,1\n60,-1\n", ":3: requests_per_second is '-1'")]
    [InlineData("seconds,requests_per_second\n0,1\n0,1\n", ":3: is not later than the row before it")]
    [InlineData("seconds,requests_per_second\n0,1\n", "has 1 rows with a rate; two at the least")]
    [InlineData("seconds,requests_per_second,prompt_tokens,answer_tokens\n0,1,1e8,1\n60,1,1,1\n", ":2: prompt_tokens is 1e8; at most 10000000")]
    public void What_is_no_rate_is_said_with_its_line(string text, string problem) =>
        Assert.Contains(problem, Assert.Throws<TraceException>(() => RateFile.Read(Of(text))).Message, StringComparison.Ordinal);

    [Fact]
    public void Requests_made_of_it_have_its_rates_and_lengths()
    {
        var rates = RateFile.Read(Of("seconds,requests_per_second,prompt_tokens,answer_tokens\n0,10,1000,100\n1000,30,200,50\n"));
        TokenLengths usual = new TokenLengths.LogNormal(1, 0.5, 1, 0.5);
        var trace = SyntheticTraffic.Of(rates.Curve, second => rates.TokensAt(second) is { } told ? usual.WithMeans(told.Prompt, told.Answer) : usual, 1, new Random(1));
        var half = trace.Arrivals.Count(at => at < 1000);
        Assert.InRange(half, 9_700, 10_300);
        Assert.InRange(trace.Count - half, 29_500, 30_500);
        Assert.InRange(trace.Prompts.Take(half).Average(), 970, 1030);
        Assert.InRange(trace.Answers.Skip(half).Average(), 48.5, 51.5);
    }
}
