using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Commands;

/// <summary>Why a model is held, loaded or let go, in words: the same of a fleet that runs and of one that is simulated.</summary>
public static class ExplainText
{
    /// <param name="model">What was asked.</param>
    /// <param name="settings">What it was planned with.</param>
    /// <param name="seen">What was seen.</param>
    /// <param name="plan">What was decided.</param>
    /// <param name="when">When that was ("now", "at 50 min").</param>
    /// <param name="history">What was done with it lately, a sentence each, oldest first.</param>
    /// <param name="width">Columns.</param>
    public static IEnumerable<string> Lines(
        ModelSpec model, PlannerSettings settings, FleetSnapshot seen, Plan plan, string when, IEnumerable<string> history, int width) =>
        Unfolded(model, settings, seen, plan, when, history).SelectMany(line => Folded(line, width));

    /// <summary>The same of a training job.</summary>
    public static IEnumerable<string> Lines(
        TrainingSpec job, FleetSnapshot seen, Plan plan, string when, IEnumerable<string> history, int width) =>
        Unfolded(job, seen, plan, when, history).SelectMany(line => Folded(line, width));

    private static IEnumerable<string> Unfolded(TrainingSpec job, FleetSnapshot seen, Plan plan, string when, IEnumerable<string> history)
    {
        var verdict = JobTable.Verdicts(plan).First(one => one.Job == job.Id);
        var (gang, needs) = (seen.Training.FirstOrDefault(one => one.Job == job.Id), job.NeedsPerMember);
        yield return $"{job.Id}, {when}: {verdict.Reason}";
        yield return $"  state     {JobTable.State(gang)}, priority {job.Priority}{(job.Preemptible ? "" : "; it gives way to nobody")}";
        yield return $"  takes     {needs.Host.Highest} of host memory{(needs.Devices > 0 ? $", {needs.Devices} × {job.DeviceKind ?? "any device"} with {needs.PerDevice?.Highest ?? Bytes.Zero}" : "")}";
        yield return job.CheckpointSize == Bytes.Zero ? "  saves     nothing: it begins anew each time"
            : $"  saves     {job.CheckpointSize} in {Durations.Show(verdict.Checkpoint)}, and goes on from it in {Durations.Show(verdict.Start)}"
                + (gang?.LastCheckpoint is { } saved ? $"; last {Durations.Show(seen.At - saved)} ago" : "; never yet");
        foreach (var step in plan.Steps.Where(step => JobOf(step) == job.Id))
            yield return $"  next      {step.Id.Value.Replace('/', ' ')}: {step.Reason}";
        foreach (var line in history) yield return "  " + line;
    }

    private static JobId? JobOf(Step step) => step switch
    {
        Step.Launch launch => launch.Job,
        Step.Checkpoint checkpoint => checkpoint.Job,
        Step.Suspend suspend => suspend.Job,
        Step.Resume resume => resume.Job,
        _ => null,
    };

    private static IEnumerable<string> Unfolded(ModelSpec model, PlannerSettings settings, FleetSnapshot seen, Plan plan, string when, IEnumerable<string> history)
    {
        var verdict = plan.Models.First(one => one.Model == model.Id);
        var slo = model.Slo;
        yield return $"{model.Id}, {when}: {verdict.Reason}";
        yield return $"  weight    {model.Footprint.Weights} ({ScalarKind.NameOf(model.Footprint.Format)}, {ScalarKind.NameOf(model.Footprint.Source)}), charged {verdict.Needs.Host}";
        yield return $"  objective {Fact.Fraction("", slo.Attainment).Shown} within {Durations.Show(slo.Latency)}"
            + (slo.TimeToFirstToken is { } first ? $", the first token within {Durations.Show(first)}" : "")
            + (slo.TimePerOutputToken is { } between ? $", {Durations.Show(between)} for each after it" : "");
        yield return $"  demand    {Demand(verdict.DemandAsOf(settings, seen.At), seen.At)}, forecast {Rate(verdict.ForecastPerSecond)}{Basis(verdict, seen.At)}; "
            + (verdict.CapacityPerSecond > 0 ? $"one replica carries {Rate(verdict.CapacityPerSecond)}" : "what one replica carries is not known yet");
        if (DemandCalendar.Of(model)?.Next(seen.At) is { } next) yield return $"  event     {Event(next, seen.At, verdict.LoadTime)}";
        if (verdict.CapacityExpected is { } expected)
            foreach (var part in CapacityText.Of(expected)) yield return $"  {part}";
        var tier = FleetTable.ShownTier(model, seen);
        yield return (tier == "asleep" ? "  wake      " : "  load      ") + $"{Durations.Show(verdict.LoadTime)} (9 in 10 {(tier == "asleep" ? "wakes" : "loads")} are faster{Half(verdict.LoadExpected)})"
            + (verdict.Hold is { } hold ? $"; an idle replica is held {Durations.Show(hold)}{(verdict.HoldGaps > 0 ? $", by its last {verdict.HoldGaps} idle gaps" : "")}" : "; idle memory is held until another model needs it");
        yield return $"  replicas  {FleetTable.Replicas(model.Id, seen)}, {verdict.Wanted} wanted; weights {Place(tier)}";
        foreach (var step in plan.Steps.Where(step => Step.ModelOf(step) == model.Id))
            yield return $"  next      {step.Id.Value.Replace('/', ' ')}: {step.Reason}";
        foreach (var line in history) yield return "  " + line;
    }

