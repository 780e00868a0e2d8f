using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>A PlannedJob's spec in the brain's own types, defaults filled in. Only of one in which <see cref="PlannedJobCheck"/> finds no problem.</summary>
public sealed record PlannedJobSettings
{
    /// <summary>Below models, which requests wait for.</summary>
    public const int PriorityDefault = -1;

    public required ObjectName Target { get; init; }

    /// <summary>Job or JobSet.</summary>
    public required string Kind { get; init; }

    /// <summary>The job's own; <see cref="FleetSettings.Cap"/> may hold it lower.</summary>
    public FleetMode Mode { get; init; } = FleetMode.Recommend;

    public int Priority { get; init; } = PriorityDefault;

    public bool Preemptible { get; init; } = true;

    /// <summary>All of a checkpoint; zero of a job that saves nothing.</summary>
    public Bytes Checkpoint { get; init; }

    /// <summary>Null for all of whichever device it gets.</summary>
    public Bytes? DeviceMemory { get; init; }

    public static PlannedJobSettings Of(PlannedJob job)
    {
        ArgumentNullException.ThrowIfNull(job);
        var spec = job.Spec ?? new PlannedJobSpec();
        return new PlannedJobSettings
        {
            Target = new ObjectName(job.Metadata?.NamespaceProperty ?? "", spec.TargetRef?.Name ?? ""),
            Kind = spec.TargetRef?.Kind ?? "Job",
            Mode = ScaledModelSettings.ModeOf(spec.Mode, FleetMode.Recommend),
            Priority = spec.Priority ?? PriorityDefault,
            Preemptible = spec.Preemptible ?? true,
            Checkpoint = Bytes.TryParse(spec.Checkpoint?.Size, out var size) ? size : Bytes.Zero,
            DeviceMemory = Bytes.TryParse(spec.DeviceMemory, out var each) ? each : null,
        };
    }
}

/// <summary>Says what is wrong with a PlannedJob.</summary>
public static class PlannedJobCheck
{
    /// <summary>All problems; none when the object can be acted on.</summary>
    public static ImmutableArray<FieldProblem> Of(PlannedJob job)
    {
        ArgumentNullException.ThrowIfNull(job);
        var check = new FieldCheck();
        if (job.Spec is { } spec) check.Group(spec, "spec");
        else check.Add("spec", "missing; spec with a targetRef would do");
        return check.Problems;
    }
}
