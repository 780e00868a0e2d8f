using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.ModelMesh;

/// <summary>ModelMesh's constants (ModelMesh.java). Memory is in its units of 8 KiB.</summary>
public sealed record ModelMeshSettings
{
    public TimeSpan RateCheck { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan Janitor { get; init; } = TimeSpan.FromMinutes(6);

    public TimeSpan ProactiveLoads { get; init; } = TimeSpan.FromMinutes(7);

    /// <summary>Requests a minute that one copy is to serve.</summary>
    public long ScaleUpRpm { get; init; } = 2000;

    /// <summary>Share of the threshold above which use is heavy.</summary>
    public double HeavyShare { get; init; } = 0.75;

    public TimeSpan AssumedLoadTime { get; init; } = TimeSpan.FromSeconds(60);

    public long DefaultModelUnits { get; init; } = 131_072;

    public int LoadThreads { get; init; } = 8;

    public bool ExplicitUnload { get; init; }

    /// <summary>Checks ago between which an earlier use earns a second copy: 7 to 40 min.</summary>
    public int SecondCopyAfter { get; init; } = 42;

    public int SecondCopyBefore { get; init; } = 240;

    public double SecondCopyClusterFree { get; init; } = 0.10;

    public TimeSpan SecondCopyCacheAge { get; init; } = TimeSpan.FromHours(20);

    public double ScaleDownClusterFree { get; init; } = 0.05;

    public TimeSpan SecondCopyMaxIdle { get; init; } = TimeSpan.FromHours(10);

    /// <summary>For which a third copy stays after heavy use.</summary>
    public TimeSpan ThirdCopyAfterHeavy { get; init; } = TimeSpan.FromHours(5);

    public TimeSpan ThirdCopyAfterUnload { get; init; } = TimeSpan.FromSeconds(80);

    public TimeSpan ThirdCopyAfterLoad { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>A full cache whose oldest entry is younger refuses loads: it would only churn. Ten load times.</summary>
    public TimeSpan ChurnAge => AssumedLoadTime * 10;

    public int LoadFailures { get; init; } = 3;

    public int LoadLocations { get; init; } = 5;

    public TimeSpan LoadFailureMemory { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>Space below which an instance counts as full.</summary>
    public long MinSpace(long capacity) => Math.Max(
        DefaultModelUnits * (ExplicitUnload || LoadThreads <= 1 ? 1 : 2), Math.Min(DefaultModelUnits * LoadThreads, capacity / 20));

    /// <summary>What explicit unloading keeps free for models on their way out.</summary>
    public long UnloadReserve(long capacity) => Math.Max(
        capacity / 100, Math.Min(capacity / 10, LoadThreads * DefaultModelUnits / (LoadThreads <= 2 ? 2 : 4)));
}

/// <summary>One model on one instance, at a check of rates.</summary>
/// <param name="Calls">Since the last check.</param>
/// <param name="Loaded">Instances that have it.</param>
/// <param name="Failed">Instances where its load failed.</param>
/// <param name="LoadedElsewhereRecently">Within the check, 10 s and two load times.</param>
/// <param name="Threshold">Requests a minute a copy serves.</param>
/// <param name="OtherRpm">Of the candidates, whose load may rule them out.</param>
/// <param name="UseMarks">Earlier uses, as numbers of checks, at most two.</param>
public sealed record ModelMeshUse(
    long Calls, TimeSpan Elapsed, int Loaded, int Failed, int Instances, bool LoadedElsewhereRecently, long Threshold,
    ImmutableArray<long> OtherRpm, long Check, ImmutableArray<long> UseMarks, double ClusterFree, TimeSpan CacheAge);

/// <param name="Heavy">Whether this counts as heavy use.</param>
/// <param name="Add">Copies to add.</param>
public sealed record ModelMeshRate(long Rpm, bool Heavy, int Add);
