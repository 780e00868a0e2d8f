using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Bridges;
using Prometheus;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// What the operator tells Prometheus of itself and, while it leads, of its models. One that stands by tells nothing of
/// models, so that a sum over all operators counts each model once.
/// </summary>
public sealed class OperatorTelemetry
{
    private static readonly string[] PerModel = ["namespace", BridgeNames.ScaledModelLabel];
    private static readonly string[] PerState = [.. PerModel, "state"];
    private static readonly string[] PerCondition = [.. PerModel, "condition", "reason"];

    private readonly Gauge _leads;
    private readonly Gauge _sees;
    private readonly Histogram _turns;
    private readonly Counter _steps;
    private readonly Counter _requests;
    private readonly Counter _requestsByResource;
    private readonly Gauge _longest;
    private readonly Gauge _memory;
    private readonly Gauge _memoryMost;
    private readonly Gauge _replicas;
    private readonly Gauge _weight;
    private readonly Gauge _demand;
    private readonly Gauge _forecast;
    private readonly Gauge _load;
    private readonly Gauge _objective;
    private readonly Gauge _conditions;
    private readonly Counter _completed;
    private readonly Counter _within;

    public OperatorTelemetry()
    {
        var factory = Prometheus.Metrics.WithCustomRegistry(Registry);
        _leads = factory.CreateGauge("plimsoll_operator_leads", "1 while this operator leads and may write");
        _sees = factory.CreateGauge("plimsoll_operator_sees_cluster", "1 while it sees the cluster whole; while it does not, nothing is decided");
        _turns = factory.CreateHistogram("plimsoll_operator_turn_seconds", "From looking at the cluster to having begun what the plan says",
            new HistogramConfiguration { Buckets = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 1, 1.5, 2.5, 5, 10, 30] });
        _steps = factory.CreateCounter("plimsoll_steps_started_total", "Steps of plans that were started", "kind");
        _requests = factory.CreateCounter("plimsoll_apiserver_requests_total", "Requests to the API server; code \"none\" where nothing answered", "verb", "code");
        _requestsByResource = factory.CreateCounter("plimsoll_apiserver_requests_by_resource_total", "The same by what was asked for; a read of many objects is a LIST", "verb", "resource", "code");
        _longest = factory.CreateGauge("plimsoll_operator_turn_longest_seconds", "The longest turn since the operator started");
        _memory = factory.CreateGauge("process_resident_memory_bytes", "Memory of the operator that is in use");
        _memoryMost = factory.CreateGauge("plimsoll_operator_resident_memory_most_bytes", "The most memory of the operator that was in use at a time");
        _replicas = factory.CreateGauge("plimsoll_model_replicas", "Replicas of a model, by state", PerState);
        _weight = factory.CreateGauge("plimsoll_model_weight_bytes", "What a model's weights take in memory", PerModel);
        _demand = factory.CreateGauge("plimsoll_model_demand_per_second", "Requests that arrive in a second; absent while nobody counts them", PerModel);
        _forecast = factory.CreateGauge("plimsoll_model_forecast_per_second", "Requests in a second that the plan prepares for; absent as above", PerModel);
        _load = factory.CreateGauge("plimsoll_model_load_seconds", "How long a replica takes until it serves, at the 90th percentile", PerModel);
        _objective = factory.CreateGauge("plimsoll_model_slo_attainment_target_ratio", "The share of requests that must be within the objective's latency", PerModel);
        _conditions = factory.CreateGauge("plimsoll_model_condition", "A ScaledModel's condition: 1 True, 0 False, -1 Unknown", PerCondition);
        _completed = factory.CreateCounter("plimsoll_model_requests_completed_total", "Requests that were answered and whose latency was seen", PerModel);
        _within = factory.CreateCounter("plimsoll_model_requests_within_slo_total", "Those of them within the objective's latency", PerModel);
    }

    /// <summary>Where whoever else counts something in the operator makes its metrics.</summary>
    public CollectorRegistry Registry { get; } = Prometheus.Metrics.NewCustomRegistry();

    /// <summary>How the operator is; to be told at each scrape.</summary>
    internal void Tell(
        OperatorHealth health, IReadOnlyDictionary<string, long> requests,
        IReadOnlyDictionary<(string Verb, string Resource, string Answer), long> byResource)
    {
        foreach (var (asked, count) in byResource) _requestsByResource.WithLabels(asked.Verb, asked.Resource, asked.Answer).IncTo(count);
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        _memory.Set(self.WorkingSet64);
        _memoryMost.Set(self.PeakWorkingSet64);
        _leads.Set(health.Leads ? 1 : 0);
        _sees.Set(health.Ready ? 1 : 0);
        foreach (var (request, count) in requests)
        {
            if (request.Split(' ') is [var verb, var code]) _requests.WithLabels(verb, code).IncTo(count);
        }

        if (health.Leads) return;
        foreach (var gauge in (Gauge[])[_replicas, _weight, _demand, _forecast, _load, _objective, _conditions])
            foreach (var labels in gauge.GetAllLabelValues()) gauge.RemoveLabelled(labels);
    }

    /// <summary>What a turn came to.</summary>
    internal void Turned(Tick tick, IReadOnlyList<ModelConditions> models, TimeSpan took)
    {
        _turns.Observe(took.TotalSeconds);
        _longest.Set(Math.Max(_longest.Value, took.TotalSeconds));
        foreach (var kind in tick.Plan.Steps.Where(step => tick.Applied.Started.Contains(step.Id)).CountBy(step => step.GetType().Name))
            _steps.WithLabels(kind.Key).Inc(kind.Value);
        foreach (var traffic in tick.Snapshot.Traffic.Where(traffic => traffic is { WithinSloUnknown: false, Completed: > 0 }))
        {
            var labels = LabelsOf(traffic.Model);
            _completed.WithLabels(labels).Inc(traffic.Completed);
            _within.WithLabels(labels).Inc(Math.Min(traffic.WithinSlo, traffic.Completed));
        }

        var replicas = new Series(_replicas);
        foreach (var ((model, state), count) in tick.Snapshot.Replicas.CountBy(replica => (replica.Model, replica.State)))
            replicas.Set([.. LabelsOf(model), state.ToString()], count);
        replicas.End();

        var (demand, forecast, load) = (new Series(_demand), new Series(_forecast), new Series(_load));
        foreach (var verdict in tick.Plan.Models)
        {
            var labels = LabelsOf(verdict.Model);
            if (verdict.DemandPerSecond.TryGetLast(out var arrives)) demand.Set(labels, arrives);
            if (verdict.ForecastPerSecond.TryGetLast(out var expected)) forecast.Set(labels, expected);
            load.Set(labels, verdict.LoadTime.TotalSeconds);
        }

        var objective = new Series(_objective);
        foreach (var model in tick.Spec.Models) objective.Set(LabelsOf(model.Id), model.Slo.Attainment);
        objective.End();
        demand.End();
        forecast.End();
        load.End();
        Show(models);
    }

    private void Show(IReadOnlyList<ModelConditions> models)
    {
        var (weight, conditions) = (new Series(_weight), new Series(_conditions));
        foreach (var model in models)
        {
            string[] labels = [model.Name.Namespace, model.Name.Name];
            if (model.Weights is { } weights) weight.Set(labels, weights.Value);
            foreach (var condition in model.Conditions)
                conditions.Set([.. labels, condition.Type, condition.Reason], condition.Holds switch { true => 1, false => 0, null => -1 });
        }

        weight.End();
        conditions.End();
    }

    private static string[] LabelsOf(ModelId model) => ObjectName.Parse(model.Value) is { } name ? [name.Namespace, name.Name] : ["", model.Value];

    /// <summary>A gauge that is told whole: what is not set again is taken away.</summary>
    private sealed class Series(Gauge gauge)
    {
        private readonly HashSet<string> _set = new(StringComparer.Ordinal);

        public void Set(string[] labels, double value)
        {
            gauge.WithLabels(labels).Set(value);
            _set.Add(string.Join('\n', labels));
        }

        public void End()
        {
            foreach (var labels in gauge.GetAllLabelValues())
            {
                if (!_set.Contains(string.Join('\n', labels))) gauge.RemoveLabelled(labels);
            }
        }
    }
}
