using System.Globalization;

namespace Plimsoll.Pages.Live;

/// <summary>One model of a tick, with what sorting and sums need; sentences are made for those that are shown.</summary>
internal sealed class LiveRow
{
    private readonly WorkInFlight? _fetch;

    public LiveRow(ModelSpec spec, ModelVerdict verdict, SnapshotIndex seen)
    {
        (Spec, Verdict, Replicas, Tier, _fetch) = (spec, verdict, seen.Replicas(spec.Id), seen.Tier(spec), seen.Fetch(spec.Id));
        Name = Figures.Clean(spec.Id.Value, LiveQuery.TextMax);
        Ready = Replicas.Count(replica => replica.State == ReplicaState.Ready);
        Loading = Replicas.Count(replica => replica.State == ReplicaState.Loading);
        HeldNow = seen.Traffic(spec.Id)?.HeldNow ?? 0;
        (Demand, Forecast) = (Rate(verdict.DemandPerSecond), Rate(verdict.ForecastPerSecond));
        foreach (var replica in Replicas)
        {
            var (host, devices) = ReplicaMemory.Of(replica);
            Memory += host.Held + (devices.Held * Math.Max(1, replica.Reserved.Devices));
            MemoryCharged |= host.Charged || devices.Charged;
            // A group's further pods are not measured one by one, and without a place they hold nothing.
            foreach (var member in replica.Members.IsDefault ? [] : replica.Members.Where(member => member.Placement != Placement.Pending))
            {
                Memory += member.Reserved.Host.Steady + ((member.Reserved.PerDevice?.Steady ?? Bytes.Zero) * member.Reserved.Devices);
                MemoryCharged = true;
            }
        }
    }

    public ModelSpec Spec { get; }

    public ModelVerdict Verdict { get; }

    public IReadOnlyList<InferenceReplica> Replicas { get; }

    public string Name { get; }

    public string Tier { get; }

    public int Ready { get; }

    public int Loading { get; }

    public int HeldNow { get; }

    public double? Demand { get; }

    public double? Forecast { get; }

    public Bytes Memory { get; }

    public bool MemoryCharged { get; }

    // What wants something, what runs, what rests.
    private int Rank => HeldNow > 0 || Verdict.Refused ? 0 : Verdict.Wanted > Ready || Loading > 0 ? 1 : Replicas.Count > 0 ? 2 : 3;

    public static int Compare(LiveRow a, LiveRow b, LiveSort sort)
    {
        var order = sort switch
        {
            LiveSort.Activity => a.Rank.CompareTo(b.Rank),
            LiveSort.Weight => b.Spec.Footprint.Weights.CompareTo(a.Spec.Footprint.Weights),
            LiveSort.Demand => Nullable.Compare(b.Demand, a.Demand),
            LiveSort.Forecast => Nullable.Compare(b.Forecast, a.Forecast),
            LiveSort.Memory => b.Memory.CompareTo(a.Memory),
            LiveSort.Replicas => (b.Ready + b.Loading).CompareTo(a.Ready + a.Loading),
            _ => 0,
        };
        return order != 0 ? order : a.Spec.Id.CompareTo(b.Spec.Id);
    }

    public LiveModel Shown() => new()
    {
        Model = Name,
        WeightBytes = Spec.Footprint.Weights.Value,
        Tier = Tier,
        Fetched = Tier == "fetching" && _fetch is { Done: { } done, Total: { Value: > 0 } total } ? Math.Clamp(Math.Round((double)done.Value / total.Value, 3), 0, 1) : null,
        Ready = Ready,
        Loading = Loading,
        Asleep = Replicas.Count(replica => replica.State == ReplicaState.Asleep),
        Ending = Replicas.Count(replica => replica.State is ReplicaState.Draining or ReplicaState.Drained or ReplicaState.Stopping),
        Wanted = Verdict.Wanted,
        DemandPerSecond = Rounded(Demand),
        DemandStale = Verdict.DemandPerSecond.State == SignalState.Stale,
        ForecastPerSecond = Rounded(Forecast),
        HeldNow = HeldNow,
        MemoryBytes = Replicas.Count == 0 ? null : Memory.Value,
        MemoryCharged = MemoryCharged,
        Refused = Verdict.Refused,
        Rule = Verdict.Reason.Rule.ToString(),
        Reason = Figures.Clean(Verdict.Reason.ToString()),
    };

    public IEnumerable<LiveFact> Facts()
    {
        yield return new("weights", $"{Spec.Footprint.Weights}; a replica is charged {Verdict.Needs.Host}"
            + (Verdict.Needs.PerDevice is { } device ? string.Create(CultureInfo.InvariantCulture, $", and on each of {Verdict.Needs.Devices} devices {device}") : ""));
        yield return new("objective", $"{Fact.Fraction("", Spec.Slo.Attainment).Shown} within {Durations.Show(Spec.Slo.Latency)}"
            + (Spec.Slo.TimeToFirstToken is { } first ? $", the first token within {Durations.Show(first)}" : "")
            + (Spec.Slo.TimePerOutputToken is { } between ? $", {Durations.Show(between)} for each after it" : ""));
        yield return new("demand", $"{Shown(Demand)}{(Verdict.DemandPerSecond.State == SignalState.Stale ? "?" : "")}, planned for {Shown(Forecast)}"
            + (Verdict.ForecastFrom is { } basis ? $", the {Fact.Fraction("", basis.Quantile).Shown} quantile over {Durations.Show(basis.Window)}" : "")
            + (Verdict.CapacityPerSecond > 0 ? $"; one replica carries {Fact.Rate("", Verdict.CapacityPerSecond).Shown}" : "; what a replica carries is not known yet"));
        var wakes = Replicas.Any(replica => replica.State == ReplicaState.Asleep);
        yield return new(wakes ? "waking" : "loading", $"takes {Durations.Show(Verdict.LoadTime)}; nine in ten {(wakes ? "wakes" : "loads")} are faster"
            + (Verdict.LoadExpected is { Observed: > 0 } expected ? string.Create(CultureInfo.InvariantCulture, $", by {expected.Observed} seen") : ", none was seen yet"));
        yield return new("hold", Verdict.Hold is { } hold
            ? $"an idle replica is held {Durations.Show(hold)}{(Verdict.HoldGaps > 0 ? string.Create(CultureInfo.InvariantCulture, $", by its last {Verdict.HoldGaps} idle gaps") : "")}"
            : "idle memory is held until another model needs it");
        yield return new("priority", string.Create(CultureInfo.InvariantCulture, $"{Spec.Priority}; {Spec.MinReplicas} to {Spec.MaxReplicas} replicas"));
    }

    private static string Shown(double? rate) => rate is { } known ? Fact.Rate("", known).Shown : "not known";

    private static double? Rate(Signal<double> signal) => signal.TryGetLast(out var rate) && double.IsFinite(rate) ? rate : null;

    private static double? Rounded(double? rate) => rate is { } known ? Math.Round(known, 4) : null;
}
