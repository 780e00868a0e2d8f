using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Plimsoll;

public enum FactUnit { Count, Bytes, Seconds, PerSecond, Fraction, Usd, Text }

/// <summary>One number a decision rests on.</summary>
/// <param name="Name">The name the rule's sentence refers to.</param>
/// <param name="Unit">What the number counts.</param>
/// <param name="Value">The number, in the unit; 0 for text.</param>
/// <param name="Text">Only for <see cref="FactUnit.Text"/>.</param>
public sealed record Fact(string Name, FactUnit Unit, double Value, string? Text = null)
{
    public static Fact Of(string name, long count) => new(name, FactUnit.Count, count);

    public static Fact Of(string name, Bytes bytes) => new(name, FactUnit.Bytes, bytes.Value);

    public static Fact Of(string name, TimeSpan time) => new(name, FactUnit.Seconds, time.TotalSeconds);

    public static Fact Of(string name, string text) => new(name, FactUnit.Text, 0, text);

    public static Fact Rate(string name, double perSecond) => new(name, FactUnit.PerSecond, perSecond);

    public static Fact Fraction(string name, double fraction) => new(name, FactUnit.Fraction, fraction);

    public static Fact Quantity(string name, double number) => new(name, FactUnit.Count, number);

    /// <summary>The value as a person reads it: "1.46 GiB", "3.2 s", "12.5/s", "99 %".</summary>
    public string Shown => Unit switch
    {
        FactUnit.Bytes => new Bytes((long)Value).ToString(),
        FactUnit.Seconds => Durations.Show(Value),
        FactUnit.PerSecond => Value.ToString(Value >= 100 ? "0" : Value >= 9.995 ? "0.0" : "0.##", CultureInfo.InvariantCulture) + "/s",
        FactUnit.Fraction => (Value * 100).ToString("0.##", CultureInfo.InvariantCulture) + " %",
        FactUnit.Usd => "$" + Value.ToString("0.####", CultureInfo.InvariantCulture),
        FactUnit.Text => Text ?? "",
        _ => Value.ToString("0.##", CultureInfo.InvariantCulture),
    };
}

/// <summary>Durations as people read them.</summary>
public static class Durations
{
    /// <summary>"85 ms", "3.2 s", "4 min 10 s", "2 h 5 min", "3 d 4 h".</summary>
    public static string Show(double seconds) =>
        !double.IsFinite(seconds) ? "ever"
        : seconds < 0 ? "-" + Show(-seconds)
        : seconds == 0 ? "0 s"
        : seconds < 0.9995 ? (seconds * 1000).ToString(seconds < 0.00995 ? "0.#" : "0", CultureInfo.InvariantCulture) + " ms"
        : seconds < 59.95 ? seconds.ToString("0.#", CultureInfo.InvariantCulture) + " s"
        : seconds < 3599.5 ? Pair((long)Math.Round(seconds), 60, "min", "s")
        : seconds < 86_400 ? Pair((long)Math.Round(seconds / 60), 60, "h", "min")
        : Pair((long)Math.Round(seconds / 3600), 24, "d", "h");

    public static string Show(TimeSpan time) => Show(time.TotalSeconds);

    private static string Pair(long small, int per, string large, string unit) =>
        small % per == 0 ? $"{small / per} {large}" : $"{small / per} {large} {small % per} {unit}";
}

/// <summary>Which rule decided. Each has one sentence, in <see cref="Reason"/>, and one meaning.</summary>
public enum Rule
{
    // Steps
    StartForDemand,
    StartForHeldRequests,
    StartForMinimum,
    StartForUse,
    StartForLess,
    StartForMore,
    StartForTime,
    StartNewVersion,
    StartBySizeBlindRule,
    WakeForDemand,
    SleepIdle,
    SleepUntilAsked,
    DrainIdleAtBreakEven,
    DrainIdleLimit,
    DrainSurplus,
    DrainAboveMost,
    DrainForClaimant,
    DrainForClaimantsDisk,
    DrainForClaimantsTime,
    DrainOldVersion,
    DrainRemovedModel,
    DrainBySizeBlindRule,
    DrainUnderway,
    StopDrained,
    StopDrainOverdue,
    StopLoadOverdue,
    StopWakeOverdue,
    StopLoadForClaimant,
    StopAsleepFailed,
    StopAsleepSpare,
    PrefetchForStart,
    PrefetchAhead,
    PrefetchWhereItCouldStart,
    EvictForRoom,
    EvictToGiveBack,
    EvictRemovedModel,
    EvictOldVersion,
    AddNodeForReplicas,
    AddNodeAhead,
    WithdrawNodeUnneeded,
    WithdrawNodePool,
    WithdrawNodeForReplica,
    ProtectLoading,
    ProtectReload,
    ProtectTraining,
    LaunchJob,
    ResumeJob,
    CheckpointToGiveWay,
    SuspendForClaimant,
    SuspendForJob,
    SuspendLeavingNode,
    SuspendRemovedJob,
    SuspendUnderway,
    SuspendUnplaced,
    DrainForJob,

