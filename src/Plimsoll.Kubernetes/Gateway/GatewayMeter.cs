using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>What came through the gateway between two looks: a row for each model that a replica of it told of, else why there is none.</summary>
internal sealed record GatewayTraffic(
    ImmutableSortedDictionary<ModelId, ModelTraffic> Rows, ImmutableSortedDictionary<ModelId, string> Missing);

/// <summary>
/// Turns what the gateway's replicas counted into what arrived: differences by replica and start, added up. A replica that
/// ended with requests in it is no reason to keep them for ever: they count as abandoned, once. Pure but for what it
/// remembers of the looks before.
/// </summary>
internal sealed class GatewayMeter(ObjectName gateway)
{
    /// <summary>A replica that was silent for longer is counted from anew.</summary>
    private static readonly TimeSpan LongestGap = TimeSpan.FromMinutes(3);

    /// <summary>What a silent replica held is believed for so long.</summary>
    private static readonly TimeSpan HeldFor = TimeSpan.FromSeconds(15);

    /// <summary>A replica is read a little later than a look is dated.</summary>
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(2);

    private readonly Dictionary<string, Last> _replicas = new(StringComparer.Ordinal);
    private DateTimeOffset? _began;

    private sealed record Last(DemandSample Sample, DateTimeOffset At, bool Buried);

    /// <summary>The traffic since the call before.</summary>
    /// <param name="models">Models whose requests come through the gateway.</param>
    /// <param name="readings">Each replica once, those that could not be read too.</param>
    /// <param name="at">The time of this look.</param>
    public GatewayTraffic Advance(IReadOnlyCollection<ModelId> models, IReadOnlyCollection<GatewayReading> readings, DateTimeOffset at)
    {
        _began ??= at;
        var sums = models.ToDictionary(model => model, _ => new Sum());
        var anyRead = readings.Any(reading => reading.Sample is not null);
        foreach (var reading in readings.OrderBy(reading => reading.Endpoint.Uid, StringComparer.Ordinal))
        {
            if (reading.Sample is { } sample) Count(reading.Endpoint.Uid, sample, sums, at);
            else Miss(reading, sums, at);
        }

        foreach (var gone in _replicas.Keys.Except(readings.Select(reading => reading.Endpoint.Uid)).ToArray())
        {
            Bury(_replicas[gone], sums);
            _replicas.Remove(gone);
        }

        var rows = ImmutableSortedDictionary.CreateBuilder<ModelId, ModelTraffic>();
        var missing = ImmutableSortedDictionary.CreateBuilder<ModelId, string>();
        foreach (var (model, sum) in sums)
        {
            if (!anyRead) missing[model] = Unread(readings);
            else if (!sum.IsKnown) missing[model] = $"no replica of the gateway {gateway} serves it yet; its name there may be an older ScaledModel's";
            else rows[model] = sum.Row(model, at);
        }

        return new GatewayTraffic(rows.ToImmutable(), missing.ToImmutable());
    }

    private string Unread(IReadOnlyCollection<GatewayReading> readings) => readings.Count == 0
        ? $"no pod of the gateway {gateway} runs, through which its requests come"
        : $"no replica of the gateway {gateway} can be read: {readings.Select(reading => reading.Why).First(why => why is not null)}";

    private void Count(string uid, DemandSample sample, Dictionary<ModelId, Sum> sums, DateTimeOffset at)
    {
        var last = _replicas.GetValueOrDefault(uid);
        if (last is not null && last.Sample.Instance != sample.Instance)
        {
            Bury(last, sums);
            last = null;
        }

        // One that started under our eyes counted all it counted since; of any other nobody knows when it did.
        var born = at - sample.Uptime;
        DateTimeOffset? since = last is not null && at > last.At && at - last.At <= LongestGap ? last.At
            : last is null && born >= _began ? born : null;
        foreach (var (model, now) in sample.Models)
        {
            if (!sums.TryGetValue(model, out var sum)) continue;
            if (since is not { } from)
            {
                sum.Hold(now);
                continue;
            }

            var before = last?.Sample.Models.GetValueOrDefault(model);
            if (last is not null && before is null && !(now.Seconds <= (at - from + Slack).TotalSeconds))
            {
                // It came into the table since, with a count from before that: nobody knows how much of it is new.
                sum.Hold(now);
                sum.IsCensored = true;
                continue;
            }

            // Out of the table and back in: counted from zero again.
            sum.Add(before is null || now.IsBefore(before) ? GatewayCounts.Zero : before, now, from);
        }

        _replicas[uid] = new Last(sample, at, false);
    }

