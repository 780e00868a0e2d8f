using System.Collections.Immutable;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Sending;

namespace Plimsoll.Cli.Tests.Load;

public sealed class LoadRecorderTests
{
    private static readonly ModelId A = ModelId.Of("a");

    [Fact]
    public void Percentiles_are_those_of_the_latencies()
    {
        var recorder = new LoadRecorder(_ => null);
        for (var ms = 1; ms <= 1000; ms++) recorder.Record(Answered(A, ms));

        var latency = Report(recorder).All.LatencyMs;

        Assert.Equal(1000, latency.Count);
        Assert.InRange(latency.P50, 499.5, 500.5);
        Assert.InRange(latency.P90, 899, 901);
        Assert.InRange(latency.P99, 989, 991);
        Assert.InRange(latency.P999, 998, 1000);
        Assert.InRange(latency.Max, 999, 1001);
    }

    [Fact]
    public void What_failed_or_was_not_sent_has_missed_the_slo()
    {
        var recorder = new LoadRecorder(_ => TimeSpan.FromMilliseconds(200));
        recorder.Record(Answered(A, 100));
        recorder.Record(Answered(A, 200));
        recorder.Record(Answered(A, 201));
        recorder.Record(Answered(A, 5) with { Failure = "HTTP 503" });
        recorder.Record(Answered(A, 0) with { IsSent = false, Failure = LoadGenerator.NotSent });

        var model = Assert.Single(Report(recorder).Models);

        Assert.Equal((5, 3, 1, 1), (model.Due, model.Succeeded, model.Failed, model.NotSent));
        Assert.Equal(0.4, model.WithinSlo);
        Assert.Equal(3, model.LatencyMs.Count);
        Assert.Equal(1, model.Failures["HTTP 503"]);
    }

    [Fact]
    public void Held_requests_are_counted_with_the_longest()
    {
        var recorder = new LoadRecorder(_ => null);
        recorder.Record(Answered(A, 100) with { Held = TimeSpan.FromMilliseconds(90) });
        recorder.Record(Answered(A, 300) with { Held = TimeSpan.FromMilliseconds(290.5) });
        recorder.Record(Answered(A, 5) with { Held = TimeSpan.Zero });

        var model = Assert.Single(Report(recorder).Models);

        Assert.Equal((2, 290.5), (model.Held, model.LongestHeldMs));
    }

    [Fact]
    public void A_run_without_an_answer_has_no_percentiles_and_no_slo_share()
    {
        var report = Report(new LoadRecorder(_ => TimeSpan.FromSeconds(1)));

        Assert.Equal(new Percentiles(0, 0, 0, 0, 0, 0), report.All.LatencyMs);
        Assert.Null(report.All.WithinSlo);
    }

    [Fact]
    public void The_table_fits_eighty_columns_and_says_what_went_wrong()
    {
        var recorder = new LoadRecorder(_ => TimeSpan.FromMilliseconds(200));
        var longName = ModelId.Of("a-model-with-quite-a-long-name");
        for (var i = 0; i < 1000; i++) recorder.Record(Answered(longName, 12.345 + i));
        recorder.Record(Answered(ModelId.Of("b"), 63_000) with { Held = TimeSpan.FromSeconds(62) });
        recorder.Record(Answered(ModelId.Of("b"), 5) with { Failure = "HTTP 503" });
        recorder.Record(Answered(ModelId.Of("b"), 0) with { IsSent = false, Failure = LoadGenerator.NotSent });

        var lines = LoadTable.Lines(Report(recorder, TimeSpan.FromMilliseconds(200))).ToList();

        Assert.Equal("model               due      ok  failed     p50     p90     p99     max in 200ms", lines[0]);
        Assert.Equal("a-model-with-~     1000    1000       0   511ms   911ms    1.0s   1.01s   18.80%", lines[1]);
        Assert.Equal("b                     3       1       1   63.0s   63.0s   63.0s   63.0s    0.00%", lines[2]);
        Assert.Contains("b: 1 held while it loaded, the longest 62.0s.", lines);
        Assert.Contains("b: 1 x HTTP 503.", lines);
        Assert.Contains(lines, line => line.Contains("1 not sent", StringComparison.Ordinal));
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
    }

    private static LoadReport Report(LoadRecorder recorder, TimeSpan? slo = null) =>
        recorder.Report("http://127.0.0.1:8080/", 1, TimeSpan.FromSeconds(10), slo, ImmutableArray<string>.Empty);

    private static RequestResult Answered(ModelId model, double ms) => new()
    {
        Request = new ScheduledRequest(TimeSpan.Zero, model, 8),
        IsSent = true,
        Latency = TimeSpan.FromMilliseconds(ms),
        Lag = TimeSpan.FromMilliseconds(0.2),
    };
}
