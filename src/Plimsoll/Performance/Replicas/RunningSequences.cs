namespace Plimsoll;

/// <summary>
/// Sequences that get a token in every step. None is touched from step to step: when each ends and when it needs another
/// block follow from the step it began in, so a step costs the same however many there are.
/// </summary>
internal sealed class RunningSequences
{
    private readonly int _blockTokens;

    /// <summary>How many need a block in a step, by the step's number modulo a block's tokens.</summary>
    private readonly int[] _needing;

    // A heap by (last step, request); entries of preempted requests stay in it and are passed over.
    private readonly PriorityQueue<(long Step, int Request), (long Step, int Request)> _ends = new();

    /// <summary>Sum over them of tokens held less the step's number: the whole context is this and the number times the count.</summary>
    private long _offsets;

    public RunningSequences(int blockTokens) => (_blockTokens, _needing) = (blockTokens, new int[blockTokens]);

    public int Count { get; private set; }

    /// <summary>Tokens held by all of them when a step begins.</summary>
    public long TokensAt(long step) => _offsets + (step * Count);

    /// <summary>Blocks that all of them together need for a step.</summary>
    public int NeedAt(long step) => _needing[step % _blockTokens];

    /// <param name="request">Which.</param>
    /// <param name="tokens">Tokens held when the step begins.</param>
    /// <param name="step">The first step that gives it a token.</param>
    /// <param name="last">The step that gives it its last one.</param>
    public void Add(int request, long tokens, long step, long last)
    {
        Count++;
        _offsets += tokens - step;
        _needing[Phase(tokens, step)]++;
        _ends.Enqueue((last, request), (last, request));
    }

    /// <summary>Takes one out, be it done or preempted.</summary>
    public void Remove(long tokens, long step)
    {
        Count--;
        _offsets -= tokens - step;
        _needing[Phase(tokens, step)]--;
    }

    /// <summary>The next request whose last step this may be; the caller knows whether it was preempted meanwhile.</summary>
    public bool TryEnding(long step, out int request)
    {
        request = -1;
        if (!_ends.TryPeek(out var next, out _) || next.Step > step) return false;
        request = _ends.Dequeue().Request;
        return true;
    }

    /// <summary>The step, modulo a block's tokens, in which a sequence that holds so many needs its next block.</summary>
    private int Phase(long tokens, long step) => (int)((((step - tokens) % _blockTokens) + _blockTokens) % _blockTokens);
}
