using System.Globalization;
using Plimsoll.Control;

namespace Plimsoll.Cli.Fleets;

/// <summary>What is new in a tick, one line each: the output where no terminal is.</summary>
public sealed class EventLines
{
    private readonly HashSet<StepId> _proposed = [];

    public IEnumerable<string> Of(Tick tick)
    {
        ArgumentNullException.ThrowIfNull(tick);
        var acts = tick.Spec.Mode == FleetMode.Act;
        foreach (var outcome in tick.Snapshot.Outcomes)
        {
            if (Sentence(outcome) is { } sentence) yield return Line(outcome.At, sentence);
        }

        foreach (var step in tick.Plan.Steps)
        {
            if (acts ? tick.Applied.Started.Contains(step.Id) : tick.Spec.Mode == FleetMode.Recommend && _proposed.Add(step.Id))
                yield return Line(tick.Snapshot.At, $"{(acts ? "" : "would ")}{step.Id.Value.Replace('/', ' ')}: {step.Reason}");
        }

        if (!acts) _proposed.IntersectWith(tick.Plan.Steps.Select(step => step.Id));
    }

    /// <summary>What ended, in a sentence; null for what is of no interest to a person who watches.</summary>
    public static string? Sentence(Outcome outcome) => outcome switch
    {
        Outcome.Loaded loaded => $"ready {loaded.Replica}: {loaded.Size} of weights in {Durations.Show(loaded.Took)}",
        Outcome.Exited { Asked: true } exited => $"ended {exited.Replica}",
        Outcome.Exited exited => $"died {exited.Replica}: {OneLine(exited.Why)}",
        Outcome.Fetched fetched => $"fetched {fetched.Model}: {fetched.Moved} in {Durations.Show(fetched.Took)}",
        Outcome.StepFailed failed => $"failed {failed.Step.Value.Replace('/', ' ')}: {OneLine(failed.Why)}",
        _ => null,
    };

    // What a child wrote is shown without anything a terminal would obey.
    public static string OneLine(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return FleetFiles.Show.Text(
            string.Join(" | ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)), 500);
    }

    private static string Line(DateTimeOffset at, string text) => at.ToString("HH:mm:ss ", CultureInfo.InvariantCulture) + text;
}
