using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Aibrix;
using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;
using Plimsoll.Simulation.Rivals.Knative;
using Plimsoll.Simulation.Rivals.RayServe;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// Rules that go by requests in flight, at the gateway and in replicas. Where one has no target of its own, it is a share of what
/// a replica works on at once.
/// </summary>
internal static class RequestRules
{
    /// <summary>Knative's default utilisation, and what rules without a default of their own are given.</summary>
    public const double DefaultShare = 0.7;

    /// <summary>A rule for one model; null for a name that is not one of these.</summary>
    public static IScalingRule? Of(string name, ModelSpec model, RivalKnobs knobs)
    {
        var concurrency = model.Variants[0].Concurrency;
        var target = Math.Max(0.01, concurrency * (knobs.Target ?? DefaultShare));
        return name switch
        {
            "hpa" => new HpaRule(Hpa(model, knobs), target),
            "keda" => new KedaRule(Keda(model, knobs), target),
            "kpa" => new KpaRule(Kpa(model, knobs)),
            "ray-serve" => new RayServeRule(RayServe(model, knobs)),
            "aibrix" => new AibrixRule(Aibrix(model, knobs), target),
            "fixed" => new FixedRule(Math.Clamp((int)Math.Ceiling((knobs.Target ?? 0.5) * model.MaxReplicas), Math.Max(1, model.MinReplicas), model.MaxReplicas)),
            _ => null,
        };
    }

    /// <summary>So many replicas, whatever comes.</summary>
    public static IScalingRule Kept(int replicas) => new FixedRule(replicas);

    /// <summary>An HPA with its defaults, of which the knobs change what they name.</summary>
    public static HpaSettings Hpa(ModelSpec model, RivalKnobs knobs) => new()
    {
        MinReplicas = Math.Max(1, Least(model, knobs, 1)),
        MaxReplicas = model.MaxReplicas,
        Tolerance = knobs.Tolerance ?? 0.1,
        Behavior = Behavior(knobs),
    };

    public static AibrixSettings Aibrix(ModelSpec model, RivalKnobs knobs)
    {
        var settings = new AibrixSettings { MinReplicas = Math.Max(1, Least(model, knobs, 1)), MaxReplicas = model.MaxReplicas };
        return settings with
        {
            UpFluctuationTolerance = knobs.Tolerance ?? settings.UpFluctuationTolerance,
            DownFluctuationTolerance = knobs.Tolerance ?? settings.DownFluctuationTolerance,
            UpCooldownWindow = knobs.UpWindow ?? settings.UpCooldownWindow,
            DownCooldownWindow = knobs.DownWindow ?? settings.DownCooldownWindow,
        };
    }

    private static int Least(ModelSpec model, RivalKnobs knobs, int usual) =>
        Math.Min(model.MaxReplicas, Math.Max(model.MinReplicas, knobs.MinReplicas ?? usual));

    private static HpaBehavior Behavior(RivalKnobs knobs)
    {
        var usual = new HpaBehavior();
        return new HpaBehavior
        {
            ScaleUp = usual.ScaleUp with { StabilizationWindow = knobs.UpWindow ?? usual.ScaleUp.StabilizationWindow },
            ScaleDown = usual.ScaleDown with { StabilizationWindow = knobs.DownWindow ?? usual.ScaleDown.StabilizationWindow },
        };
    }

    // KEDA sets no tolerance; it is the cluster's, or, in newer versions, the behaviour's.
    private static KedaSettings Keda(ModelSpec model, RivalKnobs knobs)
    {
        var usual = new KedaSettings { MinReplicaCount = Least(model, knobs, 0), MaxReplicaCount = model.MaxReplicas };
        var behaves = knobs.Tolerance is not null || knobs.UpWindow is not null || knobs.DownWindow is not null;
        var behavior = Behavior(knobs);
        return usual with
        {
            CooldownPeriod = knobs.ZeroAfter ?? usual.CooldownPeriod,
            HpaBehavior = behaves
                ? new HpaBehavior { ScaleUp = behavior.ScaleUp with { Tolerance = knobs.Tolerance }, ScaleDown = behavior.ScaleDown with { Tolerance = knobs.Tolerance } }
                : null,
        };
    }

    private static KpaSettings Kpa(ModelSpec model, RivalKnobs knobs)
    {
        var concurrency = model.Variants[0].Concurrency;
        var usual = new KpaSettings
        {
            Target = KpaTarget.Concurrency(concurrency, concurrency, knobs.Target ?? DefaultShare),
            MinScale = Least(model, knobs, 0),
            MaxScale = model.MaxReplicas,
        };
        return usual with { StableWindow = knobs.UpWindow ?? usual.StableWindow, ScaleDownDelay = knobs.DownWindow ?? usual.ScaleDownDelay };
    }

