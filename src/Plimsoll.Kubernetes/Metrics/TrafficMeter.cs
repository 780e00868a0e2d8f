using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>
/// Turns what pods count into what arrived: arrivals = requests that ended + the change of those in flight, pod by
/// pod between two of its samples, never negative in sum. Over any stretch in which no pod restarts or leaves, the
/// rows add up to just that, however many looks were missed or doubled. Pure but for what it remembers of the look
/// before; a clock that jumps costs the interval it jumped in and invents nothing. Not safe for two threads at once.
/// </summary>
public sealed class TrafficMeter
{
    // More requests a second than one pod has ever answered; a counter that leaps further is lying.
    private const double MostPerSecond = 1e6;

    private readonly TimeSpan _longestGap;
    private readonly Dictionary<string, ServerSample> _pods = new(StringComparer.Ordinal);
    private readonly Dictionary<ModelId, ModelMemory> _models = [];
    private DateTimeOffset? _began;

    /// <param name="longestGap">
    /// How long a pod may go unread and still be counted over the gap; after that it is counted from anew. Three
    /// minutes when not given: longer than three scrapes of Prometheus, shorter than what a plan looks back on.
    /// </param>
    public TrafficMeter(TimeSpan? longestGap = null) => _longestGap = longestGap ?? TimeSpan.FromMinutes(3);

    /// <summary>The traffic since the call before.</summary>
    /// <param name="models">Each model once; the first counts.</param>
    /// <param name="readings">Each pod once, those that could not be read too; the first counts.</param>
    /// <param name="at">The time of this look.</param>
    public TrafficReading Advance(
        IReadOnlyList<MeteredModel> models, IReadOnlyList<PodReading> readings, DateTimeOffset at)
    {
        ArgumentNullException.ThrowIfNull(models);
        ArgumentNullException.ThrowIfNull(readings);
        _began ??= at;
        var pods = new Dictionary<string, PodLoad>(readings.Count, StringComparer.Ordinal);
        readings = [.. readings.Where(reading => pods.TryAdd(reading.Pod.Uid, Load(reading)))];
        var byModel = readings.ToLookup(reading => reading.Pod.Model);
        var rows = ImmutableArray.CreateBuilder<ModelTraffic>(models.Count);
        var unobserved = ImmutableSortedDictionary.CreateBuilder<ModelId, string>();
        foreach (var model in models.DistinctBy(model => model.Model).OrderBy(model => model.Model))
        {
            if (!_models.TryGetValue(model.Model, out var memory)) _models[model.Model] = memory = new ModelMemory();
            var row = Row(model, [.. byModel[model.Model]], memory, at, out var why);
            if (row is not null) rows.Add(row);
            else unobserved[model.Model] = why;
        }

        foreach (var gone in _pods.Keys.Where(uid => !pods.ContainsKey(uid)).ToArray()) _pods.Remove(gone);
        var wanted = models.Select(model => model.Model).ToHashSet();
        foreach (var gone in _models.Keys.Where(model => !wanted.Contains(model)).ToArray()) _models.Remove(gone);
        return new TrafficReading
        {
            Traffic = rows.ToImmutable(),
            Pods = pods,
            Unobserved = unobserved.ToImmutable(),
        };
    }

