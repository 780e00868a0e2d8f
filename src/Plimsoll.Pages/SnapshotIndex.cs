using System.Collections.Frozen;

namespace Plimsoll.Pages;

/// <summary>A snapshot by model: of thousands, each is looked up and not looked for.</summary>
public sealed class SnapshotIndex
{
    private readonly Dictionary<ModelId, List<InferenceReplica>> _replicas = [];
    private readonly FrozenDictionary<ModelId, ModelTraffic> _traffic;
    private readonly Dictionary<ModelId, WorkInFlight> _fetches = [];
    private readonly HashSet<(ModelId Model, string Version)> _complete;

    public SnapshotIndex(FleetSnapshot seen)
    {
        ArgumentNullException.ThrowIfNull(seen);
        foreach (var replica in seen.Replicas)
        {
            if (!_replicas.TryGetValue(replica.Model, out var own)) _replicas.Add(replica.Model, own = []);
            own.Add(replica);
        }

        _traffic = seen.Traffic.GroupBy(row => row.Model).ToFrozenDictionary(rows => rows.Key, rows => rows.Last());
        foreach (var work in seen.InFlight)
        {
            if (work is { Kind: WorkKind.Fetching, Model: { } model }) _fetches.TryAdd(model, work);
        }

        _complete = [.. seen.Cache.Where(copy => copy.Complete).Select(copy => (copy.Model, copy.Version))];
    }

    public IReadOnlyList<InferenceReplica> Replicas(ModelId model) => _replicas.TryGetValue(model, out var own) ? own : [];

    /// <summary>What arrived of it; null where nobody counted.</summary>
    public ModelTraffic? Traffic(ModelId model) => _traffic.GetValueOrDefault(model);

    /// <summary>The fetch of its weights that is under way; null when none is.</summary>
    public WorkInFlight? Fetch(ModelId model) => _fetches.GetValueOrDefault(model);

    /// <summary>
    /// Where the model's weights are, the nearest place of all its replicas: "device", "memory", "asleep", "loading", "disk",
    /// "fetching" or "remote".
    /// </summary>
    public string Tier(ModelSpec model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var own = Replicas(model.Id);
        return own.FirstOrDefault(replica => replica.State is ReplicaState.Ready or ReplicaState.Draining or ReplicaState.Drained) is { } warm
            ? warm.Placement.Devices.IsEmpty ? "memory" : "device"
            : own.Any(replica => replica.State == ReplicaState.Asleep) ? "asleep"
            : own.Any(replica => replica.State == ReplicaState.Loading) ? "loading"
            : !model.Cached || _complete.Contains((model.Id, model.Version)) ? "disk"
            : Fetch(model.Id) is not null ? "fetching"
            : "remote";
    }
}
