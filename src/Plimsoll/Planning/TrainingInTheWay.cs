namespace Plimsoll;

/// <summary>
/// Gangs that may hold what models could need: a model that may have one give way looks ahead by that time as well. Those that wait count
/// too: were they left out, a model that had one go would look ahead by less the moment after, and no longer want the place.
/// </summary>
internal sealed class TrainingInTheWay
{
    private readonly (int Priority, string? Kind, TimeSpan Write)[] _gangs;

    public TrainingInTheWay(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge)
    {
        var training = knowledge.Training ?? TrainingKnowledge.Nothing;
        var ended = observed.Training.Where(gang => gang.State == GangState.Ended).Select(gang => gang.Job).ToHashSet();
        _gangs =
        [
            .. spec.Training.Where(job => job is { Preemptible: true, OnlyShown: false } && job.SubmittedAt <= observed.At && !ended.Contains(job.Id))
                .Select(job => (job.Priority, job.DeviceKind, training.Write(job, spec.Settings).P90)),
        ];
    }

    /// <summary>The longest that a gang which comes after a model takes to save, on devices that the model could run on; nothing where none does.</summary>
    public TimeSpan GivesWayIn(int priority, string? kind)
    {
        var longest = TimeSpan.Zero;
        foreach (var gang in _gangs)
            if (gang.Priority <= priority && (kind is null || gang.Kind is null || gang.Kind == kind) && gang.Write > longest) longest = gang.Write;
        return longest;
    }
}
