namespace Plimsoll;

/// <summary>What a step computes of prompts, and whose first and last tokens it gives. Used again and again.</summary>
internal sealed class ReplicaStep
{
    private long _tokens;
    private double _pairs;

    public int Prompts { get; private set; }

    /// <summary>Tokens of prompts.</summary>
    public long PromptTokens => _tokens;

    public double Seconds { get; set; }

    /// <summary>Requests whose prompt it completes.</summary>
    public List<int> FirstTokens { get; } = [];

    /// <summary>Requests that have all of their answer after it.</summary>
    public List<int> Ending { get; } = [];

    public bool IsEmpty => Seconds <= 0;

    /// <summary>A chunk of a prompt, of which so many tokens are held already.</summary>
    public void Add(int tokens, long held)
    {
        Prompts++;
        _tokens += tokens;
        _pairs += tokens * (held + ((tokens + 1) / 2.0));
    }

    /// <summary>
    /// Chunks of different sizes as alike ones: as many, with as many tokens, and as many pairs of a token and one it
    /// attends to.
    /// </summary>
    public StepBatch Batch(int sequences, long context)
    {
        var each = _tokens / (double)Prompts;
        var prompts = StepBatch.Prefill(Prompts, each, Math.Max(0, (_pairs / _tokens) - ((each + 1) / 2)));
        return sequences == 0 ? prompts : prompts.With(StepBatch.Decode(sequences, context / (double)sequences));
    }

    public void Clear()
    {
        (Prompts, _tokens, _pairs, Seconds) = (0, 0, 0, 0);
        FirstTokens.Clear();
        Ending.Clear();
    }
}

/// <summary>Requests that wait, first come first served; preempted ones come before all others.</summary>
internal sealed class WaitingRequests
{
    private int[] _ring = new int[64];
    private long _head = 1L << 40;
    private long _tail = 1L << 40;

    public int Count => (int)(_tail - _head);

    public int First => _ring[_head & (_ring.Length - 1)];

    public void RemoveFirst() => _head++;

    public void Append(int request)
    {
        Grow();
        _ring[_tail++ & (_ring.Length - 1)] = request;
    }

    public void Prepend(int request)
    {
        Grow();
        _ring[--_head & (_ring.Length - 1)] = request;
    }

    private void Grow()
    {
        if (Count < _ring.Length) return;
        var larger = new int[_ring.Length * 2];
        for (var i = _head; i < _tail; i++) larger[i & (larger.Length - 1)] = _ring[i & (_ring.Length - 1)];
        _ring = larger;
    }
}