    private static RayServeSettings RayServe(ModelSpec model, RivalKnobs knobs)
    {
        var usual = new RayServeSettings { MaxOngoingRequests = model.Variants[0].Concurrency, MinReplicas = Least(model, knobs, knobs.ZeroAfter is null ? 1 : 0), MaxReplicas = model.MaxReplicas };
        return usual with
        {
            TargetOngoingRequests = knobs.Target is { } share ? Math.Max(0.01, model.Variants[0].Concurrency * share) : usual.TargetOngoingRequests,
            UpscaleDelay = knobs.UpWindow ?? usual.UpscaleDelay,
            DownscaleDelay = knobs.DownWindow ?? usual.DownscaleDelay,
            DownscaleToZeroDelay = knobs.ZeroAfter,
        };
    }

    private static long Milli(double value) => (long)Math.Ceiling(value * 1000);

    private sealed class FixedRule(int replicas) : IScalingRule
    {
        public TimeSpan Period => TimeSpan.FromMinutes(1);

        public ScalingWish Desired(ModelView seen) => replicas;
    }

    private sealed class HpaRule(HpaSettings settings, double target) : IScalingRule
    {
        private HpaState _state = HpaState.Fresh;

        public TimeSpan Period => settings.SyncPeriod;

        public ScalingWish Desired(ModelView seen)
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

        public ScalingWish Desired(ModelView seen)
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

    private sealed class KpaRule(KpaSettings settings) : IScalingRule
    {
        private readonly KpaWindow _stable = new(settings.StableWindow, settings.ScrapeInterval);
        private readonly KpaWindow _panic = new(settings.PanicWindow, settings.ScrapeInterval);
        private KpaState? _state;
        private KpaScalerState? _scaler;
        private DateTimeOffset? _proxySince;

        /// <summary>Every second, as its metrics come; it decides at every second one, and at once on what comes where nothing is asked for.</summary>
        public TimeSpan Period => settings.ScrapeInterval;

        public ScalingWish Desired(ModelView seen)
        {
            _stable.Record(seen.Now, seen.InFlight);
            _panic.Record(seen.Now, seen.InFlight);
            _state ??= KpaState.Start(seen.Ready, seen.Now);
            // The revision was there before the scenario began.
            _scaler ??= new KpaScalerState(seen.Ready > 0 ? KpaActivity.Active : seen.Spec > 0 ? KpaActivity.Activating : KpaActivity.Inactive, seen.Now, true);
            if ((seen.Now - DateTimeOffset.UnixEpoch).Ticks / settings.ScrapeInterval.Ticks % 2 != 0 && (seen.Spec > 0 || seen.InFlight == 0)) return seen.Spec;
            var decision = KpaDecider.Decide(settings, _state, new KpaObservation(seen.Now, seen.Ready, _stable.Average(seen.Now), _panic.Average(seen.Now)));
            _state = decision.State;
            // A pod that is only kept for its stable window is in the path itself.
            var proxied = decision.ExcessBurstCapacity < 0 || (decision.Desired == 0 && _scaler.Activity == KpaActivity.Inactive);
            _proxySince = proxied ? _proxySince ?? seen.Now : null;
            // Its probe of the activator takes milliseconds.
            (var scale, _scaler) = KpaScaler.Apply(settings, _scaler, new(seen.Now, decision.Desired, seen.Spec, seen.Ready, ActivatorConfirmed: proxied, _proxySince));
            return scale;
        }
    }

    private sealed class RayServeRule(RayServeSettings settings) : IScalingRule
    {
        private readonly Queue<double> _ongoing = new();
        private RayServeState _state = RayServeState.Fresh;

        /// <summary>The loop of a tenth of a second, here every second: its delays are of 30 s and more.</summary>
        public TimeSpan Period => TimeSpan.FromSeconds(1);

        public ScalingWish Desired(ModelView seen)
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
        private readonly AibrixWindow _means = new(settings.StableWindow);
        private AibrixState _state = AibrixState.Fresh;

        public TimeSpan Period => settings.ReconcileInterval;

        public ScalingWish Desired(ModelView seen)
        {
            // A mean over the pods that answer, which those that load do not, and then over a window of such means; APA multiplies it by
            // all replicas, those that load among them (aibrix#2670). Where no pod answers the source has failed, and nothing changes.
            double? mean = seen.Ready == 0 ? null : seen.Pods.Where(pod => pod.Ready).Average(pod => pod.Running + seen.WaitingIn(pod));
            if (mean is { } sample) _means.Record(seen.Now, sample);
            var decision = AibrixAutoscaler.Decide(settings, _state, new AibrixObservation(
                seen.Now, Math.Max(1, seen.Spec), [new AibrixMetric(target, mean is null ? null : _means.Mean(seen.Now), null)]));
            _state = decision.State;
            return decision.Replicas;
        }
    }
}
