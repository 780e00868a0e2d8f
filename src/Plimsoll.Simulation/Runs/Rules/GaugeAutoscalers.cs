using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Hpa;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// HPAs that follow a gauge of replicas wanted, one for each of a model's variants: external metric, AverageValue 1. The HPA's
/// tolerance swallows steps of one from ten replicas on, and its window delays steps down.
/// </summary>
internal sealed class GaugeAutoscalers
{
    private readonly ImmutableArray<HpaSettings> _settings;
    private readonly HpaState[] _states;

    /// <param name="model">What is scaled.</param>
    /// <param name="knobs">Windows and tolerance of the HPA.</param>
    /// <param name="least">Of the first variant; the others may go to none, as only one of them has to serve.</param>
    public GaugeAutoscalers(ModelSpec model, RivalKnobs knobs, int least)
    {
        _settings = [.. model.Variants.Select((_, i) => RequestRules.Hpa(model, knobs) with { MinReplicas = i == 0 ? least : 0 })];
        _states = [.. model.Variants.Select(_ => HpaState.Fresh)];
    }

    public TimeSpan Period => _settings[0].SyncPeriod;

    /// <summary>Replicas asked for by variant; before the first look their minimum.</summary>
    public ImmutableArray<int> SpecOf(ModelView seen) => seen.SpecByVariant.IsDefault
        ? [.. _settings.Select((_, i) => i == 0 ? seen.Spec : 0)]
        : seen.SpecByVariant;

    public ScalingWish Follow(ModelView seen, IReadOnlyList<int> gauges)
    {
        var counts = ImmutableArray.CreateBuilder<int>(_settings.Length);
        var spec = SpecOf(seen);
        for (var i = 0; i < _settings.Length; i++)
        {
            var pods = seen.Pods.Where(pod => pod.Variant == i).ToList();
            var decision = HorizontalPodAutoscaler.Decide(_settings[i], _states[i], new HpaObservation(
                seen.Now, Math.Max(spec[i], _settings[i].MinReplicas), Math.Max(1, pods.Count),
                [.. pods.Select(pod => new HpaPod(pod.Name, HpaPodPhase.Running, pod.Ready, StartedAt: pod.Since))],
                [new HpaMetric.AverageValue(gauges[i] * 1000L, 1000)]));
            _states[i] = decision.State;
            counts.Add(decision.Replicas);
        }

        return ScalingWish.Of(counts.MoveToImmutable());
    }
}
