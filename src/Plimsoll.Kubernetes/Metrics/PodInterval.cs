using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>What happened in one pod between two of its samples.</summary>
internal sealed record PodInterval
{
    public required DateTimeOffset From { get; init; }

    public required DateTimeOffset To { get; init; }

    /// <summary>Completions and other ends, and the change of what is in flight; negative where ends went uncounted.</summary>
    public double Arrivals { get; init; }

    public double Completed { get; init; }

    public double Failed { get; init; }

    public double Aborted { get; init; }

    public double Rejected { get; init; }

    /// <summary>Of the completed; null where no histogram says.</summary>
    public double? WithinSlo { get; init; }

    public ServiceSample? Service { get; init; }

    /// <summary>How long its requests were; null where it is not counted.</summary>
    public TokenSample? Tokens { get; init; }

    /// <summary>It was full, or requests waited in it, at both ends; or it turned requests away.</summary>
    public bool Saturated { get; init; }

    /// <summary>More may have arrived than was counted: the counters began anew, or the server counts no ends.</summary>
    public bool LowerBound { get; init; }

    public bool Asleep { get; init; }

    /// <summary>
    /// What the next interval is counted from: the later sample, or where its counters stepped back the earlier one's, as
    /// of its own time, so that nothing counts twice once they are past it.
    /// </summary>
    public required ServerSample Next { get; init; }

    /// <summary>The difference of two samples of one pod.</summary>
    /// <param name="before">The earlier one; null when the pod started with nothing at <paramref name="from"/>.</param>
    /// <param name="from">When the earlier one was true.</param>
    /// <param name="now">The later one.</param>
    /// <param name="slo">Whose latency counts as within.</param>
    /// <param name="concurrency">Requests the pod works on at once; null when unknown.</param>
    public static PodInterval Between(
        ServerSample? before, DateTimeOffset from, ServerSample now, Slo slo, int? concurrency)
    {
        var growth = before is null ? null : Growth(before, now);
        var restarted = before is not null && Restarted(before, now, growth);
        var stepped = before is not null && !restarted && SteppedBack(before, now, growth);
        if (stepped) (now, growth) = (before! with { At = now.At, Running = now.Running, Waiting = now.Waiting, Asleep = now.Asleep }, null);
        var start = before is null || restarted ? new ServerSample { Server = now.Server, At = from } : before;

        // A model was unloaded, say: what the others count is known, but sums over all are not to be compared.
        var broken = !restarted && growth is { Broken: true };
        var completed = Grown(MetricField.Completed, start.Completed, now.Completed) ?? 0;
        var (failed, aborted) = (Grown(MetricField.Failed, start.Failed, now.Failed) ?? 0, Grown(MetricField.Aborted, start.Aborted, now.Aborted) ?? 0);
        var rejected = Grown(MetricField.Rejected, start.Rejected, now.Rejected) ?? 0;
        var moved = (now.InFlight ?? 0) - (start.InFlight ?? 0);
        if (broken) moved = Math.Max(0, moved);
        var arrivals = Grown(MetricField.Arrived, start.Arrived, now.Arrived) ?? completed + failed + aborted + rejected + moved;
        var generated = Grown(MetricField.GenerationTokens, start.GenerationTokens, now.GenerationTokens);
        var tokens = generated is > 0;
        var blind = now.Arrived is null && now.Completed is null && (tokens || start.InFlight > 0 || now.InFlight > 0);

        // Tokens came out of a server that was empty before: one request at least went in.
        if (blind && tokens && !(start.InFlight > 0)) arrivals = Math.Max(1, arrivals);
        var saturated = rejected > 0 || (start.Waiting > 0 && now.Waiting > 0)
            || (concurrency is { } limit && start.Running >= limit && now.Running >= limit);
        return new PodInterval
        {
            From = from,
            To = now.At,
            Arrivals = arrivals,
            Completed = completed,
            Failed = failed,
            Aborted = aborted,
            Rejected = rejected,
            WithinSlo = broken ? null : Within(start.Latency, now.Latency, slo.Latency.TotalSeconds, completed),
            Tokens = broken ? null : Lengths(start, now, completed, generated),
            Service = restarted || broken ? null : ServicePair.Between(start, now, from, saturated),
            Saturated = saturated,
            LowerBound = restarted || broken || stepped || blind,
            Asleep = now.Asleep is true,
            Next = stepped ? now with { At = from } : now,
        };

        double? Grown(MetricField field, double? earlier, double? later) =>
            restarted || growth is null || later is null ? Difference(earlier, later) : growth.Of(field);
    }

