using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>A counter's value under one set of labels.</summary>
internal readonly record struct CounterSeries(MetricField Field, string Labels, double Value);

/// <summary>What became of one pod's counters between two samples, series by series.</summary>
internal sealed class CounterGrowth
{
    private readonly ImmutableArray<CounterSeries> _now;
    private readonly Dictionary<(MetricField, string), double> _before;

    public CounterGrowth(ImmutableArray<CounterSeries> before, ImmutableArray<CounterSeries> now)
    {
        (_now, _before) = (now, before.ToDictionary(series => (series.Field, series.Labels), series => series.Value));
        var after = now.ToDictionary(series => (series.Field, series.Labels), series => series.Value);
        var counted = before.Where(series => series.Value > 0).ToArray();
        var went = counted.Count(series => !(after.TryGetValue((series.Field, series.Labels), out var value) && value >= series.Value));
        (Broken, BeganAnew) = (went > 0, went > 0 && went == counted.Length);
    }

    /// <summary>A series that had counted fell or went.</summary>
    public bool Broken { get; }

    /// <summary>Every series that had counted fell or went, as after a restart; of a model that a server unloads it is some.</summary>
    public bool BeganAnew { get; }

    /// <summary>
    /// What a counter grew by. A series that went adds nothing, and one that fell counts from zero, as does one that was not
    /// there before: prometheus clients show it with its first event.
    /// </summary>
    public double Of(MetricField field) => _now.Where(series => series.Field == field).Sum(series =>
        _before.TryGetValue((series.Field, series.Labels), out var earlier) && series.Value >= earlier
            ? series.Value - earlier : series.Value);
}
