using System.Collections.Immutable;

namespace Plimsoll.Simulation.Plans;

/// <summary>How one model stands in a settled fleet.</summary>
public sealed record ModelStanding
{
    public required DescribedModel Model { get; init; }

    /// <summary>The way that the plan runs it.</summary>
    public required VariantSpec Variant { get; init; }

    /// <summary>What one replica is charged.</summary>
    public required ReplicaNeeds Needs { get; init; }

    /// <summary>Ordered by id.</summary>
    public required ImmutableArray<InferenceReplica> Replicas { get; init; }

    /// <summary>How many the plan wants.</summary>
    public required int Wanted { get; init; }

    /// <summary>Requests a second that each carries within the objective, of as many as serve; null where nobody knows.</summary>
    public double? CapacityEachPerSecond { get; init; }

    /// <summary>Whether a request that is alone keeps the objective.</summary>
    public required bool Keeps { get; init; }

    /// <summary>From its start to ready, at the ninth decile.</summary>
    public required TimeSpan Load { get; init; }

    /// <summary>The plan's own word on the model: that it is met, or why there are not more.</summary>
    public required Reason Verdict { get; init; }

    /// <summary>Why its last replica was started; null where none was.</summary>
    public Reason? Started { get; init; }

    /// <summary>Requests a second that all carry together.</summary>
    public double CapacityPerSecond => Replicas.Length * (CapacityEachPerSecond ?? 0);

    /// <summary>Whether what is asked of it is planned to be held in its objective.</summary>
    public bool Held => Replicas.Length >= Math.Max(Wanted, Model.Spec!.MinReplicas)
        && (Model.Demand.PeakPerSecond <= 0 || (Keeps && CapacityPerSecond >= Model.Demand.PeakPerSecond * (1 - 1e-9)));

    /// <summary>
    /// Why it is not held: the objective is missed even alone, as many as there may be are too few, or the plan's own reason for
    /// not starting more. Null where it is held.
    /// </summary>
    public string? WhyNot =>
        Held ? null
        : Model.Demand.PeakPerSecond > 0 && !Keeps ? "its objective is missed even by requests that are alone; another device or a looser objective would do"
        : Replicas.Length >= Math.Max(Wanted, 1) && CapacityEachPerSecond is null ? "nothing tells what a replica carries"
        : Replicas.Length >= Model.Spec!.MaxReplicas ? $"maxReplicas allows no more than {Model.Spec.MaxReplicas}"
        : Verdict.ToString();

    /// <summary>How much more demand before one more replica is wanted: a count of the peak's requests a second; null where nothing is known.</summary>
    public double? BeforeOneMorePerSecond =>
        CapacityEachPerSecond is null || !Held ? null : Math.Max(0, CapacityPerSecond - Model.Demand.PeakPerSecond);

    internal static ImmutableArray<ModelStanding> Of(
        DescribedFleet fleet, FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, Plan plan, Dictionary<ModelId, Reason> started)
    {
        var replicas = observed.Replicas.ToLookup(replica => replica.Model);
        var models = fleet.Models.ToDictionary(model => model.Id);
        return
        [
            .. Outlooks.Of(spec, observed, knowledge).Zip(plan.Models, (outlook, verdict) => new ModelStanding
            {
                Model = models[outlook.Model.Id],
                Variant = outlook.Variant,
                Needs = outlook.Needs,
                Replicas = [.. replicas[outlook.Model.Id]],
                Wanted = verdict.Wanted,
                CapacityEachPerSecond = outlook.CapacityOfEach(Math.Max(1, outlook.Serving)),
                Keeps = outlook.CapacityExpected?.Keeps
                    ?? (!models[outlook.Model.Id].Times.TryGetValue(outlook.Variant.Id, out var times) || times.Seconds(1) <= outlook.Model.Slo.Latency.TotalSeconds),
                Load = outlook.Load.P90,
                Verdict = verdict.Reason,
                Started = started.GetValueOrDefault(outlook.Model.Id),
            }),
        ];
    }
}
