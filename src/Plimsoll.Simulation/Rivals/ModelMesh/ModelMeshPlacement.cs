using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.ModelMesh;

/// <summary>An instance as others see it.</summary>
/// <param name="Oldest">Last use of its least recently used entry.</param>
/// <param name="Busy">Requests a minute over all its models.</param>
public sealed record ModelMeshInstance(
    string Name, bool ShuttingDown, int Version, bool Saturated, long Capacity, long Free, DateTimeOffset Oldest, int Models, int LoadsRunning,
    long Busy);

/// <summary>Why a model is placed, which says how busy an instance may be.</summary>
public enum ModelMeshOccasion
{
    MoreLoad,
    UsedWithinSeconds,
    UsedWithinMinutes,
    UsedWithinDay,
}

/// <summary>Where a model goes: rivals-rules §10, placement.</summary>
public static class ModelMeshPlacement
{
    /// <summary>From the best: those that a rule prefers come first, in the rules' order.</summary>
    public static IReadOnlyList<ModelMeshInstance> Ranked(ModelMeshSettings settings, IEnumerable<ModelMeshInstance> instances)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return [.. instances.OrderBy(i => i.ShuttingDown).ThenByDescending(i => i.Saturated ? 0 : i.Version).ThenBy(i => Full(settings, i))
            .ThenBy(i => Full(settings, i) ? i.Oldest : DateTimeOffset.MinValue).ThenBy(i => i.Models).ThenByDescending(i => i.Free)
            .ThenBy(i => i.Oldest).ThenBy(i => i.LoadsRunning).ThenBy(i => i.Name, StringComparer.Ordinal)];
    }

    /// <summary>
    /// Those close to the best and not too busy; one of them is drawn at random by the caller. Comments in the source speak of a
    /// half and of 1.5 times; the code's quarter and 1.25 times are here.
    /// </summary>
    public static ImmutableArray<ModelMeshInstance> Shortlist(
        ModelMeshSettings settings, IEnumerable<ModelMeshInstance> instances, ModelMeshOccasion occasion, DateTimeOffset now)
    {
        var ranked = Ranked(settings, instances);
        if (ranked.Count == 0) return [];
        var best = ranked[0];
        var close = ranked.Where(i => i == best || (i.ShuttingDown == best.ShuttingDown && Full(settings, i) == Full(settings, best)
            && (Full(settings, best) ? CloseInAge(i, best, now) : i.Free >= best.Free / 4 && (i.Models < 10 || i.Models <= 1.25 * best.Models))));
        var least = close.Min(i => i.Busy);
        var factor = occasion switch
        {
            ModelMeshOccasion.MoreLoad => 1.1,
            ModelMeshOccasion.UsedWithinSeconds => 1.5,
            ModelMeshOccasion.UsedWithinMinutes => 3,
            _ => 4,
        };
        return [.. close.Where(i => i.Busy < 100 || i.Busy <= factor * least)];
    }

    private static bool Full(ModelMeshSettings settings, ModelMeshInstance instance) =>
        instance.Free < settings.MinSpace(instance.Capacity);

    private static bool CloseInAge(ModelMeshInstance instance, ModelMeshInstance best, DateTimeOffset now)
    {
        var apart = (instance.Oldest - best.Oldest).Duration();
        return apart <= TimeSpan.FromSeconds(45) || apart <= 0.1 * (now - best.Oldest);
    }
}
