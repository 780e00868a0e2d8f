namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// What a pod of the model ought to ask, as status shows it and as the webhook applies it where that is asked for. Amounts
/// are Kubernetes' ("5376Mi", "2000m").
/// </summary>
[Means("What a pod of the model ought to ask, so that the scheduler cannot put it where it does not fit.")]
public sealed record RecommendedPod
{
    [Means("The container that serves; the amounts are its.")]
    public string? Container { get; init; }

    [Means("What it should request at least: cpu, memory at the load's peak, ephemeral-storage and devices.")]
    [Holds(32, Whole = true)]
    public IReadOnlyDictionary<string, string>? Requests { get; init; }

    [Means("What a limit, where there is one, must not be below. None is needed but for devices.")]
    [Holds(32, Whole = true)]
    public IReadOnlyDictionary<string, string>? Limits { get; init; }

    [Means("Labels of nodes of which one is needed, where it could be put on a node on which it does not fit.")]
    [Holds(64)]
    public IReadOnlyList<RecommendedLabel>? Nodes { get; init; }

    [Means("The size of a memory volume at /dev/shm, where its server's ranks speak through it.")]
    public string? SharedMemory { get; init; }

    [Means("Seconds in which it can finish what it works on when it is told to end.")]
    public int? TerminationGracePeriodSeconds { get; init; }

    [Means("A digest of what it was derived from in the pod template: the webhook leaves pods of another one as they are.")]
    public string? Template { get; init; }

    [Means("What the pod template has otherwise.")]
    public string? Differs { get; init; }
}

[Means("A node's label.")]
public sealed record RecommendedLabel
{
    [Means("Its key, such as nvidia.com/gpu.product.")]
    [Needed("a label's key")]
    public string? Label { get; init; }

    [Means("Its value.")]
    [Needed("a label's value")]
    public string? Value { get; init; }
}