    // Verdicts on a training job for which nothing is done
    JobRuns,
    JobStarting,
    JobEnded,
    JobLater,
    JobUnmanaged,
    HoldJobScarce,
    HoldJobRoom,
    HoldJobUnsure,
    HoldJobTurn,
    RefusedJob,

    // Verdicts on a model for which nothing is done
    Met,
    HoldForReload,
    HoldForUse,
    HoldOwned,
    HoldMissingData,
    HoldBackoff,
    HoldLoading,
    HoldLost,
    HoldUntilReplaced,
    HoldScarce,
    HoldScarceEqual,
    HoldScarceHigher,
    HoldScarceForQueue,
    HoldScarceDevice,
    HoldDeviceTime,
    HoldScarceTraining,
    HoldUnsafeNode,
    HoldUnplaced,
    HoldGroupUnplaced,
    HoldForNode,
    HoldNodeOverdue,
    HoldNoPool,
    HoldBudget,
    HoldQuota,
    HoldDisk,
    IdleAtZero,
    IdleAsleep,
    RefusedTooHeavy,
    RefusedNoDevice,
    RefusedNoCores,
    RefusedDisk,
}

/// <summary>What was not done instead, and what it would have cost.</summary>
public sealed record Rejected(string Option, ImmutableArray<Fact> Costs);

