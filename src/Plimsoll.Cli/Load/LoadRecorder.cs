using System.Collections.Immutable;
using HdrHistogram;
using Plimsoll.Cli.Load.Sending;

namespace Plimsoll.Cli.Load;

/// <summary>Collects the results of a run as they come, from any thread. Percentiles are exact to three digits.</summary>
/// <param name="slo">The SLO's latency of each model; null where there is none.</param>
public sealed class LoadRecorder(Func<ModelId, TimeSpan?> slo)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<ModelId, Tally> _models = [];
    private readonly Tally _all = new();
    private readonly LongHistogram _lag = Tally.NewHistogram();

    public void Record(RequestResult result)
    {
        var model = result.Request.Model;
        var isWithin = result is { IsSent: true, Failure: null } && slo(model) is { } limit && result.Latency <= limit;
        lock (_lock)
        {
            if (!_models.TryGetValue(model, out var tally)) _models[model] = tally = new Tally();
            tally.Add(result, isWithin);
            _all.Add(result, isWithin);
            Tally.Put(_lag, result.Lag);
        }
    }

    /// <summary>Requests ended so far.</summary>
    public long Ended
    {
        get
        {
            lock (_lock) return _all.Due;
        }
    }

    /// <summary>What was measured so far.</summary>
    public LoadReport Report(string url, ulong seed, TimeSpan took, TimeSpan? sloShown, ImmutableArray<string> notes)
    {
        lock (_lock)
        {
            var hasSlo = _models.Keys.Any(model => slo(model) is not null);
            return new LoadReport
            {
                Url = url,
                Seed = seed,
                Seconds = Math.Round(took.TotalSeconds, 3),
                SloMs = sloShown?.TotalMilliseconds,
                Notes = notes,
                All = _all.Report("all", hasSlo),
                Models = [.. _models.Select(pair => pair.Value.Report(pair.Key.Value, slo(pair.Key) is not null))],
                GeneratorLagMs = Tally.PercentilesOf(_lag),
            };
        }
    }

    private sealed class Tally
    {
        // One microsecond to an hour: what is above an hour is counted as an hour.
        private const long MostMicroseconds = 3_600_000_000;

        private readonly LongHistogram _latency = NewHistogram();
        private readonly SortedDictionary<string, long> _failures = new(StringComparer.Ordinal);
        private long _notSent;
        private long _within;
        private long _held;
        private TimeSpan _longestHeld;

        public long Due { get; private set; }

        public static LongHistogram NewHistogram() => new(1, MostMicroseconds, 3);

        public static void Put(LongHistogram histogram, TimeSpan value) =>
            histogram.RecordValue(Math.Clamp((long)value.TotalMicroseconds, 1, MostMicroseconds));

        public static Percentiles PercentilesOf(LongHistogram histogram)
        {
            if (histogram.TotalCount == 0) return new Percentiles(0, 0, 0, 0, 0, 0);
            return new Percentiles(histogram.TotalCount, At(50), At(90), At(99), At(99.9), At(100));

            double At(double percentile) => Math.Round(histogram.GetValueAtPercentile(percentile) / 1000.0, 3);
        }

        public void Add(RequestResult result, bool isWithin)
        {
            Due++;
            if (isWithin) _within++;
            if (result.Held is { Ticks: > 0 } held)
            {
                _held++;
                if (held > _longestHeld) _longestHeld = held;
            }

            if (!result.IsSent) _notSent++;
            else if (result.Failure is { } kind) _failures[kind] = _failures.GetValueOrDefault(kind) + 1;
            else Put(_latency, result.Latency);
        }

        public ModelLoad Report(string name, bool hasSlo) => new()
        {
            Model = name,
            Due = Due,
            NotSent = _notSent,
            Succeeded = _latency.TotalCount,
            Failures = _failures.ToImmutableSortedDictionary(StringComparer.Ordinal),
            LatencyMs = PercentilesOf(_latency),
            WithinSlo = hasSlo && Due > 0 ? Math.Round((double)_within / Due, 6) : null,
            Held = _held,
            LongestHeldMs = Math.Round(_longestHeld.TotalMilliseconds, 3),
        };
    }
}
