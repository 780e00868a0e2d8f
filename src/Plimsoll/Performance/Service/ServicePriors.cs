using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>Computes <see cref="ServicePrior"/>s: some tens of milliseconds each, so whoever asks often keeps them.</summary>
public static class ServicePriors
{
    private const int BlockTokens = 16;

    /// <summary>What a replica is asked for in one step where its engine's arguments do not say: vLLM's defaults.</summary>
    private const int StepTokensDefault = 2048;
    private const int SequencesDefault = 256;

    /// <summary>
    /// Null where nothing tells its pace: its layers are not known, or the device's FLOP/s or bandwidth, or it keeps no keys and
    /// values, so that nothing is generated token by token; or it does not fit.
    /// </summary>
    /// <param name="footprint">What it weighs.</param>
    /// <param name="fit">How it fits the device, split as it is.</param>
    /// <param name="slo">What is to be kept.</param>
    /// <param name="asked">How long requests are; none is taken to be longer than the engine allows.</param>
    /// <param name="network">Bandwidth between nodes, for a replica on several of them; null where all is on one.</param>
    public static ServicePrior? Of(Footprint footprint, FitReport fit, Slo slo, TypicalLengths asked, BytesPerSecond? network = null)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(fit);
        ArgumentNullException.ThrowIfNull(slo);
        if (!fit.Fits || footprint.Shape is not { } shape || fit.KvTokens < BlockTokens) return null;
        var variant = fit.Variant;
        var split = new StepSplit { Tensor = variant.TensorParallel, Pipeline = variant.PipelineParallel, Expert = variant.ExpertParallel };
        if (network is { Value: > 0 } between) split = split with { Network = between };
        if (PredictedSteps.Of(shape, variant.Engine.Name, variant.Device, split, ElementBytes(variant.KvDtype)).Steps is not { } steps) return null;
        var stepTokens = Math.Max(1, variant.MaxBatchedTokens ?? StepTokensDefault);
        var limits = new ReplicaLimits
        {
            Blocks = Math.Max(1, fit.KvTokens / BlockTokens),
            BlockTokens = BlockTokens,
            StepTokens = stepTokens,
            Sequences = Math.Clamp(variant.MaxSequences ?? SequencesDefault, 1, stepTokens),
        };
        var longest = Math.Min(fit.KvTokens, variant.Context > 0 ? variant.Context : long.MaxValue);
        var lengths = asked.Sample(longest);
        var times = new StepTimes(steps.Model, steps.Fitted, limits.Sequences);
        return Of(limits, times, slo, lengths) with
        {
            LogSpread = steps.LogSpread,
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

    private static double ElementBytes(string kvDtype) => kvDtype switch { "fp8" or "q8_0" => 1, "q4_0" => 0.5, "float32" => 4, _ => 2 };
}
