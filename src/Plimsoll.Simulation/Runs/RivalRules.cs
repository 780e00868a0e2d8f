using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Aibrix;
using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;
using Plimsoll.Simulation.Rivals.Knative;
using Plimsoll.Simulation.Rivals.RayServe;

namespace Plimsoll.Simulation.Runs;

/// <summary>
/// Rivals' rules fed from the simulated cluster. Where a rival has no target of its own, its metric is requests in flight, at the
/// gateway and in replicas, and its target a share of what a replica works on at once.
/// </summary>
internal static class RivalRules
{
    /// <summary>Knative's default utilisation, and what rules without a default of their own are given.</summary>
    public const double DefaultShare = 0.7;

    public static readonly ImmutableArray<string> Names = ["hpa", "keda", "kpa", "ray-serve", "aibrix", "fixed"];

    /// <summary>A rule for one model; null for a name that is not known.</summary>
    /// <param name="name">The rival.</param>
    /// <param name="model">What it is to scale.</param>
    /// <param name="share">The target as a share of the requests a replica works on at once; null for the rival's default.</param>
    public static IScalingRule? Of(string name, ModelSpec model, double? share = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var concurrency = model.Variants[0].Concurrency;
        var target = Math.Max(0.01, concurrency * (share ?? DefaultShare));
        return name switch
        {
            "hpa" => new HpaRule(new HpaSettings { MinReplicas = Math.Max(1, model.MinReplicas), MaxReplicas = model.MaxReplicas, Behavior = new HpaBehavior() }, target),
            "keda" => new KedaRule(new KedaSettings { MinReplicaCount = model.MinReplicas, MaxReplicaCount = model.MaxReplicas }, target),
            "kpa" => new KpaRule(new KpaSettings { Target = KpaTarget.Concurrency(concurrency, concurrency, share ?? DefaultShare) }, model),
            "ray-serve" => new RayServeRule(new RayServeSettings
            {
                TargetOngoingRequests = share is null ? 2 : target,
                MaxOngoingRequests = concurrency,
                MinReplicas = model.MinReplicas,
                MaxReplicas = model.MaxReplicas,
            }),
            "aibrix" => new AibrixRule(new AibrixSettings { MinReplicas = Math.Max(1, model.MinReplicas), MaxReplicas = model.MaxReplicas }, target),
            "fixed" => new FixedRule(Math.Clamp((int)Math.Ceiling((share ?? 0.5) * model.MaxReplicas), Math.Max(1, model.MinReplicas), model.MaxReplicas)),
            _ => null,
        };
    }

    private static long Milli(double value) => (long)Math.Ceiling(value * 1000);

    private sealed class FixedRule(int replicas) : IScalingRule
    {
        public TimeSpan Period => TimeSpan.FromMinutes(1);

        public int Desired(ModelView seen) => replicas;
    }

    private sealed class HpaRule(HpaSettings settings, double target) : IScalingRule
    {
        private HpaState _state = HpaState.Fresh;

        public TimeSpan Period => settings.SyncPeriod;

        public int Desired(ModelView seen)
        {
            // The HPA refuses to act from zero; a Deployment has its minimum from the beginning.
            var spec = Math.Max(seen.Spec, settings.MinReplicas);
            var decision = HorizontalPodAutoscaler.Decide(settings, _state, Observation(seen, spec, [new HpaMetric.AverageValue(Milli(seen.InFlight), Milli(target))]));
            _state = decision.State;
            return decision.Replicas;
        }
    }

    private static HpaObservation Observation(ModelView seen, int spec, ImmutableArray<HpaMetric> metrics) => new(
        seen.Now, spec, Math.Max(1, seen.Pods.Length), [.. seen.Pods.Select(pod => new HpaPod(pod.Name, HpaPodPhase.Running, pod.Ready, StartedAt: pod.Since))], metrics);

    // KEDA's poll decides between none and one; from one on it is the HPA that KEDA made, on its own clock.
    private sealed class KedaRule(KedaSettings settings, double target) : IScalingRule
    {
        private readonly HpaSettings _hpa = settings.ToHpa();
        private KedaState _state = KedaState.Fresh;
        private HpaState _hpaState = HpaState.Fresh;
        private DateTimeOffset? _created;
        private DateTimeOffset _nextPoll;

