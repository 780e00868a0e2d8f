using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Requests;

/// <summary>One model's requests from their arrival to their end, at its gateway and in its replicas. Times are seconds of the run.</summary>
internal interface IModelRequests
{
    ModelSpec Model { get; }

    RequestCounts Counts { get; }

    /// <summary>Where the time, and tokens of a prompt and its answer, are added as requests are answered; null where nobody reads them one by one.</summary>
    List<(double At, int Prompt, int Answer)>? Answered { get; set; }

    /// <summary>Requests that arrived so far.</summary>
    long Arrived { get; }

    /// <summary>Requests that ended so far, in whatever way.</summary>
    long Ended { get; }

    /// <summary>Of those, answered within the objective.</summary>
    long InTime { get; }

    /// <summary>Requests that wait at the gateway.</summary>
    int HeldNow { get; }

    /// <summary>When the first of them arrived; null where none waits.</summary>
    double? OldestHeld { get; }

    /// <summary>When somebody will next ask a model that no replica serves; infinity where that is not so.</summary>
    double NextUnserved { get; }

    /// <summary>What a new replica of the model works with.</summary>
    IReplicaGauges Engine(VariantSpec variant, ReplicaTruth truth);

    /// <summary>It takes requests from now on.</summary>
    void Attach(FleetReplica replica, double now);

    /// <summary>It gets no more; what it has it finishes, and is still to be advanced by itself.</summary>
    void Detach(FleetReplica replica);

    /// <summary>It died: what was not begun to be answered is held again, ahead of all others; the rest failed.</summary>
    void Lost(FleetReplica replica, double now);

    /// <summary>Lets all happen that does by a time, inclusive.</summary>
    void AdvanceTo(double time);

    /// <summary>The same of a replica that gets no more.</summary>
    void Advance(FleetReplica replica, double time);

    /// <summary>The run is over: what has no end by then has none within the objective.</summary>
    void Close();

    /// <summary>What they came to, once it is over.</summary>
    RequestTotals Totals();
}

/// <summary>What became of a model's requests: each is counted once.</summary>
/// <param name="Within">Answered within the objective.</param>
/// <param name="Late">Answered, not within it.</param>
/// <param name="Rejected">Turned away.</param>
/// <param name="Failed">Lost with their replica, or too long for any.</param>
/// <param name="Unfinished">Held or in a replica at the end, or not arrived by then.</param>
/// <param name="Seconds">Of those that were answered; null where none was.</param>
internal sealed record RequestTotals(long Within, long Late, long Rejected, long Failed, long Unfinished, Runs.AnswerSeconds? Seconds)
{
    public long Requests => Within + Late + Rejected + Failed + Unfinished;
}
