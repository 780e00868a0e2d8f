using System.Collections.Immutable;

namespace Plimsoll.Simulation.Plans;

/// <summary>What the planner comes to for a described fleet whose loads take no time.</summary>
public sealed record SettledFleet
{
    // A plan asks for at most 64 nodes, and a host that loads one model after another takes a round for each.
    private const int RoundsMax = 400;

    public required DescribedFleet Fleet { get; init; }

    public required FleetSnapshot Snapshot { get; init; }

    /// <summary>One for each model that can run, ordered by id.</summary>
    public required ImmutableArray<ModelStanding> Models { get; init; }

    /// <summary>One for each training job, ordered by id; empty where there are none.</summary>
    public ImmutableArray<JobVerdict> Jobs { get; init; } = [];

    /// <summary>How many plans it took.</summary>
    public required int Rounds { get; init; }

    /// <summary>Why the planner would go on changing things; null where it asks for nothing more.</summary>
    public string? Unsettled { get; init; }

    /// <summary>What the planner knew at the end of it.</summary>
    public required Knowledge Knowledge { get; init; }

    /// <summary>Whether every model with demand is held in its objective.</summary>
    public bool AllHeld => Models.All(model => model.Held) && Fleet.Models.All(model => model.Spec is not null || model.Demand.PeakPerSecond <= 0);

    /// <summary>Plans from what is there in the beginning until nothing more is asked for.</summary>
    public static SettledFleet Of(DescribedFleet fleet, Planner? planner = null)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        var beginning = fleet.Beginning();
        return Settle(fleet, beginning, fleet.Known(beginning, fleet.Learned), planner);
    }

    /// <summary>The same fleet with other demand, planned on from what runs.</summary>
    public SettledFleet With(Func<DescribedModel, KnownDemand> demand, Planner? planner = null)
    {
        ArgumentNullException.ThrowIfNull(demand);
        var other = Fleet with { Models = [.. Fleet.Models.Select(model => model with { Demand = demand(model) })] };
        return Settle(other, Snapshot, other.Known(Snapshot, Knowledge), planner);
    }

    private static SettledFleet Settle(DescribedFleet fleet, FleetSnapshot observed, Knowledge knowledge, Planner? planner)
    {
        planner ??= new Planner(new WeightAllocator());
        var spec = fleet.Spec;
        var started = new Dictionary<ModelId, Reason>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var round = 1; ; round++)
        {
            var plan = planner.Decide(spec, observed, knowledge);
            foreach (var start in plan.Steps.OfType<Step.Start>()) started[start.Model] = start.Reason;
            // Requests for nodes are met at once, so that there is none to take back.
            ImmutableArray<Step> steps = [.. plan.Steps.Where(step => step is not Step.WithdrawNode)];
            var unsettled = steps.IsEmpty ? null
                : !seen.Add(Marks(observed)) ? $"the same fleet came back after {round - 1} plans: {string.Join(", ", Moving(steps))} take turns for the same room"
                : round >= RoundsMax ? $"after {RoundsMax} plans it still asks for changes of {string.Join(", ", Moving(steps))}"
                : null;
            if (steps.IsEmpty || unsettled is not null)
            {
                return new SettledFleet
                {
                    Fleet = fleet,
                    Snapshot = observed,
                    Knowledge = knowledge,
                    Models = ModelStanding.Of(fleet, spec, observed, knowledge, plan, started),
                    Jobs = plan.Jobs.IsDefault ? [] : plan.Jobs,
                    Rounds = round,
                    Unsettled = unsettled,
                };
            }

            observed = Done.After(observed, steps, spec, fleet.Nodes);
            knowledge = Done.Next(plan.Next, steps);
        }
    }

    // Ordinals rise for ever; a fleet is the same where the same models run in the same places.
    private static string Marks(FleetSnapshot fleet) => string.Join('\n',
        fleet.Replicas.Select(replica => $"{replica.Model} {replica.Variant} {replica.Placement}").Order(StringComparer.Ordinal)
            .Concat(fleet.Training.Select(gang => $"{gang.Job} {string.Join(' ', gang.Members)}")).Concat(fleet.Cache.Select(copy => $"{copy.Node} {copy.Model}")).Append($"{fleet.Nodes.Length}"));

    private static IEnumerable<string> Moving(ImmutableArray<Step> steps) => steps
        .Select(step => step switch
        {
            Step.AddNode add => add.Pool,
            _ => Step.ModelOf(step)?.Value ?? step.Id.Value,
        }).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).Take(8);
}
