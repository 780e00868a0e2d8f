namespace Plimsoll.Simulation.Rivals.ModelMesh;

/// <summary>How many copies a model has: rivals-rules §10, after kserve/modelmesh ModelMesh.java.</summary>
public static class ModelMeshScaling
{
    /// <summary>An instance's check of one model that was used since the last one.</summary>
    public static ModelMeshRate ScaleUp(ModelMeshSettings settings, ModelMeshUse use)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(use);
        var rpm = use.Calls * 60_000 / Math.Max(1, (long)use.Elapsed.TotalMilliseconds);
        var heavy = rpm > settings.HeavyShare * use.Threshold;
        // A check that comes too early says nothing, and one instance has nowhere to go.
        if (use.Elapsed < 0.6 * settings.RateCheck || use.Instances < 2) return new(rpm, false, 0);
        var candidates = use.Instances - use.Loaded - use.Failed;
        if (candidates <= 0) return new(rpm, heavy, 0);
        if (use.Loaded == 1 && SecondCopy(settings, use.Check, use.UseMarks, use.ClusterFree, use.CacheAge)) return new(rpm, heavy, 1);
        if (rpm < use.Threshold || use.LoadedElsewhereRecently) return new(rpm, heavy, 0);

        // Those too busy themselves are taken off twice, as in the source.
        var busy = use.OtherRpm.Count(other => other > Math.Max(4 * use.Threshold, rpm - 2 * use.Threshold));
        candidates -= 2 * busy;
        if (candidates <= 0) return new(rpm, heavy, 0);
        var add = (int)Math.Min(rpm / use.Threshold, candidates);
        // The source's comment promises at least 2; in clusters of 3 to 5 this gives 1.
        return new(rpm, heavy, add > 2 ? Math.Min(add, use.Instances / 3) : add);
    }

    /// <summary>Whether a model with one copy is used regularly: now, and some minutes ago, and not in one burst.</summary>
    /// <param name="check">The number of this check.</param>
    public static bool SecondCopy(ModelMeshSettings settings, long check, IEnumerable<long> marks, double clusterFree, TimeSpan cacheAge)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return marks.Any(mark => check - mark >= settings.SecondCopyAfter && check - mark <= settings.SecondCopyBefore)
            && (clusterFree >= settings.SecondCopyClusterFree || cacheAge > settings.SecondCopyCacheAge);
    }

    /// <summary>The threshold where the runtime has a limit of requests at once: 90 % of what was measured.</summary>
    /// <param name="calls">The last 64 at least; with fewer than 8 there is nothing to go by.</param>
    public static long LatencyThreshold(ModelMeshSettings settings, int maxConcurrency, long calls, TimeSpan sum)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return calls < 8 || sum <= TimeSpan.Zero ? settings.ScaleUpRpm : (long)(maxConcurrency * calls * 54_000 / sum.TotalMilliseconds);
    }

    /// <summary>
    /// Whether the second of two copies goes. The cap of 10 h is lifted for heavy use long ago; the source's comment means recent
    /// use, its code does this.
    /// </summary>
    /// <param name="cacheAge">Since the last use of the cluster's least recently used entry.</param>
    /// <param name="sinceHeavy">Null: never.</param>
    /// <param name="lessDesirable">Whether this instance is the worse place of the two.</param>
    public static bool DropSecond(
        ModelMeshSettings settings, TimeSpan idle, TimeSpan cacheAge, TimeSpan? sinceHeavy, double clusterFree, bool lessDesirable)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (clusterFree > settings.ScaleDownClusterFree || !lessDesirable) return false;
        var cutoff = cacheAge / 10;
        if (!(sinceHeavy >= cacheAge / 5) && cutoff > settings.SecondCopyMaxIdle) cutoff = settings.SecondCopyMaxIdle;
        return idle > cutoff;
    }

    /// <summary>
    /// Whether one of three or more goes. The source reckons the 5 h from a moment as if it were an age, so that the cap always
    /// holds; here it is that cap.
    /// </summary>
    public static bool DropFurther(
        ModelMeshSettings settings, TimeSpan sinceUnload, TimeSpan sinceLoad, TimeSpan? sinceHeavy, long rpm, long threshold, int queued,
        double clusterFree)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return clusterFree <= settings.ScaleDownClusterFree && sinceUnload >= settings.ThirdCopyAfterUnload
            && sinceLoad >= settings.ThirdCopyAfterLoad && !(sinceHeavy < settings.ThirdCopyAfterHeavy)
            && 3 * rpm <= 2 * threshold && queued <= 1;
    }
}
