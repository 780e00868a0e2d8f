using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>An autoscaler as somebody has it, by the rules of Kubernetes' HPA and of KEDA.</summary>
internal sealed class OwnRule(OwnAutoscaler own) : IScalingRule
{
    private readonly Queue<(DateTimeOffset At, long Arrived, long Answered)> _counters = new();
    private readonly TimeSpan _longestWindow = own.Metrics.Max(metric => metric.Window);
    private HpaState _hpa = HpaState.Fresh;
    private KedaState _keda = KedaState.Fresh;
    private DateTimeOffset? _created;
    private DateTimeOffset _nextPoll;
    private DateTimeOffset _nextSync;

    /// <summary>So often that both of KEDA's clocks are met, that of its own polls and that of the HPA it makes.</summary>
    public TimeSpan Period { get; } = own.Keda is { } keda ? Common(keda.PollingInterval, own.Hpa.SyncPeriod) : own.Hpa.SyncPeriod;

    // Intervals are of whole seconds.
    private static TimeSpan Common(TimeSpan one, TimeSpan other)
    {
        var (a, b) = ((long)one.TotalSeconds, (long)other.TotalSeconds);
        while (b > 0) (a, b) = (b, a % b);
        return TimeSpan.FromSeconds(Math.Max(1, a));
    }

    public ScalingWish Desired(ModelView seen)
    {
        Count(seen);
        _created ??= seen.Now;
        if (own.Keda is not { } keda)
        {
            // The HPA refuses to act from zero; a Deployment has its minimum from the beginning.
            return Follow(seen, Math.Max(seen.Spec, own.Hpa.MinReplicas), [.. own.Metrics.Select(metric => Read(metric, seen))]);
        }

        var observed = new KedaObservation(seen.Now, _created.Value, seen.Spec, seen.Ready, [.. own.Metrics.Select(metric => new KedaTrigger(
            metric.Name, Whole(metric, seen), metric.Target, metric.Activation, metric.Kind == MetricTarget.Value))]);
        var spec = seen.Spec;
        if (seen.Now >= _nextPoll)
        {
            _nextPoll = seen.Now + keda.PollingInterval;
            var polled = KedaScaler.Decide(keda, _keda, observed);
            (_keda, spec) = (polled.State, polled.Replicas);
        }

        if (spec == 0 || seen.Now + (Period / 2) < _nextSync) return spec;
        _nextSync = seen.Now + own.Hpa.SyncPeriod;
        (var metrics, _keda) = KedaScaler.Query(keda, _keda, observed);
        return Follow(seen, spec, metrics);
    }

    private int Follow(ModelView seen, int spec, ImmutableArray<HpaMetric> metrics)
    {
        // A pod requests one whole of what its utilisation is a share of.
        var pods = seen.Pods.Select(pod => new HpaPod(pod.Name, HpaPodPhase.Running, pod.Ready, RequestMilli: 1000, StartedAt: pod.Since, ReadyChangedAt: pod.Since));
        var decision = HorizontalPodAutoscaler.Decide(own.Hpa, _hpa, new HpaObservation(seen.Now, spec, Math.Max(1, seen.Pods.Length), [.. pods], metrics));
        _hpa = decision.State;
        return decision.Replicas;
    }

    private HpaMetric Read(OwnMetric metric, ModelView seen) => metric.Kind switch
    {
        MetricTarget.AverageValue => new HpaMetric.AverageValue(Milli(Whole(metric, seen)), Milli(metric.Target)),
        MetricTarget.Value => new HpaMetric.Value(Milli(Whole(metric, seen)), Milli(metric.Target)),
        MetricTarget.Utilization => new HpaMetric.Utilization((int)metric.Target, Samples(metric, seen), Cpu: false),
        _ => new HpaMetric.PerPod(Milli(metric.Target), Samples(metric, seen)),
    };

    private ImmutableArray<HpaSample> Samples(OwnMetric metric, ModelView seen) =>
        [.. seen.Pods.Where(pod => pod.Ready).Select(pod => new HpaSample(pod.Name, Milli(Of(metric, pod, seen) * metric.Scale), seen.Now))];

    // As a query over all of them gives it.
    private double Whole(OwnMetric metric, ModelView seen)
    {
        var ready = seen.Pods.Where(pod => pod.Ready).Select(pod => Of(metric, pod, seen) * metric.Scale).ToList();
        if (ready.Count == 0)
        {
            return metric.OfPods ? 0 : metric.Scale * metric.Reads switch
            {
                SimulatedMetric.InFlight or SimulatedMetric.Waiting => seen.Held,
                SimulatedMetric.ArrivalsPerSecond => Rate(metric, one => one.Arrived),
                _ => 0,
            };
        }

        return metric.Aggregate switch
        {
            MetricAggregate.Mean => ready.Average(),
            MetricAggregate.Max => ready.Max(),
            _ => ready.Sum(),
        };
    }

    private double Of(OwnMetric metric, PodView pod, ModelView seen) => metric.Reads switch
    {
        SimulatedMetric.Running => pod.Running,
        SimulatedMetric.Waiting => seen.WaitingIn(pod),
        SimulatedMetric.CacheUse => pod.CacheUse,
        SimulatedMetric.Busy => pod.Running > 0 ? 1 : 0,
        SimulatedMetric.ArrivalsPerSecond => Rate(metric, one => one.Arrived) / seen.Ready,
        SimulatedMetric.AnsweredPerSecond => Rate(metric, one => one.Answered) / seen.Ready,
        _ => pod.Running + seen.WaitingIn(pod),
    };

    private void Count(ModelView seen)
    {
        _counters.Enqueue((seen.Now, seen.Arrived, seen.Served.Requests));
        while (_counters.Count > 2 && seen.Now - _counters.Peek().At > _longestWindow) _counters.Dequeue();
    }

    private double Rate(OwnMetric metric, Func<(DateTimeOffset At, long Arrived, long Answered), long> counter)
    {
        var last = _counters.Last();
        var first = _counters.First(one => last.At - one.At <= metric.Window || one.At == last.At);
        return last.At > first.At ? (counter(last) - counter(first)) / (last.At - first.At).TotalSeconds : 0;
    }

    // Far above any metric, and no overflow.
    private static long Milli(double value) => (long)Math.Ceiling(Math.Min(value, 1e12) * 1000);
}