        public TimeSpan Period => _hpa.SyncPeriod;

        public int Desired(ModelView seen)
        {
            _created ??= seen.Now;
            var observed = new KedaObservation(seen.Now, _created.Value, seen.Spec, seen.Ready, [new KedaTrigger("in-flight", seen.InFlight, target)]);
            var spec = seen.Spec;
            if (seen.Now >= _nextPoll)
            {
                _nextPoll = seen.Now + settings.PollingInterval;
                var polled = KedaScaler.Decide(settings, _state, observed);
                (_state, spec) = (polled.State, polled.Replicas);
            }

            if (spec == 0) return 0;
            var (metrics, next) = KedaScaler.Query(settings, _state, observed);
            _state = next;
            var decision = HorizontalPodAutoscaler.Decide(_hpa, _hpaState, Observation(seen, spec, metrics));
            _hpaState = decision.State;
            return decision.Replicas;
        }
    }

    private sealed class KpaRule : IScalingRule
    {
        private readonly KpaSettings _settings;
        private readonly ModelSpec _model;
        private readonly KpaWindow _stable;
        private readonly KpaWindow _panic;
        private KpaState? _state;

        public KpaRule(KpaSettings settings, ModelSpec model)
        {
            (_settings, _model) = (settings, model);
            _stable = new KpaWindow(settings.StableWindow, settings.ScrapeInterval);
            _panic = new KpaWindow(settings.PanicWindow, settings.ScrapeInterval);
        }

        /// <summary>Every second, as its metrics come; it decides at every second one.</summary>
        public TimeSpan Period => _settings.ScrapeInterval;

        public int Desired(ModelView seen)
        {
            _stable.Record(seen.Now, seen.InFlight);
            _panic.Record(seen.Now, seen.InFlight);
            _state ??= KpaState.Start(seen.Ready, seen.Now);
            if ((seen.Now - DateTimeOffset.UnixEpoch).Ticks / _settings.ScrapeInterval.Ticks % 2 != 0) return seen.Spec;
            var decision = KpaDecider.Decide(_settings, _state, new KpaObservation(seen.Now, seen.Ready, _stable.Average(seen.Now), _panic.Average(seen.Now)));
            _state = decision.State;
            return Math.Clamp(decision.Desired ?? seen.Spec, _model.MinReplicas, _model.MaxReplicas);
        }
    }

    private sealed class RayServeRule(RayServeSettings settings) : IScalingRule
    {
        private readonly Queue<double> _ongoing = new();
        private RayServeState _state = RayServeState.Fresh;

        /// <summary>The loop of a tenth of a second, here every second: its delays are of 30 s and more.</summary>
        public TimeSpan Period => TimeSpan.FromSeconds(1);

        public int Desired(ModelView seen)
        {
            _ongoing.Enqueue(seen.InFlight);
            while (_ongoing.Count > settings.LookBackPeriod.TotalSeconds) _ongoing.Dequeue();
            var decision = RayServePolicy.Decide(settings, _state, new RayServeObservation(seen.Now, seen.Ready, seen.Spec, _ongoing.Average()));
            _state = decision.State;
            return decision.Replicas;
        }
    }

    private sealed class AibrixRule(AibrixSettings settings, double target) : IScalingRule
    {
        private readonly Queue<double> _inFlight = new();
        private AibrixState _state = AibrixState.Fresh;

        public TimeSpan Period => settings.ReconcileInterval;

        public int Desired(ModelView seen)
        {
            _inFlight.Enqueue(seen.InFlight);
            while (_inFlight.Count > settings.StableWindow / settings.ReconcileInterval) _inFlight.Dequeue();
            var replicas = Math.Max(1, seen.Spec);
            // Its metric is a mean over pods, of a window.
            var decision = AibrixAutoscaler.Decide(settings, _state, new AibrixObservation(seen.Now, replicas, [new AibrixMetric(target, _inFlight.Average() / replicas, null)]));
            _state = decision.State;
            return decision.Replicas;
        }
    }
}
