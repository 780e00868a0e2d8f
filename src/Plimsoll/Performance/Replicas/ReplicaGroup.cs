namespace Plimsoll;

/// <summary>
/// Replicas behind a router that sends each request to the one with the fewest unanswered, taking turns where several
/// have as few. Deterministic: the same requests and step times give the same times.
/// </summary>
public sealed class ReplicaGroup
{
    private readonly ReplicaLimits _limits;
    private readonly StepTimes _times;
    private readonly int _count;

    /// <exception cref="ArgumentException">A limit makes no sense, or the times know fewer sequences than are allowed.</exception>
    public ReplicaGroup(ReplicaLimits limits, StepTimes times, int count)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(times);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        if (times.SequencesMax < limits.Sequences)
            throw new ArgumentException($"step times of {times.SequencesMax} sequences, and {limits.Sequences} are allowed");
        (_limits, _times, _count) = (limits.Checked(), times, count);
    }

    /// <summary>Runs all requests to their end and writes their times into the log.</summary>
    /// <param name="log">What is asked; its earlier times are lost.</param>
    public GroupRun Run(RequestLog log)
    {
        ArgumentNullException.ThrowIfNull(log);
        log.Clear();
        var states = new RequestStates(log);
        var replicas = new SimulatedReplica[_count];
        for (var i = 0; i < _count; i++) replicas[i] = new SimulatedReplica(_limits, _times, log, states);
        var turn = 0;
        long most = 0;
        for (var request = 0; request < log.Count; request++)
        {
            var now = log.Arrivals[request];
            foreach (var replica in replicas)
            {
                replica.AdvanceTo(now);
                most = Math.Max(most, replica.BlocksUsed);
            }

            // The last token is never held: nothing comes after it.
            if (_limits.BlocksOf((long)log.Prompts[request] + log.Answers[request] - 1) > _limits.Blocks)
            {
                log.Refused++;
                continue;
            }

            var chosen = turn;
            for (var i = 1; i < _count; i++)
            {
                var other = (turn + i) % _count;
                if (replicas[other].Outstanding < replicas[chosen].Outstanding) chosen = other;
            }

            turn = (chosen + 1) % _count;
            replicas[chosen].Submit(request, now);
        }

        foreach (var replica in replicas) replica.AdvanceTo(double.MaxValue);
        return new GroupRun(replicas.Sum(replica => replica.Steps), most, replicas.Sum(replica => replica.BlocksUsed));
    }
}

/// <summary>What a run was beside its requests' times.</summary>
/// <param name="Steps">Steps of all replicas.</param>
/// <param name="BlocksMost">The most blocks that a replica was seen to use, at arrivals.</param>
/// <param name="BlocksLeft">Blocks in use after the last request: none, unless something is wrong.</param>
public sealed record GroupRun(long Steps, long BlocksMost, long BlocksLeft);
