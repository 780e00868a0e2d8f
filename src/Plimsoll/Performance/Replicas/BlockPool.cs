namespace Plimsoll;

/// <summary>
/// Blocks of keys and values that nobody uses, in the order they were given back, which is the order they are given out
/// again. A preempted request's blocks lie among them, its last block first, until they are given out: it may take back
/// what is left of them.
/// </summary>
internal sealed class BlockPool
{
    private const int Nobody = -1;

    // A ring of runs of blocks; a run whose owner took it back stays as an empty one until it reaches the head.
    private (int Owner, long Blocks)[] _runs = new (int, long)[64];
    private long _head;
    private long _tail;
    private readonly Dictionary<int, long> _kept = [];

    public BlockPool(long blocks)
    {
        Total = Free = blocks;
        Add(Nobody, blocks);
    }

    public long Total { get; }

    public long Free { get; private set; }

    /// <summary>Gives out blocks, oldest first.</summary>
    public void Take(long blocks)
    {
        if (blocks > Free) throw new InvalidOperationException($"{blocks} blocks asked of {Free}");
        Free -= blocks;
        while (blocks > 0)
        {
            ref var run = ref _runs[_head & (_runs.Length - 1)];
            var taken = Math.Min(blocks, run.Blocks);
            run.Blocks -= taken;
            blocks -= taken;
            if (run.Blocks > 0) break;
            if (run.Owner != Nobody) _kept.Remove(run.Owner);
            _head++;
        }
    }

    /// <summary>Takes blocks back that hold nothing anyone will ask for.</summary>
    public void Return(long blocks)
    {
        Free += blocks;
        if (_tail > _head && _runs[(_tail - 1) & (_runs.Length - 1)].Owner == Nobody)
            _runs[(_tail - 1) & (_runs.Length - 1)].Blocks += blocks;
        else
            Add(Nobody, blocks);
    }

    /// <summary>The same of a request that will come back for them.</summary>
    public void ReturnFor(int owner, long blocks)
    {
        Free += blocks;
        _kept[owner] = _tail;
        Add(owner, blocks);
    }

    /// <summary>Blocks of its own that are still there, of its sequence's start.</summary>
    public long Kept(int owner) => _kept.TryGetValue(owner, out var at) ? _runs[at & (_runs.Length - 1)].Blocks : 0;

    /// <summary>The request takes the first of its own back; the others are nobody's.</summary>
    public void TakeOwn(int owner, long blocks)
    {
        if (!_kept.Remove(owner, out var at)) return;
        ref var run = ref _runs[at & (_runs.Length - 1)];
        run = (Nobody, run.Blocks - blocks);
        Free -= blocks;
    }

    private void Add(int owner, long blocks)
    {
        if (_tail - _head == _runs.Length) Grow();
        _runs[_tail++ & (_runs.Length - 1)] = (owner, blocks);
    }

    private void Grow()
    {
        var larger = new (int, long)[_runs.Length * 2];
        for (var i = _head; i < _tail; i++) larger[i & (larger.Length - 1)] = _runs[i & (_runs.Length - 1)];
        _runs = larger;
    }
}
