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
        ImmutableArray<TermCapacity> terms = [.. targets.Select(target => Term(
            target.Metric, KeptUpTo(pace => group.Keeps(group.MostPerSecond * 1e-4, 1, [target with { Seconds = target.Seconds / pace }])),
            pace => group.PerSecond(1, [target with { Seconds = target.Seconds / pace }])))];
        var shared = Shares(
            terms, group.MostPerSecond,
            (n, pace) => group.PerSecond(n, [.. targets.Select(target => target with { Seconds = target.Seconds / pace })]));
        var context = lengths.Context + 1;
        var (alone, full) = (times.Seconds(StepBatch.Decode(1, context)), times.Seconds(StepBatch.Decode(Math.Max(1, places), context)));
        var each = places > 1 ? Math.Max(0, full - alone) / (places - 1) : 0;
        var prompt = Math.Min(lengths.Prompt, limits.StepTokens);
        return new ServicePrior
        {
            Terms = terms,
            Pooled = None,
            Shared = shared,
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
        var edge = Math.Min(PaceMost, limit / queue.Alone);
        var term = Term(LatencyMetric.EndToEnd, edge, pace => queue.PerSecond(1, share, limit / pace));
        var (start, each) = queue.Line();
        return new ServicePrior
        {
            Terms = [term],
            Pooled = None,
            Shared = Shares([term], queue.MostPerSecond, (n, pace) => queue.PerSecond(n, share, limit / pace)),
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

    /// <summary>No pace is learned beyond these (<see cref="Slowness"/>), nor is any asked for.</summary>
    private const double PaceLeast = 0.1;
    private const double PaceMost = 10;

    /// <summary>Points that a curve is given beside those it begins with.</summary>
    private const int MoreMost = 6;

    internal static readonly ImmutableArray<double> None = [.. ServicePrior.Together.Select(_ => 1.0)];

    // To a third of a percent, halving the logarithm; 0 where even the fastest does not.
    private static double KeptUpTo(Func<double, bool> keeps)
    {
        if (!keeps(PaceLeast)) return 0;
        if (keeps(PaceMost)) return PaceMost;
        var (low, high) = (Math.Log(PaceLeast), Math.Log(PaceMost));
        while (high - low > 0.003)
        {
            var half = (low + high) / 2;
            if (keeps(Math.Exp(half))) low = half;
            else high = half;
        }

        return Math.Exp(low);
    }

    // What a limit leaves at a slower pace is what a tighter one does at the predicted pace, all in seconds of that.
    private static TermCapacity Term(LatencyMetric metric, double edge, Func<double, double> perSecond)
    {
        var points = Points(edge, TermCapacity.BelowEdge, pace => [perSecond(pace)]);
        return new TermCapacity(metric, Falling([.. points.Select(point => point.Values[0] / point.Pace)]))
        {
            Paces = [.. points.Select(point => point.Pace)],
            KeptUpTo = points.Count == 0 ? 0 : Rounded(edge),
        };
    }

    // Of four and of sixteen; those between, and what one carries, are read off.
    private static ImmutableArray<SharedCapacity> Shares(ImmutableArray<TermCapacity> terms, double most, Func<int, double, double> perSecond)
    {
        return [.. Points(terms.Min(term => term.KeptUpTo), SharedCapacity.BelowEdge, pace => [Part(4, pace), Part(16, pace)]).Select(point =>
        {
            var (one, few, many) = (Math.Min(1, terms.Min(term => term.At(point.Pace)) * point.Pace / most), point.Values[0], point.Values[1]);
            return new SharedCapacity(point.Pace, Rising([one, (one + few) / 2, few, (few + many) / 2, many]));
        })];

        double Part(int replicas, double pace) => Math.Min(1, perSecond(replicas, pace) / replicas / most);
    }

    // By pace, rising; the predicted one is among them. Where a value changes more than twofold between two, as where a limit leaves no time for anybody else's step, more are
    // computed there: no line between the two would tell on which side a replica is.
    private static List<(double Pace, double[] Values)> Points(double edge, ImmutableArray<double> below, Func<double, double[]> values)
    {
        if (edge < PaceLeast) return [];
        var points = below.Select(one => Rounded(edge * Math.Exp(-one))).Where(pace => Math.Abs(Math.Log(pace)) > 0.05).Concat(edge >= 1 ? [1.0] : []).Order()
            .Select(pace => (Pace: pace, Values: values(pace))).ToList();
        for (var more = 0; more < MoreMost; more++)
        {
            var steps = Enumerable.Range(1, points.Count - 1).Select(at => Steepest(points[at - 1].Values, points[at].Values)).ToArray();
            var steepest = Array.IndexOf(steps, steps.Max());
            if (!(steps[steepest] > 2)) break;
            var pace = Rounded(Math.Sqrt(points[steepest].Pace * points[steepest + 1].Pace));
            if (pace <= points[steepest].Pace || pace >= points[steepest + 1].Pace) break;
            points.Insert(steepest + 1, (pace, values(pace)));
        }

        return points;
    }

    private static double Steepest(double[] from, double[] to) => from.Zip(to, (a, b) => b > 0 ? a / b : a > 0 ? double.MaxValue : 1).Max();

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
