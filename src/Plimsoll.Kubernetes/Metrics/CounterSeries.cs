using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>A counter's value under one set of labels.</summary>
internal readonly record struct CounterSeries(MetricField Field, string Labels, double Value);

/// <summary>What became of one pod's counters between two samples, series by series.</summary>
internal sealed class CounterGrowth
{
    private readonly ImmutableArray<CounterSeries> _now;
    private readonly Dictionary<(MetricField, string), double> _before;

    /// <param name="before">The earlier ones.</param>
    /// <param name="now">The later ones.</param>
    /// <param name="runsOn">The process says that it is the one it was, so that none of its counters began anew.</param>
    public CounterGrowth(ImmutableArray<CounterSeries> before, ImmutableArray<CounterSeries> now, bool runsOn)
    {
        (_now, _before) = (now, before.ToDictionary(series => (series.Field, series.Labels), series => series.Value));
        var after = now.ToDictionary(series => (series.Field, series.Labels), series => series.Value);
        var counted = before.Where(series => series.Value > 0).OrderByDescending(series => series.Value).ToArray();
        double? Now(CounterSeries series) => after.TryGetValue((series.Field, series.Labels), out var value) ? value : null;
        bool IsAnew(CounterSeries series) => Now(series) is not { } value || FellFar(series.Value, value);
        var went = counted.Count(series => !(Now(series) >= series.Value));
        SteppedBack = counted.Any(series => Now(series) < series.Value && (runsOn || !IsAnew(series)));

        // The largest tells a restart best: of one that counted two, one is no sign of anything.
        (Broken, BeganAnew) = (went > 0, went > 0 && went == counted.Length && IsAnew(counted[0]));
    }

    /// <summary>A series that had counted fell or went.</summary>
    public bool Broken { get; }

    /// <summary>
    /// Every series that had counted fell far or went, as after a restart; of a model that a server unloads it is some.
    /// </summary>
    public bool BeganAnew { get; }

    /// <summary>
    /// A series fell, and not as by a restart: these values are from before the others. Of two Prometheus servers that scrape
    /// by turns one may have told when, and the other how many.
    /// </summary>
    public bool SteppedBack { get; }

    /// <summary>
    /// Whether a counter is so far below what it was that it began anew: 3 after 100 did, and 999 990 after 1 000 000 is an
    /// older reading, of which all would else count as having come just now.
    /// </summary>
    public static bool FellFar(double before, double now) => now < before / 2;

    /// <summary>
    /// What a counter grew by. A series that went adds nothing, and one that fell far counts from zero, as does one that was
    /// not there before: prometheus clients show it with its first event.
    /// </summary>
    public double Of(MetricField field) => _now.Where(series => series.Field == field).Sum(series =>
        !_before.TryGetValue((series.Field, series.Labels), out var earlier) || FellFar(earlier, series.Value)
            ? series.Value : Math.Max(0, series.Value - earlier));
}
