using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.ModelMesh;

/// <summary>A registered model that no instance has loaded.</summary>
public readonly record struct ModelMeshUnloaded(string Model, long Units, DateTimeOffset LastUsed);

/// <summary>Loads ahead of requests, by the cluster's leader every 7 min: rivals-rules §10.</summary>
public static class ModelMeshProactive
{
    private const double KeptFree = 0.125;
    private const double ShareWhenFull = 0.05;

    /// <summary>
    /// Most recently used first: into half of the space above an eighth of each instance; where there is none, into 5 % of all,
    /// and only models used well after the cluster's oldest entry.
    /// </summary>
    /// <param name="oldest">Last use of the cluster's least recently used entry.</param>
    public static ImmutableArray<string> Choose(
        IReadOnlyCollection<ModelMeshInstance> instances, IEnumerable<ModelMeshUnloaded> unloaded, DateTimeOffset oldest, DateTimeOffset now)
    {
        var room = instances.Sum(instance => Math.Max(0, instance.Free - KeptFree * instance.Capacity)) / 2;
        var eligible = unloaded;
        if (room <= 0)
        {
            room = ShareWhenFull * instances.Sum(instance => (double)instance.Capacity);
            var third = (now - oldest) / 3;
            var since = oldest + (third > TimeSpan.FromMinutes(20) ? third : TimeSpan.FromMinutes(20));
            eligible = unloaded.Where(model => model.LastUsed > since);
        }

        var chosen = ImmutableArray.CreateBuilder<string>();
        foreach (var model in eligible.OrderByDescending(model => model.LastUsed).ThenBy(model => model.Model, StringComparer.Ordinal))
        {
            if (model.Units > room) break;
            room -= model.Units;
            chosen.Add(model.Model);
        }

        return chosen.ToImmutable();
    }
}