    // By the histograms of those that ended, where there are any; else by the counters, which are of whoever was there.
    private static TokenSample? Lengths(ServerSample start, ServerSample now, double completed, double? generated)
    {
        if (now is { PromptLengths: { } prompts, AnswerLengths: { } answers })
        {
            var (first, last) = (prompts.Since(start.PromptLengths), answers.Since(start.AnswerLengths));
            return new TokenSample(Math.Min(first.Count, last.Count), first.Sum, last.Sum, first.Squares, last.Squares);
        }

        return Difference(start.PromptTokens, now.PromptTokens) is { } asked && generated is { } given && now.Completed is not null
            ? new TokenSample(completed, asked, given) : null;
    }

    /// <summary>Whether a gauge that was there is not told now, so that nothing can be said of what is in flight.</summary>
    public static bool GaugeLost(ServerSample before, ServerSample now) => !Restarted(before, now, Growth(before, now))
        && ((before.Running is not null && now.Running is null) || (before.Waiting is not null && now.Waiting is null));

    private static CounterGrowth? Growth(ServerSample before, ServerSample now) =>
        before.Series.IsEmpty || (now.Series.IsEmpty && (now.Arrived ?? now.Completed) > 0) ? null
            : new CounterGrowth(before.Series, now.Series, RunsOn(before, now) is true);

    // Null where no process says when it started.
    private static bool? RunsOn(ServerSample before, ServerSample now) =>
        now.ProcessStartSeconds - before.ProcessStartSeconds is { } later ? later <= 1 : null;

    // A process that started later began anew; where none says when it started, one whose counters fell far or vanished.
    private static bool Restarted(ServerSample before, ServerSample now, CounterGrowth? growth)
    {
        if (before.Server != now.Server) return true;
        if (RunsOn(before, now) is { } runs) return !runs;
        return growth?.BeganAnew ?? Counts(before, now).Any(pair => pair.Before is { } b && (pair.Now is not { } n || CounterGrowth.FellFar(b, n)));
    }

    private static bool SteppedBack(ServerSample before, ServerSample now, CounterGrowth? growth) =>
        growth?.SteppedBack ?? Counts(before, now).Any(pair => pair.Now < pair.Before);

    private static ImmutableArray<(double? Before, double? Now)> Counts(ServerSample before, ServerSample now) =>
    [
        (before.Arrived, now.Arrived), (before.Completed, now.Completed), (before.Failed, now.Failed),
        (before.PromptTokens, now.PromptTokens), (before.GenerationTokens, now.GenerationTokens), (before.Latency?.Count, now.Latency?.Count),
    ];

    // A counter that is not there before its first event counts from zero, as prometheus clients have it.
    private static double? Difference(double? before, double? now) => now is { } n ? Math.Max(0, n - (before ?? 0)) : null;

    private static double? Within(HistogramSample? before, HistogramSample? now, double sloSeconds, double completed)
    {
        if (completed <= 0) return 0;
        if (now is null || now.Buckets.IsEmpty) return null;
        var count = now.Count - (before?.Count ?? 0);
        if (count <= 0) return null;
        var within = now.Below(sloSeconds) - (before?.Below(sloSeconds) ?? 0);
        return completed * Math.Clamp(within / count, 0, 1);
    }
}
