using Plimsoll.Control;

namespace Plimsoll.Pages;

/// <summary>Something that is new in a tick.</summary>
/// <param name="At">When.</param>
/// <param name="Model">Of which model; null where it is of a node.</param>
/// <param name="What">"start large-1", "would drain small-2", "ready large-1: 1.46 GiB of weights in 9.3 s".</param>
/// <param name="Why">The step's reason; null of what ended by itself.</param>
public sealed record TickEvent(DateTimeOffset At, ModelId? Model, string What, Reason? Why);

/// <summary>What is new in a tick, for whoever shows it: steps begun, or proposed once where nothing is applied, and what ended.</summary>
/// <param name="clean">Makes what a child process wrote fit to be shown.</param>
public sealed class TickEvents(Func<string, string> clean)
{
    private readonly HashSet<StepId> _proposed = [];

    // Jobs that were done at the tick before; null before the first, to which they are nothing new.
    private HashSet<JobId>? _done;

    public IEnumerable<TickEvent> Of(Tick tick)
    {
        ArgumentNullException.ThrowIfNull(tick);
        var acts = tick.Spec.Mode == FleetMode.Act;
        foreach (var outcome in tick.Snapshot.Outcomes)
        {
            if (Sentence(outcome, clean) is { } sentence) yield return new TickEvent(outcome.At, ModelOf(outcome), sentence, null);
        }

        var done = tick.Snapshot.Training.Where(gang => gang.State == GangState.Ended).ToList();
        foreach (var gang in done)
        {
            if (_done?.Contains(gang.Job) == false) yield return new TickEvent(gang.StateSince, null, $"done {gang.Job}", null);
        }

        _done = [.. done.Select(gang => gang.Job)];
        foreach (var step in tick.Plan.Steps)
        {
            if (acts ? tick.Applied.Started.Contains(step.Id) : tick.Spec.Mode == FleetMode.Recommend && _proposed.Add(step.Id))
                yield return new TickEvent(tick.Snapshot.At, Step.ModelOf(step), $"{(acts ? "" : "would ")}{step.Id.Value.Replace('/', ' ')}", step.Reason);
        }

        if (!acts) _proposed.IntersectWith(tick.Plan.Steps.Select(step => step.Id));
    }

    /// <summary>What ended, in a sentence; null for what is of no interest to a person who watches.</summary>
    public static string? Sentence(Outcome outcome, Func<string, string> clean)
    {
        ArgumentNullException.ThrowIfNull(clean);
        return outcome switch
        {
            Outcome.Loaded loaded => $"ready {loaded.Replica}: {loaded.Size} of weights in {Durations.Show(loaded.Took)}",
            Outcome.Woken woken => $"woke {woken.Replica}: {woken.Size} of weights in {Durations.Show(woken.Took)}",
            Outcome.Exited { Asked: true } exited => $"ended {exited.Replica}",
            Outcome.Exited exited => $"died {exited.Replica}: {clean(exited.Why)}",
            Outcome.Fetched fetched => $"fetched {fetched.Model}: {fetched.Moved} in {Durations.Show(fetched.Took)}",
            Outcome.StepFailed failed => $"failed {failed.Step.Value.Replace('/', ' ')}: {clean(failed.Why)}",
            Outcome.CheckpointWritten written => $"saved {written.Job}: {written.Size} in {Durations.Show(written.Took)}",
            Outcome.GangFailed failed => $"died {failed.Job}: {clean(failed.Why)}",
            _ => null,
        };
    }

    private static ModelId? ModelOf(Outcome outcome) => outcome switch
    {
        Outcome.Loaded loaded => loaded.Model,
        Outcome.Woken woken => woken.Model,
        Outcome.Exited exited => exited.Model,
        Outcome.Fetched fetched => fetched.Model,
        _ => null,
    };
}
