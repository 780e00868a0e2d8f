using Plimsoll.Control;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// Where a leader writes its ticks down, so that each of its plans can be derived again. It never ends the loop: what
/// cannot be written is lost, and said.
/// </summary>
public sealed record TickJournal
{
    /// <summary>An operator begins to lead with what is known; answers the number of its first tick.</summary>
    public required Func<Knowledge, long> Begin { get; init; }

    /// <summary>Each tick, before its plan is applied.</summary>
    public required Func<Tick, CancellationToken, ValueTask> RecordAsync { get; init; }

    /// <summary>The same tick, once it is applied.</summary>
    public required Action<Tick> Applied { get; init; }

    /// <summary>It leads no longer.</summary>
    public required Func<ValueTask> EndAsync { get; init; }
}
