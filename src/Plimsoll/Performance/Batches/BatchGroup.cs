namespace Plimsoll;

/// <summary>
/// Replicas that compute in batches behind a router that sends each request to the one with the fewest unanswered, taking turns
/// where several have as few: what <see cref="BatchCapacity"/> is judged by. The same requests give the same times.
/// </summary>
public static class BatchGroup
{
    /// <summary>Runs all requests to their end and writes their times into the log.</summary>
    /// <param name="profile">Of each replica.</param>
    /// <param name="count">Replicas, at least 1.</param>
    /// <param name="log">What is asked; its earlier times are lost.</param>
    public static void Run(BatchProfile profile, int count, RequestLog log)
    {
        ArgumentNullException.ThrowIfNull(profile);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentNullException.ThrowIfNull(log);
        log.Clear();
        var replicas = new SimulatedBatchReplica[count];
        for (var i = 0; i < count; i++) replicas[i] = new SimulatedBatchReplica(profile, log);
        var turn = 0;
        for (var request = 0; request < log.Count; request++)
        {
            var chosen = -1;
            for (var i = 0; i < count; i++)
            {
                var at = (turn + i) % count;
                replicas[at].AdvanceTo(log.Arrivals[request]);
                if (chosen < 0 || replicas[at].Outstanding < replicas[chosen].Outstanding) chosen = at;
            }

            turn = (chosen + 1) % count;
            replicas[chosen].Submit(request, log.Arrivals[request]);
        }

        foreach (var replica in replicas) replica.AdvanceTo(double.MaxValue);
    }
}
