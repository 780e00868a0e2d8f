using Plimsoll.Simulation.Rivals.SageServe;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// SageServe's hourly plan and the tier under it. Its own predictions are a file that is not published: here the same minutes of the
/// day before, where there is one, and else the largest minute of the last hour.
/// </summary>
internal sealed class SageServeRule : IScalingRule
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    private readonly SageServeSettings _settings;
    private readonly SimulatedModel _model;
    private readonly VariantSpec _variant;
    private readonly int _least;
    private readonly List<double> _minutes = [];
    private DateTimeOffset? _began;
    private DateTimeOffset _nextPlan;
    private double _tokens;
    private int _counter;

    public SageServeRule(SimulatedModel model, RivalKnobs knobs)
    {
        (_model, _variant) = (model, model.Spec.Variants[0]);
        _least = Math.Min(model.Spec.MaxReplicas, Math.Max(model.Spec.MinReplicas, knobs.MinReplicas ?? new SageServeSettings().MinInstances));
        _settings = new SageServeSettings { MinInstances = _least, UpAbove = knobs.Target ?? new SageServeSettings().UpAbove };
    }

    public TimeSpan Period => TimeSpan.FromSeconds(1);

    /// <summary>Tokens of each whole minute so far.</summary>
    public IReadOnlyList<double> Minutes => _minutes;

    public ScalingWish Desired(ModelView seen)
    {
        if (_began is null) (_began, _nextPlan) = (seen.Now, seen.Now + _settings.PlanInterval);
        CountMinutes(seen);
        var instances = Math.Max(seen.Spec, _least);
        if (instances > seen.Spec) return instances;
        if (seen.Now >= _nextPlan)
        {
            _nextPlan += _settings.PlanInterval;
            // Steps of the last plan that nothing let through are forgotten; one that adds only opens the gate by one.
            var delta = Plan(seen, instances);
            _counter = delta > 0 ? 1 : 0;
            instances -= SageServePlanner.Removed(_settings, instances, delta);
        }

        // At each request in the original; here once a second, as a step takes longer than that anyway.
        var acting = seen.Pods.Any(pod => !pod.Ready);
        var ready = seen.Pods.Where(pod => pod.Ready).ToList();
        var use = ready.Count == 0 ? 0 : ready.Average(pod => pod.CacheUse);
        (var action, _counter) = SageServeGate.Decide(_settings, _counter, use, acting);
        return action switch
        {
            SageServeAction.Up => Math.Min(_model.Spec.MaxReplicas, instances + 1),
            SageServeAction.Down => Math.Max(_least, instances - 1),
            _ => instances,
        };
    }

    private void CountMinutes(ModelView seen)
    {
        var minute = (int)((seen.Now - _began!.Value) / TimeSpan.FromMinutes(1));
        var total = seen.Served.Prompts + seen.Served.Answers;
        // Of several at once, as metrics were away, each has its part.
        var each = (total - _tokens) / Math.Max(1, minute - _minutes.Count);
        while (_minutes.Count < minute)
        {
            _minutes.Add(each);
            _tokens = total;
        }
    }

    private int Plan(ModelView seen, int instances)
    {
        if (seen.Served.Requests == 0) return 0;
        var (prompt, answer) = (seen.Served.Prompts / seen.Served.Requests, seen.Served.Answers / seen.Served.Requests);
        var perMinute = 60 * (prompt + answer) * ProfiledRate.PerSecond(_model.Profiles[_variant.Id], _variant.Concurrency, _model.Spec.Slo, prompt, answer);
        if (perMinute <= 0) return 0;
        var forecast = SageServePlanner.Forecast(_settings, Predicted(), 0);
        return SageServePlanner.Plan(forecast, [new SageServeType(instances, perMinute)])[0];
    }

    private IEnumerable<double> Predicted()
    {
        var (from, to) = ((int)(_settings.ForecastFrom - Day).TotalMinutes + _minutes.Count, (int)(_settings.ForecastTo - Day).TotalMinutes + _minutes.Count);
        return from >= 0 ? _minutes.Skip(from).Take(to - from) : _minutes.TakeLast(60);
    }
}