/// <summary>
/// Why: the rule, its numbers, and the alternative it rejected. The terminal, the page, Events and the tests all
/// print this one sentence.
/// </summary>
public sealed record Reason(Rule Rule, ImmutableArray<Fact> Facts, Rejected? Instead = null)
{
    private static readonly FrozenDictionary<Rule, string> Sentences = new Dictionary<Rule, string>
    {
        [Rule.StartForDemand] =
            "{demand} is the {quantile} quantile of demand over the {horizon} it looks ahead (loading takes {load}{basis?}){waiting?}; "
            + "that takes {wanted} of {capacity} each, {have} there",
        [Rule.StartForHeldRequests] = "{held} {held|request waits|requests wait} and no replica serves; loading takes {load}",
        [Rule.StartForMinimum] = "at least {minimum} wanted by the fleet file, {have} there",
        [Rule.StartForUse] =
            "asked for at about {time} on {chance} of days, by {days} seen; loading takes {load}, and being there in time costs less than the {reload} that a cold start would{spare?}",
        [Rule.StartForLess] =
            "{mix} would carry the {demand} expected for {price} an hour, and what does costs {paid}; in {since} the difference has come to {lost}, and the "
            + "change costs {cost}: eleven loads of {load}, and {hold} of what goes",
        [Rule.StartForMore] = "{mix} would carry {carries} of the {demand} expected; the {most} there, as many as it may have, carry {carried}",
        [Rule.StartForTime] =
            "{slow} carries {left} of what it would alone, beside others on its device, and as many run as may: one that is slowed goes once this one serves on a device that has the time",
        [Rule.StartNewVersion] = "version {version} replaces the one that runs",
        [Rule.StartBySizeBlindRule] =
            "size-blind: {metric} in flight per replica against a target of {target}: {have} becomes {wanted}",
        [Rule.WakeForDemand] = "{demand} is expected and a replica sleeps; waking takes {load}{basis?}",
        [Rule.SleepIdle] = "idle for {idle}; keeping it awake has cost as much as waking it would ({hold}: {wake} to wake, and who waits meanwhile)",
        [Rule.SleepUntilAsked] = "its {weights} wait in {node}'s memory: it wakes in {wake}, and would load in {load}",
        [Rule.DrainIdleAtBreakEven] =
            "idle for {idle}; holding has cost as much as coming back would ({hold}: {load} to load and {misses} late {misses|request|requests}{basis?})",
        [Rule.DrainIdleLimit] = "idle for {idle}, past the stated limit of {limit}",
        [Rule.DrainAboveMost] = "{have} serve, and no more than {most} may be there",
        [Rule.DrainSurplus] = "{wanted} of {have} wanted for {surplus}, longer than one is held ({hold}{basis?})",
        [Rule.DrainForClaimant] =
            "{claimant} needs {needed}{of} and {free} is free; letting this go loses least: {loss} request-seconds "
            + "expected against {gain} for the claimant{sharing?}",
        [Rule.DrainForClaimantsDisk] =
            "{claimant} needs {needed} of disk, where the weights of this one lie; letting it go loses least: {loss} "
            + "request-seconds expected against {gain} for the claimant{sharing?}",
        [Rule.DrainForClaimantsTime] =
            "{claimant} would be too slow beside others on any device; letting this go, which is of lower priority, loses least: {loss} request-seconds",
        [Rule.DrainOldVersion] = "version {version} took over",
        [Rule.DrainRemovedModel] = "the model is no longer in the fleet file",
        [Rule.DrainBySizeBlindRule] =
            "size-blind: {have} becomes {wanted}, the largest recommendation of the last {cooldown}",
        [Rule.DrainUnderway] = "draining for {since}; {outstanding} {outstanding|request is|requests are} left in it",
        [Rule.StopDrained] = "drained: nothing is left in it",
        [Rule.StopDrainOverdue] = "draining for {waited}, past its deadline of {deadline}; {outstanding} {outstanding|request is|requests are} cut",
        [Rule.StopLoadOverdue] = "loading for {waited}, {factor} times the {expected} expected",
        [Rule.StopWakeOverdue] = "waking for {waited}, {factor} times the {expected} expected, so the next one loads anew",
        [Rule.StopLoadForClaimant] = "{claimant}, of higher priority, needs the {freed} this one is loading into",
        [Rule.StopAsleepFailed] = "it sleeps and failed to wake, {failures} {failures|time|times} in a row, so the next one loads anew: {why}",
        [Rule.StopAsleepSpare] = "it sleeps, and {have} of at most {most} are awake",
        [Rule.PrefetchForStart] = "a replica is wanted and {node} has no copy of the {size}",
        [Rule.PrefetchAhead] = "{size} fits the {free} left on {node}'s disk; a later load is spared the fetch",
        [Rule.PrefetchWhereItCouldStart] =
            "the scheduler could start it on {node}, and {copies} of {wanted} copies are on disks; {size} fits the {free} left there",
        [Rule.EvictForRoom] = "{claimant} needs {needed} of disk; this copy is worth least: fetching it again takes {refetch}",
        [Rule.EvictToGiveBack] =
            "others have taken {short} of what is to stay free on {node}'s disk; this copy is worth least: fetching it again takes {refetch}",
        [Rule.EvictRemovedModel] = "the model is no longer in the fleet file",
        [Rule.EvictOldVersion] = "the version that took its place is on this disk, and nothing uses this one",
        [Rule.Met] = "{demand} expected over {horizon}{basis?}, {have} of {capacity} each serve it",
        [Rule.HoldForReload] = "idle for {idle}; held until {hold}, because coming back takes {load}",
        [Rule.HoldForUse] = "idle, and asked for at about {time} on {chance} of days; held for that for another {left}",
        [Rule.HoldOwned] = "idle for {idle}; the memory is owned and nobody claims it",
        [Rule.HoldMissingData] = "{what} is missing, so nothing is changed: {why}",
        [Rule.HoldBackoff] = "failed {failures} {failures|time|times}, next try in {wait}: {why}",
        [Rule.HoldLoading] = "{loading} of {wanted} loading, the next is expected ready in {left}",
        [Rule.HoldLost] = "{lost} {lost|replica does|replicas do} not serve and may be back; no more than {most} may be there in all",
        [Rule.HoldUntilReplaced] = "{loading} that {loading|replaces|replace} others {loading|loads|load}; {staying} {staying|replica serves|replicas serve} on until then",
        [Rule.HoldScarce] = "needs {needed} and {cores} {cores|core|cores}, {free} is free and nothing may go for it",
        [Rule.HoldScarceDevice] =
            "needs {needed} of {devices} {devices|device|devices}, {free} is free there and nothing may go for it",
        [Rule.HoldDeviceTime] =
            "needs {needed} of a device for {busy} of its time, beside others that make it no more than {most} times as slow; on every device with that room somebody would be {excess} times as slow as he may be",
        [Rule.HoldScarceEqual] =
            "needs {needed}{of}, {free} is free; {held} {held|request waits|requests wait}, {debt} request-seconds so far{sharing?}; a swap pays from {price} on",
        [Rule.HoldScarceHigher] =
            "needs {needed}{of}, {free} is free; requests of a model of higher priority wait for that room, and nobody lower may buy it",
        [Rule.HoldScarceForQueue] =
            "{waiting} {waiting|request waits|requests wait}, which one more would work off sooner; no room is free for it, and nobody goes for that: {have} {have|carries|carry} what comes",
        [Rule.HoldScarceTraining] =
            "needs {needed}, which {job} holds to train; {held} {held|request waits|requests wait}, {debt} request-seconds so far; it gives way from {price} device-seconds on",
        [Rule.ProtectTraining] = "moving it would cost {price} device-seconds for a checkpoint and a new start",
        [Rule.LaunchJob] = "room for {members} × {each}, all at once{once?}; it was submitted {waited} ago",
        [Rule.ResumeJob] = "room for {members} × {each}, all at once{once?}; it ended {waited} ago, and trains again in {start}",
        [Rule.CheckpointToGiveWay] = "{lost} of training would be lost; writing {size} takes {write}",
        [Rule.SuspendForClaimant] =
            "{claimant} needs {needed}, {held} {held|request waits|requests wait}; this gang gives way at the least price: {price} device-seconds for a checkpoint and a new start",
        [Rule.SuspendForJob] = "{job}, which comes before it, needs {members} × {each}; giving way costs {price} device-seconds",
        [Rule.SuspendLeavingNode] = "{node} is told to go, and would take it along",
        [Rule.SuspendRemovedJob] = "the job is no longer in the fleet",
        [Rule.SuspendUnderway] = "it gives way since {since}",
        [Rule.SuspendUnplaced] = "{pending} of {members} members found no node in {waited}, and the others hold theirs for nothing; it is tried again later",
        [Rule.DrainForJob] = "training {job} needs {members} × {each}; its next requests would lose {loss} request-seconds{paid}",
        [Rule.JobRuns] = "trains since {since}, the last {lost} of it not saved; {way}",
        [Rule.JobStarting] = "starts since {since}; that is expected to take {expected}",
        [Rule.JobEnded] = "done {since} ago",
        [Rule.JobLater] = "it comes in {left}",
        [Rule.JobUnmanaged] = "nobody here launches training: its body cannot, or another scheduler places it",
        [Rule.HoldJobScarce] = "needs {members} × {each} at once, and there is room for {free}; nobody may go for the rest{waited?}",
        [Rule.HoldJobRoom] = "it gave way to a model; it goes on once there has been room for the {cost} that giving way again would cost; so far for {since}",
        [Rule.HoldJobUnsure] = "there is room for {members} × {each}, a part of which others that wait for a node may take first",
        [Rule.HoldJobTurn] = "so many others were looked at before it in this plan; its turn comes with one of the next",
        [Rule.RefusedJob] = "needs {members} × {each}, and all nodes empty would take {most}",
        [Rule.HoldUnsafeNode] =
            "the scheduler could put it on {node}, where it does not fit: {why}; {would} would do",
        [Rule.HoldUnplaced] =
            "it asks the scheduler for {asked}, and no ready node has that much left",
        [Rule.HoldGroupUnplaced] =
            "a replica is {pods} pods that ask the scheduler for {asked}; the ready nodes surely take {places} of them beside what else may come",
        [Rule.HoldForNode] =
            "no node has room for it ({asked}); node {ordinal} of {pool}, asked for {since} ago, is expected in {left}",
        [Rule.HoldNodeOverdue] =
            "no node has room for it ({asked}); node {ordinal} of {pool}, asked for {since} ago, is overdue, and nothing else can be added: {why}",
        [Rule.HoldNoPool] = "no node has room for it ({asked}), and none can be added: {why}",
        [Rule.AddNodeForReplicas] =
            "{replicas} {replicas|replica|replicas} of {models} {replicas|finds|find} no room; of {fitting} {fitting|pool|pools} that can take them {pool} "
            + "is the cheapest at {price} an hour; a node takes {boot} to come",
        [Rule.AddNodeAhead] =
            "{demand} is the {quantile} quantile of {model}'s demand over the {horizon} ahead in which a node comes ({boot}) and loads ({load}{basis?}); "
            + "{replicas} more {replicas|replica|replicas} of {models} would find no room; of {fitting} {fitting|pool|pools} {pool} is the cheapest at {price} an hour",
        [Rule.WithdrawNodeUnneeded] = "what node {ordinal} of {pool} was asked for has room elsewhere, or is no longer wanted",
        [Rule.WithdrawNodePool] = "the pool {pool} is no longer there",
        [Rule.WithdrawNodeForReplica] = "{replica} has waited {waited} for the room that is held for it",
        [Rule.ProtectLoading] = "it pulls or loads {size}; {left} to go",
        [Rule.ProtectReload] =
            "coming back elsewhere would cost {reload} of its node ({load} to load and {misses} late {misses|request|requests}), at {price} an hour "
            + "{cost}; ready for {since}",
        [Rule.HoldBudget] = "{budget} wants at least {least} ready and {ready} {ready|is|are}, so {replica} stays",
        [Rule.HoldQuota] =
            "a replica takes {devices} {kind}, and {taken} of the {quota} that the Fleet's quota lets all models have are taken",
        [Rule.HoldDisk] = "needs {needed} of disk, {free} is free and nothing may go for it",
        [Rule.IdleAtZero] = "no demand; the next request waits {load} for it to load",
        [Rule.IdleAsleep] = "no demand; it sleeps, and the next request waits {load} for it to wake",
        [Rule.RefusedTooHeavy] =
            "too heavy: {needed} while loading{measured?} against a budget of {budget} on the largest node; it takes {missing} more, or "
            + "weights of at most {fits}",
        [Rule.RefusedNoDevice] = "needs {devices} {devices|device|devices} of kind {device}, the largest node has {have}",
        [Rule.RefusedNoCores] = "needs {cores} {cores|core|cores}, the largest node has {have}",
        [Rule.RefusedDisk] = "{needed} on disk against a model cache of {budget}; it takes {missing} more",
    }.ToFrozenDictionary();

