using System.Collections.Immutable;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>What ended between two looks at the pods: loads, crashes, pods that are gone.</summary>
internal sealed class PodHistory
{
    // Kubernetes writes whole seconds: a load that ends in the second it began in took about half of one.
    private static readonly TimeSpan ShortestLoad = TimeSpan.FromMilliseconds(500);

    // Nodes' clocks and ours, and the whole seconds that Kubernetes writes.
    private static readonly TimeSpan ClocksApart = TimeSpan.FromSeconds(5);

    private sealed record Seen(ModelId Model, ReplicaId Replica, bool Ready, int Restarts, bool Ending, ReplicaState State)
    {
        /// <summary>Of a group one that its leader does not stand for: its end is the group's, which its leader's pod tells of.</summary>
        public bool IsWorker { get; init; }
    }

    private readonly List<Outcome> _failures = [];
    private Dictionary<string, Seen> _seen = new(StringComparer.Ordinal);
    private IReadOnlyDictionary<string, int> _live = new Dictionary<string, int>();
    private HashSet<ReplicaId> _ending = [];
    private bool _first = true;
    private DateTimeOffset _looked;

    /// <summary>Whether the replica's pod was told to end already.</summary>
    public bool IsEnding(ReplicaId replica) => _ending.Contains(replica);

    /// <summary>Replicas there were at the last look of a workload (<see cref="SnapshotBuilder.KeyOf"/>).</summary>
    public int Live(string workload) => _live.GetValueOrDefault(workload);

    /// <summary>Whether the pod was seen to serve, now or before.</summary>
    public bool HasServed(PodView pod) => _seen.GetValueOrDefault(pod.Uid) is { Ready: true };

    /// <summary>Tells the next look that something could not be done.</summary>
    public void Failed(StepId step, ModelId model, string why, DateTimeOffset at) =>
        _failures.Add(new Outcome.StepFailed { Step = step, Model = model, Why = why, At = at });

    /// <summary>What ended since the call before; nothing at the first, as pods are taken over as they are.</summary>
    public ImmutableArray<Outcome> Advance(IEnumerable<PodView> pods, SnapshotBuilder built, DateTimeOffset at)
    {
        var outcomes = new List<Outcome>(_failures);
        _failures.Clear();
        var now = new Dictionary<string, Seen>(StringComparer.Ordinal);
        var ending = new HashSet<ReplicaId>();
        foreach (var pod in pods)
        {
            if (built.OwnerOf(pod) is not { Spec: { } spec } owner) continue;
            var worker = pod.WorkerIndex > 0;
            if (worker && built.LeaderOf(pod) is null) continue;
            var id = SnapshotBuilder.IdOf(built.LeaderOf(pod) ?? pod);
            var serves = !worker && built.Serves(pod);
            var state = pod.DeletedAt is not null ? ReplicaState.Stopping : serves ? ReplicaState.Ready : ReplicaState.Loading;
            var before = _seen.GetValueOrDefault(pod.Uid);
            if (pod.DeletedAt is not null && !worker) ending.Add(id);
            if (!pod.IsOver) now[pod.Uid] = new Seen(owner.Id, id, serves || before is { Ready: true }, pod.Restarts, pod.DeletedAt is not null, state) { IsWorker = worker };
            if (_first) continue;
            // Of one that served before anybody looked at it, its model being weighed late or named later, the last readiness is known and not
            // the load: of a node that was lost for a minute it may be hours after.
            if (serves && before is not { Ready: true } && (before is not null || pod.ReadyChangedAt >= _looked - ClocksApart) && pod is { ReadyChangedAt: { } ready, ScheduledAt: { } scheduled, Restarts: 0 } && ready >= scheduled)
            {
                outcomes.Add(new Outcome.Loaded
                {
                    At = at,
                    Replica = id,
                    Model = owner.Id,
                    Version = spec.Version,
                    Size = spec.Footprint.Weights,
                    Took = ready > scheduled ? ready - scheduled : ShortestLoad,
                    Variant = spec.Variants[0].Id,
                });
            }

            if (before is not null && pod.Restarts > before.Restarts || pod.IsOver && before is not null)
            {
                outcomes.Add(new Outcome.Exited
                {
                    At = at,
                    Replica = id,
                    Model = owner.Id,
                    Was = before!.State,
                    Asked = false,
                    Why = $"pod {pod.Name.Name}: {pod.Trouble ?? (pod.IsOver ? pod.Phase : "its container ended")}",
                });
            }
        }

        var exits = outcomes.OfType<Outcome.Exited>().Select(exited => exited.Replica).ToHashSet();
        foreach (var (uid, gone) in _seen)
        {
            if (gone.IsWorker || now.ContainsKey(uid) || !exits.Add(gone.Replica)) continue;
            // Whoever deleted it (a scale-down, an eviction, a person): it did not crash.
            outcomes.Add(new Outcome.Exited { At = at, Replica = gone.Replica, Model = gone.Model, Was = gone.State, Asked = true, Why = "its pod was deleted" });
        }

        (_seen, _ending, _live, _first, _looked) = (now, ending, built.Live, false, at);
        return [.. outcomes];
    }
}
