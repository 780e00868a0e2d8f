using System.Collections.Immutable;

namespace Plimsoll;

// What several lose that go together: those of a model that stay take over what those had that went, as far as they can.
internal sealed partial class Eviction
{
    private readonly Lazy<Dictionary<ReplicaId, InferenceReplica>> _replicas = new(() => observed.Replicas.ToDictionary(replica => replica.Id));

    // Of each model by its outlook, and of how many in all.
    private Dictionary<ModelOutlook, int>? _goneOf;
    private int _goneIn;

    // Counted once for a claimant, and only where it is a version's successor.
    private int? _mayYield;

    // Of the claimant's replicas those that this plan has found room for.
    private int _begun;

    // How many others of its model that serve go already, in this plan or for this claimant.
    private int Gone(in Holder holder, HashSet<ReplicaId> going)
    {
        if (!settings.LossesTogether || holder.Left <= 0) return 0;
        var gone = going.Count == 0 ? 0 : GoneIn(going).GetValueOrDefault(holder.Owner);
        foreach (ref readonly var one in Chosen)
            gone += one.Replica.Model == holder.Replica.Model && one.Replica.State == ReplicaState.Ready && one.At != holder.At ? 1 : 0;
        return gone;
    }

    // They only become more, but for those that are kept after all.
    private Dictionary<ModelOutlook, int> GoneIn(HashSet<ReplicaId> going)
    {
        if (_goneOf is not null && _goneIn == going.Count) return _goneOf;
        (_goneOf, _goneIn) = (new Dictionary<ModelOutlook, int>(ReferenceEqualityComparer.Instance), going.Count);
        foreach (var id in going)
        {
            if (_replicas.Value.TryGetValue(id, out var replica) && replica.State == ReplicaState.Ready && outlooks.TryGetValue(replica.Model, out var owner))
                _goneOf[owner] = _goneOf.GetValueOrDefault(owner) + 1;
        }

        return _goneOf;
    }

    /// <summary>One that went is kept after all.</summary>
    public void Kept() => _goneOf = null;

    // One more of its model goes, so that the others' loss is more, and some may not go any more. Whether there are any.
    private bool WeighAnew(
        ModelOutlook claimant, NodeLedger ledger, Here here, ImmutableArray<InferenceReplica> mustGo, HashSet<ReplicaId> going, Candidate taken, int from)
    {
        var any = false;
        for (var i = _candidates.Count - 1; i >= from; i--)
        {
            if (_candidates[i].Replica.Model != taken.Replica.Model) continue;
            any = true;
            if (Anew(claimant, ledger, here, mustGo, going, _candidates[i]) is { } anew) _candidates[i] = anew;
            else _candidates.RemoveAt(i);
        }

        return any;
    }

    // Each of those chosen by those before it: one that was kept after all makes what the others lose less.
    private void WeighTogether(ModelOutlook claimant, NodeLedger ledger, Here here, ImmutableArray<InferenceReplica> mustGo, HashSet<ReplicaId> going)
    {
        Candidate[] together = [.. _chosen];
        _chosen.Clear();
        foreach (var one in together) _chosen.Add(Anew(claimant, ledger, here, mustGo, going, one) ?? one);
    }

    private Candidate? Anew(
        ModelOutlook claimant, NodeLedger ledger, Here here, ImmutableArray<InferenceReplica> mustGo, HashSet<ReplicaId> going, Candidate one) =>
        Consider(claimant, ledger, here.All[one.At], mustGo.Contains(one.Replica), Gone(here.All[one.At], going));

    // Whether nothing that could go here is better than what was found on another node: who matters least goes first, then who loses least.
    private bool IsNoBetter(ModelOutlook claimant, int rank, double loss)
    {
        var least = _candidates.Min(candidate => candidate.Loss);
        if (!settings.LossesTogether) return least >= loss;
        var lowest = _candidates.Min(candidate => Math.Min(candidate.Priority, claimant.Model.Priority));
        return lowest > rank || (lowest == rank && least >= loss);
    }

    // So many of the version before may go at once for their successors: a quarter of what is wanted, as a Deployment's rollout has it, and one
    // at the least, as there would be no way to begin; none while fewer serve. Where there is no room for all that are wanted, of those there are.
    private int MayYield(ModelOutlook claimant, HashSet<ReplicaId> going)
    {
        var (wanted, serving, there) = (allocations[claimant.Model.Id].Wanted, 0, claimant.Loading + _begun);
        foreach (var replica in observed.Replicas)
        {
            if (replica.Model != claimant.Model.Id) continue;
            if (replica.State == ReplicaState.Ready && !going.Contains(replica.Id)) serving++;

            // In its place another comes.
            else if (replica.State is ReplicaState.Draining or ReplicaState.Drained) there++;
        }

        if (settings.ReplacedByQuarters) wanted = Math.Min(wanted, serving + there);
        return Math.Max(0, serving - Math.Max(0, wanted - Math.Max(1, wanted / 4)));
    }
}
