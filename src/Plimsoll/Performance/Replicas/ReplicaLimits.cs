namespace Plimsoll;

/// <summary>
/// What an engine's scheduler and memory allow one replica: the names and defaults are vLLM's (V1 engine, 0.19).
/// </summary>
public sealed record ReplicaLimits
{
    /// <summary>Blocks of keys and values for sequences: what the engine reports, less the one it keeps for padding.</summary>
    public required long Blocks { get; init; }

    /// <summary>Tokens of one block (block_size).</summary>
    public int BlockTokens { get; init; } = 16;

    /// <summary>Tokens of one step, prompts and sequences together (max_num_batched_tokens).</summary>
    public int StepTokens { get; init; } = 2048;

    /// <summary>Sequences in the replica's batch (max_num_seqs); no more than <see cref="StepTokens"/>.</summary>
    public int Sequences { get; init; } = 256;

    /// <summary>Blocks that must stay free when a request is taken in (watermark).</summary>
    public long SpareBlocks { get; init; }

    /// <summary>
    /// Whether a step is put together while the one before it runs (async_scheduling): no pause between steps, but a
    /// request waits a step longer, and memory that a step frees is given out a step later.
    /// </summary>
    public bool SchedulesAhead { get; init; } = true;

    /// <summary>
    /// Whether a preempted request finds those of its blocks again that nobody else has taken meanwhile
    /// (enable_prefix_caching).
    /// </summary>
    public bool KeepsFreedBlocks { get; init; } = true;

    /// <summary>Blocks that so many tokens take.</summary>
    public long BlocksOf(long tokens) => (tokens + BlockTokens - 1) / BlockTokens;

    /// <exception cref="ArgumentException">A number is zero, negative, or more sequences are allowed than tokens.</exception>
    internal ReplicaLimits Checked()
    {
        if (Blocks <= 0 || BlockTokens <= 0 || StepTokens <= 0 || Sequences <= 0 || SpareBlocks < 0 || Sequences > StepTokens)
            throw new ArgumentException($"limits must be positive, and no more sequences ({Sequences}) than tokens of a step ({StepTokens})");
        return this;
    }
}
