using System.Collections.Immutable;
using Plimsoll.Control;

namespace Plimsoll.Cli.Demo;

/// <summary>What a model's replicas were doing at one tick; those that end are in neither number but in all.</summary>
public readonly record struct ReplicasAt(TimeSpan At, int Ready, int Loading, int All);

/// <summary>
/// What the fleet did, gathered from its ticks: replicas over time, loads, releases. Only what was
/// observed; nothing is taken from plans.
/// </summary>
public sealed class FleetTimeline(ImmutableArray<ModelId> models)
{
    // A tick each 50 ms, the loop's shortest pause, for an hour.
    private const int MostTicks = 72_000;

    private readonly Lock _lock = new();
    private readonly SortedDictionary<ModelId, Track> _tracks = new(models.ToDictionary(model => model, _ => new Track()));
    private DateTimeOffset? _start;

    /// <summary>From here on ticks count; what was before is warming up.</summary>
    public void Begin(DateTimeOffset at)
    {
        lock (_lock)
        {
            _start = at;
            foreach (var track in _tracks.Values) track.Clear();
        }
    }

    public void Add(Tick tick)
    {
        ArgumentNullException.ThrowIfNull(tick);
        lock (_lock)
        {
            if (_start is not { } start) return;
            var snapshot = tick.Snapshot;
            foreach (var outcome in snapshot.Outcomes) Count(outcome);
            foreach (var (model, track) in _tracks)
            {
                if (track.Ticks.Count >= MostTicks) continue;
                var own = snapshot.Replicas.Where(replica => replica.Model == model).ToList();
                track.Ticks.Add(new ReplicasAt(
                    snapshot.At - start,
                    own.Count(replica => replica.State is ReplicaState.Ready or ReplicaState.Draining),
                    own.Count(replica => replica.State is ReplicaState.Loading or ReplicaState.Asleep), own.Count));
            }
        }
    }

    public ImmutableArray<ReplicasAt> Of(ModelId model)
    {
        lock (_lock) return [.. _tracks[model].Ticks];
    }

    /// <summary>How long its replicas were there until a time of the run, all together, from their start to their end.</summary>
    public TimeSpan ReplicaTime(ModelId model, TimeSpan until)
    {
        var (sum, ticks) = (TimeSpan.Zero, Of(model));
        for (var i = 0; i < ticks.Length && ticks[i].At < until; i++)
        {
            var next = i + 1 < ticks.Length && ticks[i + 1].At < until ? ticks[i + 1].At : until;
            sum += (next - ticks[i].At) * ticks[i].All;
        }

        return sum;
    }

    public (int Loads, int Releases, int Cycles, int Crashes) Counts(ModelId model)
    {
        lock (_lock)
        {
            var track = _tracks[model];
            return (track.Loads, track.Releases, track.Cycles, track.Crashes);
        }
    }

    private void Count(Outcome outcome)
    {
        switch (outcome)
        {
            case Outcome.Loaded loaded when _tracks.TryGetValue(loaded.Model, out var track):
                track.Loads++;
                track.Serving.Add(loaded.Replica);
                break;
            case Outcome.Exited exited when _tracks.TryGetValue(exited.Model, out var track):
                var served = track.Serving.Remove(exited.Replica);
                if (exited.Asked) track.Releases++;
                else track.Crashes++;
                if (exited.Asked && served) track.Cycles++;
                break;
        }
    }

    private sealed class Track
    {
        public List<ReplicasAt> Ticks { get; } = [];

        public HashSet<ReplicaId> Serving { get; } = [];

        public int Loads { get; set; }

        public int Releases { get; set; }

        public int Cycles { get; set; }

        public int Crashes { get; set; }

        public void Clear()
        {
            Ticks.Clear();
            (Loads, Releases, Cycles, Crashes) = (0, 0, 0, 0);
        }
    }
}
