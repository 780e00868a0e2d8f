using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Events;

/// <summary>Something about a ScaledModel that is worth an Event.</summary>
/// <param name="Reason">A word in camel case.</param>
/// <param name="About">What makes two of the same reason the same: told once in a while only. Null: each is new.</param>
/// <param name="Note">The plan's or condition's own sentence.</param>
/// <param name="Warning">Whether somebody should look.</param>
public sealed record ModelEvent(string Reason, string? About, string Note, bool Warning);

/// <summary>How a ScaledModel was when it was last looked at.</summary>
public sealed record ModelSeen
{
    public int? Wanted { get; init; }

    public Rule? Rule { get; init; }

    /// <summary>Of those conditions that are told of, type and reason where they are not well.</summary>
    public ImmutableHashSet<string> Troubles { get; init; } = [];

    /// <summary>As its status has it: what another leader told of is not told again.</summary>
    public static ModelSeen? Of(ScaledModelStatus? status) => status?.ObservedGeneration is null ? null : new ModelSeen
    {
        Wanted = status.DesiredReplicas,
        Troubles = [.. (status.Conditions ?? []).Where(one => one is not null && IsTrouble(one.Type, one.Status)).Select(one => one.Type + one.Reason)],
    };

    internal static bool IsTrouble(string type, string status) =>
        type == ConditionTypes.Conflict ? status == "True" : type is ConditionTypes.Fits or ConditionTypes.Requests && status == "False";
}

/// <summary>What is told of a ScaledModel: what changed between two looks. Pure.</summary>
public static class ModelEvents
{
    /// <summary>Events, and what to compare the next look with.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tick">The turn.</param>
    /// <param name="wanted">Replicas that the plan wants now; null where it says nothing of it.</param>
    /// <param name="verdict">The plan's; null where the model was not planned.</param>
    /// <param name="findings">Its conditions.</param>
    /// <param name="before">How it was; null where nobody ever looked.</param>
    public static (ImmutableArray<ModelEvent> Events, ModelSeen Now) Of(
        ResolvedModel model, Tick tick, int? wanted, ModelVerdict? verdict, ImmutableArray<Finding> findings, ModelSeen? before)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tick);
        var events = ImmutableArray.CreateBuilder<ModelEvent>();
        foreach (var finding in findings.Where(IsTrouble))
        {
            if (before?.Troubles.Contains(finding.Type + finding.Reason) == true) continue;
            var reason = finding.Type switch { ConditionTypes.Conflict => "Conflict", ConditionTypes.Fits => "DoesNotFit", _ => "Requests" };
            events.Add(new ModelEvent(reason, finding.Reason, finding.Message, finding.Reason != "TooMuch"));
        }

        if (verdict is not null && model.Mode != FleetMode.Observe)
        {
            if (Replicas(model, tick, wanted, verdict, before) is { } scaled) events.Add(scaled);
            if (IsHeld(verdict.Reason.Rule) && verdict.Reason.Rule != before?.Rule && (before is null or { Rule: not null }))
                events.Add(new ModelEvent("Held", verdict.Reason.Rule.ToString(), verdict.Reason.ToString(), verdict.Reason.Rule is Rule.HoldBackoff));
        }

        return (events.ToImmutable(), new ModelSeen
        {
            Wanted = wanted,
            Rule = verdict?.Reason.Rule,
            Troubles = [.. findings.Where(IsTrouble).Select(finding => finding.Type + finding.Reason)],
        });
    }

    private static ModelEvent? Replicas(ResolvedModel model, Tick tick, int? wanted, ModelVerdict verdict, ModelSeen? before)
    {
        if (wanted is not { } to || model.Workload is not { Replicas: var from }) return null;
        if (model.Acts)
        {
            var started = tick.Plan.Steps.Where(step => IsOf(step, model.Id) && tick.Applied.Started.Contains(step.Id)).ToArray();
            if (started.Length == 0) return null;
            if (to == from)
                return started.OfType<Step.Drain>().FirstOrDefault() is { } drain
                    ? new ModelEvent("Draining", drain.Replica.Value, $"{drain.Replica} gets no new requests: {drain.Reason}", false) : null;
            var why = started.FirstOrDefault(step => step is Step.Start == to > from)?.Reason ?? verdict.Reason;
            return new ModelEvent(to > from ? "ScaledUp" : "ScaledDown", null, $"{FromTo(from, to)}: {why}", false);
        }

        if (to == from || to == before?.Wanted) return null;
        var shown = tick.Plan.Steps.FirstOrDefault(step => IsOf(step, model.Id) && step is Step.Start == to > from)?.Reason ?? verdict.Reason;
        var mode = model.Mode == FleetMode.Recommend ? "mode recommend changes nothing"
            : model.InConflict ? "somebody else scales it" : "who reads the metric scales";
        return new ModelEvent("Recommended", FromTo(from, to), $"{FromTo(from, to)}: {shown} ({mode})", false);
    }

    private static bool IsTrouble(Finding finding) => finding.Holds is { } holds && ModelSeen.IsTrouble(finding.Type, holds ? "True" : "False");

    private static string FromTo(int from, int to) => string.Create(CultureInfo.InvariantCulture, $"from {from} to {to} replicas");

    private static bool IsOf(Step step, ModelId model) => step switch
    {
        Step.Start start => start.Model == model,
        Step.Drain drain => drain.Model == model,
        Step.Stop stop => stop.Model == model,
        _ => false,
    };

    // What stands in the way of what is wanted; that nothing is wanted, or is on its way, is no news.
    private static bool IsHeld(Rule rule) => rule is Rule.HoldMissingData or Rule.HoldBackoff or Rule.HoldScarce or Rule.HoldScarceEqual or Rule.HoldScarceHigher or Rule.HoldScarceForQueue or Rule.HoldScarceDevice or Rule.HoldDeviceTime
        or Rule.HoldUnsafeNode or Rule.HoldUnplaced or Rule.HoldDisk or Rule.HoldBudget;
}