    private ModelTraffic? Row(
        MeteredModel model, PodReading[] readings, ModelMemory memory, DateTimeOffset at, out string why)
    {
        var look = Look(model, readings, at);
        var front = FrontInterval.Between(memory.Front, model.Front, _longestGap, mayWait: memory.To is not null);
        why = look.Why ?? front.Why ?? (look.Waits || front.Waits
            ? $"the metrics of {model.Model} are no newer than at the look before" : Nothing(model, readings));
        var held = Math.Min(look.Held + (front.Queued ?? 0), int.MaxValue);
        if (front.Waits || (look.Waits && !look.Ripe))
        {
            // Nothing new, but what was seen last is fresh enough to plan on: a row of no length says so.
            return memory.To is { } last
                ? new ModelTraffic { Model = model.Model, From = last, To = last, Arrivals = 0, HeldNow = (int)held, Censored = memory.Censored }
                : null;
        }

        foreach (var (uid, sample, _) in look.Advanced) _pods[uid] = sample;
        memory.Remember(model.Front);
        var intervals = look.Advanced.Select(pod => pod.Interval).OfType<PodInterval>().ToArray();
        if (intervals.Length == 0 && !front.Counts)
        {
            memory.To = null;
            return null;
        }

        var from = intervals.Select(interval => interval.From).Concat(front.Counts ? [front.From] : []).Min();
        var to = intervals.Select(interval => interval.To).Concat(front.Counts ? [front.To] : []).Max();
        var awake = intervals.Where(interval => !interval.Asleep).ToArray();
        var saturated = awake.Length > 0 && awake.All(interval => interval.Saturated);
        var rejected = intervals.Sum(interval => interval.Rejected);
        var row = new ModelTraffic
        {
            Model = model.Model,
            From = from,
            To = to,
            Arrivals = Whole(front.Arrived ?? memory.Settle(
                intervals.Sum(interval => interval.Arrivals) + front.QueueGrew, to, _longestGap)),
            Completed = Whole(intervals.Sum(interval => interval.Completed)),
            Failed = Whole(intervals.Sum(interval => interval.Failed)),
            Abandoned = Whole(intervals.Sum(interval => interval.Aborted)),
            Rejected = Whole(rejected),
            WithinSlo = Whole(intervals.Sum(interval => interval.WithinSlo ?? 0)),
            WithinSloUnknown = intervals.Any(interval => interval.WithinSlo is null),
            HeldNow = (int)held,
            HeldRequestSeconds = (memory.Held + held) / 2 * (to - Later(from, memory.To)).TotalSeconds,
            Service = ServicePair.Sum((awake.Any(Clear) ? awake.Where(Clear) : awake)
                .Select(interval => interval.Service).OfType<ServiceSample>()),
            Tokens = Tokens(intervals),
            Censored = saturated || rejected > 0 || front.LowerBound
                || (front.Arrived is null && (look.Missed || front.Missed || intervals.Any(interval => interval.LowerBound))),
        };
        (memory.To, memory.Held, memory.Censored) = (to, held, row.Censored);
        return row;
    }

    /// <summary>What each pod of a model adds, before it is decided whether this look counts.</summary>
    private PodsLook Look(MeteredModel model, PodReading[] readings, DateTimeOffset at)
    {
        var look = new PodsLook();
        foreach (var (pod, signal) in readings)
        {
            if (!signal.TryGetKnown(out var sample))
            {
                // A pod that is not ready yet is loading: it serves nothing, and nothing is missed.
                if (pod.ReadySince is not null) look.Miss(signal.Why ?? $"{pod.Pod} could not be read");
                continue;
            }

            look.Held += sample.Waiting ?? 0;
            if (_pods.TryGetValue(pod.Uid, out var before))
            {
                var old = at - before.At > _longestGap / 2;
                look.Ripe |= old;
                if (sample.At == before.At) look.Wait(old ? $"{pod.Pod} has no newer metrics since {before.At:u}" : null);
                else if (sample.At < before.At || sample.At - before.At > _longestGap)
                    look.Restart(pod, sample, $"{pod.Pod} was not read for too long, or a clock jumped; it is counted from now on");
                else if (sample.Target != before.Target)
                    look.Restart(pod, sample, $"{pod.Pod} is read from another scrape job than before; it is counted from now on");
                else if (PodInterval.GaugeLost(before, sample)) look.Miss($"{pod.Pod} does not say how many requests it holds");
                else Add(before, before.At);
            }
            else if (pod.ReadySince is { } ready && ready > _began && ready < sample.At && sample.At - ready <= _longestGap)
            {
                // It became ready under our eyes: all it counted, it counted since.
                Add(null, ready);
            }
            else
            {
                look.Restart(pod, sample, $"{pod.Pod} was read once so far; arrivals are counted between two looks");
            }

            void Add(ServerSample? earlier, DateTimeOffset from)
            {
                var interval = PodInterval.Between(earlier, from, sample, model.Slo, pod.Concurrency);
                if (interval.Arrivals > MostPerSecond * (sample.At - from).TotalSeconds)
                    look.Restart(pod, sample, $"{pod.Pod} counted more than a million requests a second, which is not believed");
                else look.Advanced.Add((pod.Uid, interval.Next, interval));
            }
        }

        look.Ripe |= !look.Waits;
        return look;
    }

