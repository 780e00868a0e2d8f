namespace Plimsoll.Kubernetes.Bridges;

/// <summary>What a bridge has to say about one ScaledModel: its scale, or in one sentence why there is none.</summary>
internal abstract record ScaleReading
{
    private ScaleReading()
    {
    }

    /// <summary>A plan decided it lately.</summary>
    public sealed record Known(DesiredScale Scale) : ScaleReading;

    /// <summary>No plan was made lately: whoever scales must leave things as they are.</summary>
    public sealed record Stale(string Why) : ScaleReading;

    /// <summary>The plan is fresh and does not name this model.</summary>
    public sealed record Unknown(string Why) : ScaleReading;

    public static ScaleReading Of(DesiredScales scales, ObjectName name, TimeProvider time)
    {
        if (scales.TryGet(name, out var scale)) return new Known(scale);

        // A model is only unknown to a plan that is fresh; before the first plan, and after the last, nothing is known.
        var current = scales.Current;
        if (!current.ContainsKey(name) && current.Keys.Any(other => scales.TryGet(other, out _)))
            return new Unknown($"no ScaledModel '{name.Name}' in namespace '{name.Namespace}' is in the plan with mode act and without a conflict");
        if (current.Count == 0)
            return new Stale(scales.Tells ? "the plan has no model whose mode is act, of the Fleet too, and that nobody else scales: see the ScaledModel's status"
                : "no plan has been made yet, so no number of replicas is given out: wait, or see the operator's log");
        var decided = current.TryGetValue(name, out var old) ? old.DecidedAt : current.Values.Max(other => other.DecidedAt);
        return new Stale(
            $"the last plan is {Seconds(time.GetUtcNow() - decided)} s old and none older than {Seconds(DesiredScales.LongestAge)} s "
            + "is given out: see the operator's log");
    }

    private static long Seconds(TimeSpan span) => (long)span.TotalSeconds;
}
