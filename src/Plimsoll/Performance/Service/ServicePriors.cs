using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>Computes <see cref="ServicePrior"/>s: some tens of milliseconds each, so whoever asks often keeps them.</summary>
public static class ServicePriors
{
    /// <summary>Of the logarithm of true over profiled times: requests differ from those that were measured, and other things run beside them. Assumed, not fitted.</summary>
    private const double ProfileSpread = 0.1;

    /// <summary>Null where <see cref="PredictedReplica"/> has a problem.</summary>
    /// <param name="footprint">What it weighs.</param>
    /// <param name="fit">How it fits the device, split as it is.</param>
    /// <param name="slo">What is to be kept.</param>
    /// <param name="asked">How long requests are; none is taken to be longer than the engine allows.</param>
    public static ServicePrior? Of(Footprint footprint, FitReport fit, Slo slo, TypicalLengths asked)
    {
        ArgumentNullException.ThrowIfNull(slo);
        if (PredictedReplica.Of(footprint, fit).Replica is not { } replica) return null;
        var variant = fit.Variant;
        var lengths = asked.Sample(Math.Min(fit.KvTokens, variant.Context > 0 ? variant.Context : long.MaxValue));
        return Of(replica.Limits, replica.Times(), slo, lengths) with
        {
            LogSpread = replica.Steps.LogSpread,
            From = string.Create(CultureInfo.InvariantCulture,
                $"{(variant.Devices == 1 ? "" : $"{variant.Devices} × ")}{variant.Device.Name}, {variant.Engine.Name}, {lengths.Prompt:F0} tokens in and {lengths.Steps + 1:F0} out"),
        };
    }

    /// <summary>Terms of an objective; all are to be kept by the same share of requests.</summary>
    public static ImmutableArray<LatencyTarget> Targets(Slo slo)
    {
        ArgumentNullException.ThrowIfNull(slo);
        var targets = ImmutableArray.CreateBuilder<LatencyTarget>();
        if (slo.TimeToFirstToken is { } first) targets.Add(new(LatencyMetric.Ttft, slo.Attainment, first.TotalSeconds));
        if (slo.TimePerOutputToken is { } between) targets.Add(new(LatencyMetric.Tpot, slo.Attainment, between.TotalSeconds));
        targets.Add(new(LatencyMetric.EndToEnd, slo.Attainment, slo.Latency.TotalSeconds));
        return targets.ToImmutable();
    }

    /// <summary>The same from step times, whatever they are from; as sure as can be, and from nothing that could be named.</summary>
    /// <param name="limits">Of each replica.</param>
    /// <param name="times">Of its steps.</param>
    /// <param name="slo">What is to be kept.</param>
    /// <param name="lengths">What is asked.</param>
    /// <exception cref="ArgumentException">A limit makes no sense.</exception>
    public static ServicePrior Of(ReplicaLimits limits, StepTimes times, Slo slo, RequestLengths lengths)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(times);
        ArgumentNullException.ThrowIfNull(lengths);
        var group = new GroupCapacity(limits, times, lengths);
        var targets = Targets(slo);
        var places = group.Places;
        var terms = targets.Select(target => new TermCapacity(
            target.Metric,
            Falling([.. ServicePrior.Paces.Select(pace => group.PerSecond(1, [target with { Seconds = target.Seconds / pace }]) / pace)]))).ToImmutableArray();
        var one = group.PerSecond(1, targets);

        // Where it is missed alone, or so tight that one replica carries next to nothing, sharing says nothing of use.
        ImmutableArray<double> pooled = [.. ServicePrior.Together.Select(n => one > 0 && n > 1 ? group.PerSecond(n, targets) / n / one : 1)];
        var context = lengths.Context + 1;
        var (alone, full) = (times.Seconds(StepBatch.Decode(1, context)), times.Seconds(StepBatch.Decode(Math.Max(1, places), context)));
        var each = places > 1 ? Math.Max(0, full - alone) / (places - 1) : 0;
        var prompt = Math.Min(lengths.Prompt, limits.StepTokens);
        return new ServicePrior
        {
            Terms = terms,
            Pooled = Rising(pooled),
            MostPerSecond = group.MostPerSecond,
            PromptTokens = lengths.Prompt,
            AnswerTokens = lengths.Steps + 1,
            PromptTokenSeconds = times.Seconds(StepBatch.Prefill(1, prompt)) / prompt,
            StepSeconds = Math.Max(1e-9, alone - each),
            SequenceSeconds = each,
            Places = places,
            LogSpread = 0,
            From = "",
        };
    }

    /// <summary>The same of a model that answers at once, from what was measured of it.</summary>
    /// <param name="profile">Times of its batches on this hardware.</param>
    /// <param name="concurrency">Requests that a replica is given at once at the most.</param>
    /// <param name="slo">What is to be kept; the first token of an answer is all of it, so that the shorter of the two limits counts.</param>
    public static ServicePrior Of(BatchProfile profile, int concurrency, Slo slo)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentNullException.ThrowIfNull(slo);
        var queue = new BatchCapacity(profile, concurrency);
        var (share, limit) = (slo.Attainment, slo.MayWait.TotalSeconds);
        var one = queue.PerSecond(1, share, limit);
        var (start, each) = queue.Line();
        return new ServicePrior
        {
            Terms = [new TermCapacity(LatencyMetric.EndToEnd, Falling([.. ServicePrior.Paces.Select(pace => queue.PerSecond(1, share, limit / pace) / pace)]))],
            Pooled = Rising([.. ServicePrior.Together.Select(n => one > 0 ? queue.Together(n, one, limit) / n / one : 1)]),
            MostPerSecond = Rounded(queue.MostPerSecond),
            PromptTokens = 0,
            AnswerTokens = 0,
            PromptTokenSeconds = 0,
            StepSeconds = Rounded(start),
            SequenceSeconds = Rounded(each),
            Places = queue.Places,
            Profiled = true,
            LogSpread = ProfileSpread,
            From = string.Create(CultureInfo.InvariantCulture, $"batches of up to {profile.BatchMax} as its profile has them"),
        };
    }

    // What approximations and searches leave of a curve that only falls, and of one that only rises.
    private static ImmutableArray<double> Falling(ImmutableArray<double> values)
    {
        var falling = values.ToArray();
        for (var i = 1; i < falling.Length; i++) falling[i] = Math.Min(falling[i], falling[i - 1]);
        return [.. falling.Select(Rounded)];
    }

    private static ImmutableArray<double> Rising(ImmutableArray<double> values)
    {
        var rising = values.ToArray();
        for (var i = 1; i < rising.Length; i++) rising[i] = Math.Max(rising[i], rising[i - 1]);
        return [.. rising.Select(Rounded)];
    }

    // The fourth digit is below what is known; so the last bits of an exponential on one machine are another's.
    private static double Rounded(double value) =>
        double.Parse(value.ToString("G4", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
}
