using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// What one node's model cache holds in the worst case, and what a plan removes from it and brings to it. As in
/// <see cref="NodeLedger"/>, removals are kept in the order they were registered and a fetch waits for the first k of
/// them, so that a fetch never takes room that another one's evictions have yet to make.
/// </summary>
internal sealed class DiskLedger
{
    private readonly List<(StepId Evict, Bytes Frees)> _evictions;
    private readonly List<(int Level, Bytes Takes)> _fetches;
    private readonly Bytes _free;

    /// <param name="node">The node.</param>
    /// <param name="cached">Artefacts on its disk.</param>
    /// <param name="fetches">Fetches that are under way to it.</param>
    public DiskLedger(NodeState node, IEnumerable<CachedArtifact> cached, IEnumerable<WorkInFlight> fetches)
    {
        (_evictions, _fetches) = ([], []);

        // A fetch that goes on from what lies there has not said so until it has read it again: what is on the disk counts, once.
        Bytes There(WorkInFlight work) => cached.FirstOrDefault(one => one.Model == work.Model && work.Step == DiskDraft.Fetch(one.Node, one.Model, one.Version))?.Size
            ?? work.Done ?? Bytes.Zero;
        var used = cached.Aggregate(Bytes.Zero, (sum, artifact) => sum + artifact.Size);
        var left = (node.CacheBudget ?? Bytes.Zero) - used;

        // A file system of unknown free space takes nothing more, nor does one that a fetch of unknown size fills.
        _free = node.CacheFileSystemFree.TryGetLast(out var free) ? Bytes.Min(left, free) : Bytes.Zero;
        foreach (var work in fetches)
            _free = work.Total is { } total ? _free - Bytes.Max(Bytes.Zero, total - There(work)) : Bytes.Zero;
    }

    private DiskLedger(DiskLedger other) => (_evictions, _fetches, _free) = ([.. other._evictions], [.. other._fetches], other._free);

    /// <summary>The same to try things on.</summary>
    public DiskLedger Copy() => new(this);

    /// <summary>Free once everything planned is done.</summary>
    public Bytes Free => Bytes.Max(Bytes.Zero, Balance);

    /// <summary>The same, below zero by what the cache holds or awaits above what it may: so much must go before anything fits.</summary>
    public Bytes Balance => FreeAt(_evictions.Count);

    /// <summary>Free while nothing is removed and everything planned arrives.</summary>
    public Bytes FreeNow => Bytes.Max(Bytes.Zero, _fetches.Aggregate(_free, (left, fetch) => left - fetch.Takes));

    /// <summary>Registers a removal of this plan, so that later fetches may wait for it.</summary>
    public void WillEvict(StepId evict, Bytes frees) => _evictions.Add((evict, frees));

    /// <summary>Takes room at the lowest level that is safe together with all fetches so far.</summary>
    /// <returns>The removals to wait for; null when it does not fit.</returns>
    public ImmutableArray<StepId>? TryReserve(Bytes size)
    {
        for (var level = 0; level <= _evictions.Count; level++)
        {
            // A fetch of this level goes on in all states of higher levels too.
            if (!Enumerable.Range(level, _evictions.Count - level + 1).All(at => FreeAt(at) >= size)) continue;
            _fetches.Add((level, size));
            return [.. _evictions.Take(level).Select(eviction => eviction.Evict).Order()];
        }

        return null;
    }

    private Bytes FreeAt(int level)
    {
        var free = _free;
        for (var i = 0; i < level; i++) free += _evictions[i].Frees;
        foreach (var (at, takes) in _fetches)
        {
            if (at <= level) free -= takes;
        }

        return free;
    }
}
