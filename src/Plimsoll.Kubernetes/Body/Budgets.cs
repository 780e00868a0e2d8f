using System.Collections.Immutable;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Turns PodDisruptionBudgets into the planner's floors. Kubernetes asks them of evictions alone; a scale-down is none, so
/// whoever scales must keep to them himself. Whoever's pods a budget covers, all of them count.
/// </summary>
internal static class Budgets
{
    /// <summary>Ordered by name; default where no budget covers a replica of ours, so that snapshots without any read as they did.</summary>
    public static ImmutableArray<ReadyFloor> Of(IEnumerable<BudgetView> budgets, IReadOnlyCollection<PodView> pods, SnapshotBuilder builder)
    {
        var floors = ImmutableArray.CreateBuilder<ReadyFloor>();
        PodIndex? index = null;
        foreach (var budget in budgets.OrderBy(budget => budget.Name))
        {
            index ??= new PodIndex(pods);
            var covered = index.Near(budget).Where(budget.Covers).ToArray();
            var ours = covered.Where(pod => pod.WorkerIndex is null or 0 && builder.OwnerOf(pod) is not null).ToArray();
            if (ours.Length == 0) continue;
            var (ready, mine) = (covered.Count(pod => pod.Ready), ours.Count(pod => pod.Ready));
            var expected = Math.Max(budget.Expected ?? 0, covered.Length);
            // Scaling down takes a pod from what is expected and, where it is ready, from what is ready.
            var mayGo = 0;
            while (mayGo < mine && budget.Keeps(expected - mayGo - 1, ready - mayGo - 1)) mayGo++;
            if (mayGo == mine) continue;
            floors.Add(new ReadyFloor($"PodDisruptionBudget {budget.Name}", [.. ours.Select(SnapshotBuilder.IdOf).Order()], mine - mayGo));
        }

        return floors.Count == 0 ? default : floors.ToImmutable();
    }

    /// <summary>Pods that count, by namespace and, for budgets that ask for one value of a label, by that: there may be thousands of both.</summary>
    private sealed class PodIndex(IReadOnlyCollection<PodView> pods)
    {
        private readonly ILookup<string, PodView> _byNamespace =
            pods.Where(pod => pod is { IsOver: false, DeletedAt: null }).ToLookup(pod => pod.Name.Namespace, StringComparer.Ordinal);

        private readonly Dictionary<(string Namespace, string Key), ILookup<string, PodView>> _byLabel = [];

        public IEnumerable<PodView> Near(BudgetView budget)
        {
            var space = budget.Name.Namespace;
            if (budget.Selects?.FirstOrDefault(need => need is { Relation: "In", Values.Length: 1 }) is not { } need) return _byNamespace[space];
            if (!_byLabel.TryGetValue((space, need.Key), out var values))
            {
                _byLabel[(space, need.Key)] = values = _byNamespace[space].Where(pod => pod.Labels.ContainsKey(need.Key))
                    .ToLookup(pod => pod.Labels[need.Key], StringComparer.Ordinal);
            }

            return values[need.Values[0]];
        }
    }
}
