using System.Collections.Immutable;
using Plimsoll.Simulation.Fleet;

namespace Plimsoll.Simulation.Runs;

/// <summary>How a run went, at moments that are evenly apart.</summary>
public sealed record Timeline
{
    /// <summary>Seconds of the run, rising.</summary>
    public required ImmutableArray<double> At { get; init; }

    /// <summary>One for each model, ordered by model.</summary>
    public required ImmutableArray<ModelTimeline> Models { get; init; }
}

/// <summary>One model at each moment.</summary>
/// <param name="Model">The model.</param>
/// <param name="ArrivalsPerSecond">Since the moment before.</param>
/// <param name="Ready">Replicas that serve.</param>
/// <param name="Loading">Replicas that load.</param>
/// <param name="Held">Requests that wait at the gateway.</param>
/// <param name="WithinSlo">The share of those that ended since the moment before; null where none did.</param>
public sealed record ModelTimeline(
    ModelId Model, ImmutableArray<double> ArrivalsPerSecond, ImmutableArray<int> Ready, ImmutableArray<int> Loading, ImmutableArray<int> Held, ImmutableArray<double?> WithinSlo);

/// <summary>Takes a timeline while a run goes.</summary>
internal sealed class TimelineTaker
{
    private readonly double _step;
    private readonly List<double> _at = [];
    private readonly ImmutableArray<Row> _rows;
    private double _next;

    public TimelineTaker(SimulatedCluster cluster, int moments)
    {
        _step = cluster.World.Length.TotalSeconds / Math.Max(1, moments);
        _rows = [.. cluster.Requests.Values.OrderBy(one => one.Model.Id).Select(one => new Row(one))];
    }

    public void Look(SimulatedCluster cluster)
    {
        if (cluster.Now < _next) return;
        var since = _at.Count > 0 ? cluster.Now - _at[^1] : 0;
        _at.Add(cluster.Now);
        _next = cluster.Now + _step;
        var states = cluster.Replicas.ToLookup(replica => replica.Model.Id, replica => replica.State);
        foreach (var row in _rows) row.Add(states[row.Model], since);
    }

    public Timeline Taken() => new() { At = [.. _at], Models = [.. _rows.Select(row => row.Taken())] };

    private sealed class Row(Requests.IModelRequests requests)
    {
        private readonly List<double> _arrivals = [];
        private readonly List<int> _ready = [];
        private readonly List<int> _loading = [];
        private readonly List<int> _held = [];
        private readonly List<double?> _within = [];
        private long _arrived;
        private long _ended;
        private long _inTime;

        public ModelId Model => requests.Model.Id;

        public void Add(IEnumerable<ReplicaState> states, double since)
        {
            var (ready, loading) = (0, 0);
            foreach (var state in states)
            {
                if (state == ReplicaState.Ready) ready++;
                else if (state == ReplicaState.Loading) loading++;
            }

            var (arrived, ended, inTime) = (requests.Arrived, requests.Ended, requests.InTime);
            _arrivals.Add(since > 0 ? (arrived - _arrived) / since : 0);
            _within.Add(ended > _ended ? (inTime - _inTime) / (double)(ended - _ended) : null);
            (_arrived, _ended, _inTime) = (arrived, ended, inTime);
            _ready.Add(ready);
            _loading.Add(loading);
            _held.Add(requests.HeldNow);
        }

        public ModelTimeline Taken() => new(Model, [.. _arrivals], [.. _ready], [.. _loading], [.. _held], [.. _within]);
    }
}
