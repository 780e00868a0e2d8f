using System.Globalization;
using System.Text;

namespace Plimsoll.Prediction.Loads;

/// <summary>The tables of streams: ours and the rivals', set by set.</summary>
internal static class StreamTables
{
    public const string Header =
        "| loads | n | | median error % | p90 covers % (95 % interval) | loads 2 to 5: p90 covers % | pinball p50 | pinball p90 |\n| --- | ---: | --- | ---: | --- | ---: | ---: | ---: |\n";

    private const double MedianErrorMax = 0.10;
    private const double CoverageLeast = 0.87;
    private const double CoverageMost = 0.93;

    /// <summary>The rivals' rows too; the best loss of each column is bold. Gives what was aimed at and not met.</summary>
    public static IEnumerable<string> Write(StringBuilder text, string name, IReadOnlyList<LoadStream> streams, Func<LoadStream, double> nominalSeconds, string nominal)
    {
        (string Name, Func<LoadStream, Forecaster> Of)[] all =
        [
            ("**ours**", stream => new OurForecaster(stream.Size)),
            (nominal, stream => new Nominal(nominalSeconds(stream))),
            ("last load", _ => new LastLoad()),
            ("mean of five", _ => new MovingAverage()),
            ("running p90 (and p50), all", _ => new RunningQuantile(int.MaxValue)),
            ("running p90 (and p50), last 20", _ => new RunningQuantile(20)),
            // To compare with; it was no rival to beat.
            ("former rule", _ => new FormerRule()),
        ];
        var judged = all.Select(one => StreamJudge.Of(streams, one.Of)).ToArray();
        var (bestMedian, bestP90) = (judged.Min(one => one.MedianLoss / one.Count), judged.Min(one => one.P90Loss / one.Count));
        for (var i = 0; i < all.Length; i++)
        {
            var judge = judged[i];
            var (from, to) = StreamJudge.Interval(judge.Covered, judge.Count);
            text.Append(CultureInfo.InvariantCulture, $"| {(i == 0 ? name : "")} | {(i == 0 ? judge.Count : "")} | {all[i].Name} | {100 * judge.MedianError:F1} | {Share(judge.Covered, judge.Count)} ({100 * from:F1} to {100 * to:F1}) | {Share(judge.EarlyCovered, judge.Early)} | {Loss(judge.MedianLoss / judge.Count, bestMedian)} | {Loss(judge.P90Loss / judge.Count, bestP90)} |\n");
        }

        return [.. NotMet(name, judged[0], [.. all.Skip(1).SkipLast(1).Select((one, i) => (one.Name, judged[i + 1]))])];
    }

    private static IEnumerable<string> NotMet(string name, StreamJudge ours, IReadOnlyList<(string Name, StreamJudge Judge)> rivals)
    {
        if (ours.MedianError > MedianErrorMax)
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}: the median error is {100 * ours.MedianError:F1} %, not at most 10 %");
        var covers = (double)ours.Covered / ours.Count;
        var (from, to) = StreamJudge.Interval(ours.Covered, ours.Count);
        if (covers is < CoverageLeast or > CoverageMost)
            yield return string.Create(CultureInfo.InvariantCulture, $"{name}: the p90 covers {100 * covers:F1} %, not 87 to 93 %{(to >= CoverageLeast && from <= CoverageMost ? ", though its interval reaches in" : "")}");
        foreach (var rival in rivals)
        {
            if (rival.Judge.MedianLoss < ours.MedianLoss)
                yield return string.Create(CultureInfo.InvariantCulture, $"{name}: of the median, {rival.Name} loses {100 * (1 - (rival.Judge.MedianLoss / ours.MedianLoss)):F1} % less");
            if (rival.Judge.P90Loss < ours.P90Loss)
                yield return string.Create(CultureInfo.InvariantCulture, $"{name}: of the p90, {rival.Name} loses {100 * (1 - (rival.Judge.P90Loss / ours.P90Loss)):F1} % less");
        }
    }

    /// <summary>The error that the median of each stream's own loads would have: what no rule without more knowledge can beat by much.</summary>
    public static double Floor(IEnumerable<LoadStream> streams) => StreamJudge.Quantile(streams.SelectMany(stream =>
    {
        var median = StreamJudge.Quantile(stream.Seconds, 0.5);
        return stream.Seconds.Skip(StreamJudge.FirstJudged).Select(was => Math.Abs(median - was) / was);
    }), 0.5);

    private static string Share(int hits, int of) => of == 0 ? "–" : (100.0 * hits / of).ToString("F1", CultureInfo.InvariantCulture);

    private static string Loss(double loss, double best)
    {
        var shown = loss.ToString("F4", CultureInfo.InvariantCulture);
        return loss <= best * 1.000001 ? $"**{shown}**" : shown;
    }
}