    private static string Nothing(MeteredModel model, PodReading[] readings) =>
        readings.Length == 0
            ? $"no pod of {model.Model} runs, and only a gateway or a query for arrivals can see requests then"
            : $"no pod of {model.Model} is ready";

    // A pod that was missed reaches back into a time whose waiting was counted.
    private static DateTimeOffset Later(DateTimeOffset from, DateTimeOffset? last) => last > from ? last.Value : from;

    private static TokenSample? Tokens(PodInterval[] intervals)
    {
        var told = intervals.Select(interval => interval.Tokens).OfType<TokenSample>().ToArray();
        if (told.Length == 0) return null;
        double? Squares(Func<TokenSample, double?> of) => told.All(one => of(one) is not null) ? told.Sum(one => of(one)!.Value) : null;
        return new TokenSample(
            told.Sum(one => one.Requests), told.Sum(one => one.PromptTokens), told.Sum(one => one.AnswerTokens), Squares(one => one.PromptSquares), Squares(one => one.AnswerSquares));
    }

    private static bool Clear(PodInterval interval) => !interval.Saturated;

    private static long Whole(double count) => (long)Math.Round(Math.Clamp(count, 0, 1e15));

    private static PodLoad Load(PodReading reading)
    {
        var signal = reading.Sample;
        signal.TryGetLast(out var sample);
        var seconds = sample?.StartupSeconds ?? sample?.LoadSeconds;
        return new PodLoad
        {
            Outstanding = sample?.InFlight is not { } inFlight
                ? Signal.Missing<int>(signal.Why ?? $"{reading.Pod.Pod} does not say how many requests it holds")
                : signal.State == SignalState.Stale ? Signal.Stale((int)inFlight, sample.At, signal.Why!)
                : Signal.Known((int)inFlight, sample.At),
            Concurrency = reading.Pod.Concurrency,
            Asleep = sample?.Asleep is true,
            LoadTime = seconds is { } told and <= 864_000 ? TimeSpan.FromSeconds(told) : null,
        };
    }

    private sealed class PodsLook
    {
        /// <summary>Pods with a newer sample; those without an interval are counted from here on.</summary>
        public List<(string Uid, ServerSample Sample, PodInterval? Interval)> Advanced { get; } = [];

        public double Held { get; set; }

        /// <summary>Some pod's sample is the one already counted: Prometheus was asked more often than it asks.</summary>
        public bool Waits { get; private set; }

        /// <summary>It counts now, even if some pod has nothing new.</summary>
        public bool Ripe { get; set; }

        public bool Missed { get; private set; }

        public string? Why { get; private set; }

        /// <param name="tooLong">Why the others wait for it no longer; null while they do.</param>
        public void Wait(string? tooLong)
        {
            Waits = true;
            if (tooLong is not null) Miss(tooLong);
        }

        public void Miss(string why)
        {
            Missed = true;
            Why ??= why;
        }

        public void Restart(PodEndpoint pod, ServerSample sample, string why)
        {
            if (pod.ReadySince is not null) Miss(why);
            else Why ??= why;
            Advanced.Add((pod.Uid, sample, null));
        }
    }
}