    public override string ToString()
    {
        var text = new StringBuilder();
        var sentence = Sentences[Rule];
        var at = 0;
        while (at < sentence.Length)
        {
            var open = sentence.IndexOf('{', at);
            if (open < 0) break;
            var close = sentence.IndexOf('}', open);
            text.Append(sentence, at, open - at).Append(Shown(sentence[(open + 1)..close]));
            at = close + 1;
        }

        text.Append(sentence, at, sentence.Length - at);
        if (Instead is not null)
        {
            text.Append("; rather than ").Append(Instead.Option);
            if (!Instead.Costs.IsEmpty)
                text.Append(" (").AppendJoin(", ", Instead.Costs.Select(cost => $"{cost.Name} {cost.Shown}")).Append(')');
        }

        return text.ToString();
    }

    /// <summary>The names the rule's sentence refers to; a reason is whole when it has a fact for each.</summary>
    public static IEnumerable<string> NamesIn(Rule rule) =>
        Sentences[rule].Split('{').Skip(1).Select(part => part[..part.IndexOfAny(['}', '|'])])
            .Where(name => !name.EndsWith('?')).Distinct();

    // "{basis?}" is said where it is known: older journals have reasons without it. Any other
    // missing fact is a mistake of ours; it shows, and a test over all rules finds it, but it must not stop a plan.
    private string Shown(string hole)
    {
        // "{held|request waits|requests wait}" is the one or the other, by whether there is one.
        var optional = hole.EndsWith('?');
        var parts = hole.TrimEnd('?').Split('|');
        foreach (var fact in Facts)
        {
            if (fact.Name == parts[0]) return parts.Length == 1 ? fact.Shown : fact.Shown == "1" ? parts[1] : parts[2];
        }

        return optional ? "" : $"<{hole}?>";
    }
}