    private static IEnumerable<string> Folded(string line, int width)
    {
        var indent = line.Length - line.TrimStart().Length;
        var first = true;
        foreach (var part in FleetTable.Wrap(line, width - indent - 5))
        {
            yield return new string(' ', first ? indent : indent + 4) + (first ? Spaced(line, part) : part);
            first = false;
        }
    }

    // Wrapping folds runs of spaces; the first part keeps the column behind its word.
    private static string Spaced(string line, string part)
    {
        var start = line.TrimStart();
        var word = start.IndexOf(' ', StringComparison.Ordinal);
        if (word is < 0 or > 10 || !line.StartsWith("  ", StringComparison.Ordinal)) return part;
        var gap = start[word..].Length - start[word..].TrimStart().Length;
        return gap > 1 ? part[..word] + new string(' ', gap) + part[(word + 1)..] : part;
    }

    private static string Place(string tier) => tier switch
    {
        "memory" => "in memory",
        "device" => "on the device",
        "disk" => "on disk",
        "loading" => "are being loaded",
        "remote" => "not on this machine",
        _ => tier,
    };

    // When it is planned for follows from the load; a node that has to come first is asked for earlier by as long as that takes.
    private static string Event((DemandEvent Event, DateTimeOffset From, DateTimeOffset To) next, DateTimeOffset now, TimeSpan load) =>
        EventAhead.What(next.Event.Factor, next.Event.AddedPerSecond)
            + (next.From <= now ? $" now, until {MomentText.Show(next.To, now)}"
                : $" from {MomentText.Show(next.From, now)} for {Durations.Show(next.To - next.From)}; loading for it begins {Durations.Show(load)} before")
            + (next.Event.Every is { } every ? $"; again every {Durations.Show(every)}" : "");

    internal static string Basis(ModelVerdict verdict, DateTimeOffset now) => verdict.ForecastFrom is not { } basis
        ? verdict.ForecastPerSecond.TryGetLast(out var most) && most > 0
            ? verdict.Event is { } known ? $" ({known.Shown(now)})" : " (the most of late; too little was seen to forecast)" : ""
        : $" ({Fact.Fraction("", basis.Quantile).Shown} quantile of the most within {Durations.Show(basis.Window)}"
            + (basis.Corrected ? ", raised by late requests" : basis.Lowered ? ", lowered by requests in time" : "")
            + $"; {basis.Shown}{(verdict.Event is { } ahead ? "; " + ahead.Shown(now) : "")})";

    private static string Half(LoadEstimate? load) => load switch
    {
        null => "",
        { Observed: 0 } => $", half are faster than {Durations.Show(load.Median)}; from bytes and bandwidth, as none was seen yet",
        { Observed: 1 } => $", half are faster than {Durations.Show(load.Median)}; from the one load seen",
        _ => $", half are faster than {Durations.Show(load.Median)}; from the last {load.Observed} loads",
    };

    private static string Demand(Signal<double> perSecond, DateTimeOffset now) => perSecond.State == SignalState.Stale && perSecond.TryGetLast(out var last)
        ? $"{Rate(last)}? (counted last {Durations.Show(now - perSecond.At!.Value)} ago)" : Rate(perSecond);

    private static string Rate(Signal<double> perSecond) => perSecond.TryGetKnown(out var rate) ? Rate(rate) : "not known";

    private static string Rate(double perSecond) => Fact.Rate("", perSecond).Shown;
}