    private void Miss(GatewayReading reading, Dictionary<ModelId, Sum> sums, DateTimeOffset at)
    {
        var last = _replicas.GetValueOrDefault(reading.Endpoint.Uid);

        // It starts: nothing is sent to it yet.
        if (last is null && !reading.Endpoint.IsReady) return;
        foreach (var sum in sums.Values) sum.IsCensored = true;
        if (last is null || last.Buried) return;
        if (at - last.At > HeldFor)
        {
            Bury(last, sums);
            _replicas[reading.Endpoint.Uid] = last with { Buried = true };
            return;
        }

        foreach (var (model, counts) in last.Sample.Models)
        {
            if (sums.TryGetValue(model, out var sum)) sum.HeldNow += counts.HeldNow;
        }
    }

    private static void Bury(Last last, Dictionary<ModelId, Sum> sums)
    {
        if (last.Buried) return;
        foreach (var (model, counts) in last.Sample.Models)
        {
            if (counts.InFlight == 0 || !sums.TryGetValue(model, out var sum)) continue;
            sum.Abandoned += counts.InFlight;
            sum.IsCensored = true;
        }
    }

    /// <summary>One model's sum over the replicas.</summary>
    private sealed class Sum
    {
        private readonly List<ServiceSample> _services = [];
        private GatewayCounts _counts = GatewayCounts.Zero;
        private DateTimeOffset? _from;
        private bool _isUntimed;
        private int _serving;

        /// <summary>Some replica knows the model.</summary>
        public bool IsKnown { get; private set; }

        public bool IsCensored { get; set; }

        public long HeldNow { get; set; }

        public long Abandoned { get; set; }

        /// <summary>What is there now, without a count of what came.</summary>
        public void Hold(GatewayCounts now)
        {
            IsKnown = true;
            HeldNow += now.HeldNow;
            _counts = _counts with { OldestHeldSeconds = Longer(_counts.OldestHeldSeconds, now.OldestHeldSeconds) };
        }

        public void Add(GatewayCounts before, GatewayCounts now, DateTimeOffset from)
        {
            Hold(now);
            _from = from < _from ? from : _from ?? from;
            _isUntimed |= now.WithinSlo is null;
            _counts = _counts with
            {
                Arrivals = _counts.Arrivals + now.Arrivals - before.Arrivals,
                RequestBytes = _counts.RequestBytes + Math.Max(0, now.RequestBytes - before.RequestBytes),
                Completed = _counts.Completed + now.Completed - before.Completed,
                Failed = _counts.Failed + now.Failed - before.Failed,
                Abandoned = _counts.Abandoned + now.Abandoned - before.Abandoned,
                Rejected = _counts.Rejected + now.Rejected - before.Rejected,
                WithinSlo = _counts.WithinSlo + Math.Max(0, (now.WithinSlo ?? 0) - (before.WithinSlo ?? 0)),
                HeldSeconds = _counts.HeldSeconds + Math.Max(0, now.HeldSeconds - before.HeldSeconds),
            };
            if (now.Completed > before.Completed) _serving++;
            if (Between(before.Service, now.Service) is { } service) _services.Add(service);
        }

        /// <summary>A row of no length where nothing could be compared: what is held is known all the same.</summary>
        public ModelTraffic Row(ModelId model, DateTimeOffset at) => new()
        {
            Model = model,
            From = _from ?? at,
            To = at,
            Arrivals = _counts.Arrivals,
            RequestBytes = _counts.RequestBytes,
            Completed = _counts.Completed,
            Failed = _counts.Failed,
            Abandoned = _counts.Abandoned + Abandoned,
            Rejected = _counts.Rejected,
            WithinSlo = _isUntimed ? 0 : _counts.WithinSlo ?? 0,
            WithinSloUnknown = _isUntimed && _counts.Completed > 0,
            HeldNow = (int)Math.Min(HeldNow, int.MaxValue),
            OldestHeld = _counts.OldestHeldSeconds is { } oldest && HeldNow > 0 ? TimeSpan.FromSeconds(oldest) : null,
            HeldRequestSeconds = _counts.HeldSeconds,

            // Each knows only its own requests in a pod: of several, none knows how many were in it.
            Service = _serving == 1 && _services.Count == 1 ? _services[0] : null,
            Censored = IsCensored,
        };

        private static double? Longer(double? one, double? other) => one > other || other is null ? one : other;

        private static ServiceSample? Between(ServiceSample? before, ServiceSample? now)
        {
            if (now is null || now.Count <= (before?.Count ?? 0)) return null;
            var count = now.Count - (before?.Count ?? 0);
            var (n, l) = (now.SumN - (before?.SumN ?? 0), now.SumL - (before?.SumL ?? 0));

            // The most and the longest are since the start: new ones belong to this interval, older ones need not.
            return new ServiceSample(
                count, n, l, Math.Max(0, now.SumNN - (before?.SumNN ?? 0)), Math.Max(0, now.SumNL - (before?.SumNL ?? 0)),
                now.MaxN > (before?.MaxN ?? 0) ? now.MaxN : (int)Math.Clamp(Math.Ceiling(n / count), 1, int.MaxValue),
                now.MaxLatencySeconds > (before?.MaxLatencySeconds ?? 0) ? now.MaxLatencySeconds : l / count);
        }
    }
}
