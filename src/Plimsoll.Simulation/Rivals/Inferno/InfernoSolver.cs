using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Inferno;

/// <summary>One server's load and targets on one kind of accelerator.</summary>
/// <param name="ArrivalsPerMinute">Of the whole server.</param>
/// <param name="FirstTokenTarget">Mean, ms; 0: none. Likewise the others.</param>
/// <param name="UnitCost">Of one accelerator.</param>
public sealed record InfernoDemand(
    InfernoService Service, int MaxBatch, double ArrivalsPerMinute, double FirstTokenTarget, double TokenTarget, double TokensPerSecond,
    double UnitCost, int AcceleratorsPerReplica, int MinReplicas = 1, int? QueueSlots = null);

/// <param name="RatePerReplica">Requests a second.</param>
/// <param name="Value">What the choice goes by: the penalty of the transition.</param>
public sealed record InfernoAllocation(string Accelerator, int Replicas, double Cost, double RatePerReplica, double Value = 0)
{
    /// <summary>Share of old and new cost charged for a change of accelerator.</summary>
    public const double TransitionPenalty = 0.1;

    /// <summary>Replicas for a demand: rivals-rules §7.5 steps 7 and 8, after pkg/core/allocation.go. Null: no allocation.</summary>
    public static InfernoAllocation? For(string accelerator, InfernoDemand demand)
    {
        ArgumentNullException.ThrowIfNull(demand);
        var unit = demand.UnitCost * demand.AcceleratorsPerReplica;
        if (demand.ArrivalsPerMinute == 0 || demand.Service.OutputTokens == 0)
            return new(accelerator, demand.MinReplicas, unit * demand.MinReplicas, 0);
        var queue = new InfernoQueue(demand.Service, demand.MaxBatch, demand.QueueSlots);
        if (queue.Size(demand.FirstTokenTarget, demand.TokenTarget, demand.TokensPerSecond) is not { } size) return null;
        var total = demand.TokensPerSecond > 0 ? demand.TokensPerSecond / demand.Service.OutputTokens : demand.ArrivalsPerMinute / 60;
        var replicas = Math.Max(demand.MinReplicas, WholeReplicas.Ceiling(total / size.Throughput));
        return new(accelerator, replicas, unit * replicas, size.Throughput);
    }

    /// <summary>Step 9: the difference in cost, and a penalty where the accelerator changes.</summary>
    public InfernoAllocation From(InfernoAllocation? current)
    {
        if (current is null) return this with { Value = Cost };
        if (current.Accelerator == Accelerator) return this with { Value = current.Replicas == Replicas ? 0 : Cost - current.Cost };
        return this with { Value = TransitionPenalty * (current.Cost + Cost) + Cost - current.Cost };
    }
}

/// <param name="Priority">1 is the highest.</param>
/// <param name="Candidates">With their values; empty: nothing keeps its targets.</param>
public sealed record InfernoServer(string Name, int Priority, ImmutableArray<InfernoAllocation> Candidates, IReadOnlyDictionary<string, int> AcceleratorsPerReplica);

/// <summary>Which allocation each server gets: rivals-rules §7.5 step 9, after pkg/solver/{solver,greedy}.go.</summary>
public static class InfernoSolver
{
    /// <summary>As if accelerators never ran out: what WVA's documents say it runs.</summary>
    public static ImmutableSortedDictionary<string, InfernoAllocation> Unlimited(IEnumerable<InfernoServer> servers) => servers
        .Where(server => !server.Candidates.IsEmpty)
        .ToImmutableSortedDictionary(server => server.Name, server => Ordered(server)[0], StringComparer.Ordinal);

    /// <summary>
    /// By priority, then by what the next best would cost more; a server whose choice does not fit comes back with its next one.
    /// What is left over goes to nobody.
    /// </summary>
    /// <param name="free">Accelerators, by kind.</param>
    public static ImmutableSortedDictionary<string, InfernoAllocation> Greedy(
        IEnumerable<InfernoServer> servers, IReadOnlyDictionary<string, int> free)
    {
        ArgumentNullException.ThrowIfNull(servers);
        var left = free.ToDictionary(StringComparer.Ordinal);
        var answer = ImmutableSortedDictionary.CreateBuilder<string, InfernoAllocation>(StringComparer.Ordinal);
        var waiting = servers.Where(server => !server.Candidates.IsEmpty).Select(server => (Server: server, Ranked: Ordered(server), At: 0)).ToList();
        while (waiting.Count > 0)
        {
            var next = waiting.OrderBy(entry => entry.Server.Priority).ThenByDescending(entry => Regret(entry.Ranked, entry.At))
                .ThenBy(entry => entry.Ranked[entry.At].Value).ThenBy(entry => entry.Server.Name, StringComparer.Ordinal).First();
            waiting.Remove(next);
            var wanted = next.Ranked[next.At];
            var accelerators = wanted.Replicas * next.Server.AcceleratorsPerReplica.GetValueOrDefault(wanted.Accelerator, 1);
            if (left.GetValueOrDefault(wanted.Accelerator) >= accelerators)
            {
                left[wanted.Accelerator] -= accelerators;
                answer[next.Server.Name] = wanted;
            }
            else if (next.At + 1 < next.Ranked.Length)
            {
                waiting.Add(next with { At = next.At + 1 });
            }
        }

        return answer.ToImmutable();
    }

    private static ImmutableArray<InfernoAllocation> Ordered(InfernoServer server) =>
        [.. server.Candidates.OrderBy(candidate => candidate.Value).ThenBy(candidate => candidate.Accelerator, StringComparer.Ordinal)];

    private static double Regret(ImmutableArray<InfernoAllocation> ranked, int at) =>
        at + 1 < ranked.Length ? ranked[at + 1].Value - ranked[at].Value : double.PositiveInfinity;
}
