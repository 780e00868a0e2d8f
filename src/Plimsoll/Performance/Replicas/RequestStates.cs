namespace Plimsoll;

/// <summary>Where each request is, by its number: what a replica's scheduler keeps of it.</summary>
internal sealed class RequestStates(RequestLog log)
{
    private const int Never = -1;

    private readonly long[] _from = new long[log.Count];

    /// <summary>Tokens whose keys and values are held: at <see cref="_from"/> where it runs.</summary>
    public long[] Tokens { get; } = new long[log.Count];

    /// <summary>Tokens of its answer given so far; of one that runs, when it last began.</summary>
    public int[] Produced { get; } = new int[log.Count];

    /// <summary>The step that gives it its last token, where it runs; −1 otherwise.</summary>
    public long[] LastStep { get; } = [.. Enumerable.Repeat((long)Never, log.Count)];

    /// <summary>Blocks to give back as the step under way ends it.</summary>
    public long[] Blocks { get; } = new long[log.Count];

    /// <summary>Tokens to be held before it can go on: its prompt and what it was answered.</summary>
    public long Known(int request) => (long)log.Prompts[request] + Produced[request];

    /// <summary>Tokens held when a step begins.</summary>
    public long TokensAt(int request, long step) =>
        LastStep[request] == Never ? Tokens[request] : Tokens[request] + step - _from[request];

    /// <summary>It gets a token from each step, from one to another.</summary>
    public void Begin(int request, long tokens, long step, long last) =>
        (Tokens[request], _from[request], LastStep[request]) = (tokens, step, last);

    /// <summary>As before it was sent anywhere.</summary>
    public void Forget(int request) => (LastStep[request], Tokens[request], Produced[request], Blocks[request]) = (Never, 0, 0, 0);

    /// <summary>It holds nothing any more, and knows what it was answered.</summary>
    public void Preempt(int request, long tokens)
    {
        // One that runs holds its prompt and all of its answer but the newest token.
        if (LastStep[request] != Never) Produced[request] = (int)(tokens - log.Prompts[request]) + 1;
        (LastStep[request], Tokens[request]) = (Never, 0);
    }
}
