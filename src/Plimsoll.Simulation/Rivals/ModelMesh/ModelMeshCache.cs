using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.ModelMesh;

public readonly record struct ModelMeshEntry(string Model, long Units, DateTimeOffset LastUsed);

public enum ModelMeshRefusal
{
    None,

    /// <summary>The cache is full of models that were loaded moments ago.</summary>
    Churn,
    TooLarge,

    /// <summary>Everything that would have to go was used later.</summary>
    Stale,
}

/// <param name="Evicted">In the order of their eviction.</param>
public sealed record ModelMeshLoad(ModelMeshRefusal Refusal, ImmutableArray<string> Evicted)
{
    public bool Loaded => Refusal == ModelMeshRefusal.None;
}

/// <summary>One instance's cache, by last use: rivals-rules §10, loads on a miss.</summary>
public static class ModelMeshCache
{
    /// <param name="lastUsed">Of the model to be loaded.</param>
    public static ModelMeshLoad Load(
        ModelMeshSettings settings, long capacity, IEnumerable<ModelMeshEntry> entries, long units, DateTimeOffset lastUsed, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var ordered = entries.OrderBy(entry => entry.LastUsed).ThenBy(entry => entry.Model, StringComparer.Ordinal).ToArray();
        var free = capacity - ordered.Sum(entry => entry.Units);
        var full = free < settings.MinSpace(capacity);
        if (full && ordered.Length > 0 && Churns(settings, now - ordered[0].LastUsed)) return Refused(ModelMeshRefusal.Churn);
        if (units > capacity) return Refused(ModelMeshRefusal.TooLarge);
        if (units > free && ordered.Length > 0 && lastUsed < ordered[0].LastUsed) return Refused(ModelMeshRefusal.Stale);
        var evicted = ImmutableArray.CreateBuilder<string>();
        foreach (var entry in ordered)
        {
            if (free >= units) break;
            evicted.Add(entry.Model);
            free += entry.Units;
        }

        return new(ModelMeshRefusal.None, evicted.ToImmutable());
    }

    /// <summary>Whether a full cache with such an oldest entry takes no load.</summary>
    public static bool Churns(ModelMeshSettings settings, TimeSpan oldestAge)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return oldestAge < settings.ChurnAge;
    }

    private static ModelMeshLoad Refused(ModelMeshRefusal refusal) => new(refusal, []);
}
