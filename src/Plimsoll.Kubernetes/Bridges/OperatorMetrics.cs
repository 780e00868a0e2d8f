using Microsoft.AspNetCore.Http;
using Prometheus;

namespace Plimsoll.Kubernetes.Bridges;

/// <summary>
/// The operator's numbers for Prometheus: the plan's scales, read when asked for.
/// </summary>
public sealed class OperatorMetrics
{
    private static readonly string[] Labels = ["namespace", BridgeNames.ScaledModelLabel];

    private readonly CollectorRegistry _registry;
    private readonly DesiredScales _scales;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Gauge _replicas;
    private readonly Gauge _active;
    private readonly Gauge _age;

    /// <param name="scales">The plan's scales.</param>
    /// <param name="time">By which their age goes.</param>
    /// <param name="registry">Where the operator's other metrics are; null when there are none.</param>
    public OperatorMetrics(DesiredScales scales, TimeProvider time, CollectorRegistry? registry = null)
    {
        ArgumentNullException.ThrowIfNull(scales);
        (_scales, _time, _registry) = (scales, time, registry ?? Prometheus.Metrics.NewCustomRegistry());
        var factory = Prometheus.Metrics.WithCustomRegistry(_registry);
        _replicas = factory.CreateGauge(BridgeNames.DesiredReplicas,
            "Replicas that the plan wants; absent while the last plan is too old to act on", Labels);
        _active = factory.CreateGauge("plimsoll_desired_active",
            "1 when replicas are wanted or wait for room, else 0; absent as above", Labels);
        _age = factory.CreateGauge("plimsoll_desired_age_seconds",
            "Time since the snapshot on which the scale was decided, too old or not", Labels);
        _registry.AddBeforeCollectCallback(Update);
    }

    internal async Task WriteAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        await _registry.CollectAndExportAsTextAsync(context.Response.Body, context.RequestAborted);
    }

    private void Update()
    {
        // Two scrapes at once would otherwise take away what the other has just set.
        lock (_lock)
        {
            var scales = _scales.Current;
            foreach (var gauge in (Gauge[])[_replicas, _active, _age])
            {
                foreach (var labels in gauge.GetAllLabelValues())
                {
                    var name = new ObjectName(labels[0], labels[1]);
                    if (!scales.ContainsKey(name) || (gauge != _age && !_scales.TryGet(name, out _))) gauge.RemoveLabelled(labels);
                }
            }

            foreach (var (name, scale) in scales)
            {
                _age.WithLabels(name.Namespace, name.Name).Set((_time.GetUtcNow() - scale.DecidedAt).TotalSeconds);
                if (!_scales.TryGet(name, out var fresh)) continue;
                _replicas.WithLabels(name.Namespace, name.Name).Set(fresh.Replicas);
                _active.WithLabels(name.Namespace, name.Name).Set(fresh.Active ? 1 : 0);
            }
        }
    }
}
