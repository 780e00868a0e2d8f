using System.Collections.Immutable;
using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Plans;

/// <summary>Demand that is taken as known: nothing is added for what a forecast could miss.</summary>
/// <param name="PerSecond">Requests a second on the mean.</param>
/// <param name="PeakPerSecond">The most, which is what is planned for; no less than the mean.</param>
public readonly record struct KnownDemand(double PerSecond, double PeakPerSecond)
{
    public KnownDemand Times(double factor) => new(PerSecond * factor, PeakPerSecond * factor);
}

/// <summary>A way to run a model that its device cannot hold, or of which nothing tells how fast it is.</summary>
/// <param name="Variant">As other variants are named ("vllm-1xl4-24gb").</param>
/// <param name="Why">In a sentence.</param>
public sealed record UnfitVariant(string Variant, string Why);

/// <summary>One model of a fleet that is only described.</summary>
public sealed record DescribedModel
{
    public required ModelId Id { get; init; }

    /// <summary>What its weights take.</summary>
    public required Bytes Weights { get; init; }

    /// <summary>What is to be served, with the ways to run it that fit; null where none does.</summary>
    public ModelSpec? Spec { get; init; }

    public ImmutableArray<UnfitVariant> Unfit { get; init; } = [];

    /// <summary>How long requests take of variants that answer at once, as described; ordered by variant.</summary>
    public ImmutableSortedDictionary<VariantId, BatchTimes> Times { get; init; } = ImmutableSortedDictionary<VariantId, BatchTimes>.Empty;

    public required KnownDemand Demand { get; init; }

    /// <summary>A model of its recipe, each way to run it judged by itself.</summary>
    public static DescribedModel Of(ModelRecipe recipe, KnownDemand demand)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        var fit = ImmutableArray.CreateBuilder<VariantSpec>();
        var unfit = ImmutableArray.CreateBuilder<UnfitVariant>();
        var times = ImmutableSortedDictionary.CreateBuilder<VariantId, BatchTimes>();
        foreach (var variant in recipe.Variants)
        {
            var name = variant.Device is { } device ? $"{variant.Engine}-{variant.Devices}x{device.Name}" : $"{variant.Engine}-cpu";
            try
            {
                var (spec, truth, _) = ModelRecipes.Resolve(recipe, variant, pace: 1, load: 1);
                if (fit.Any(one => one.Id == spec.Id))
                {
                    unfit.Add(new UnfitVariant(name, "is named twice; the first is planned with"));
                    continue;
                }

                fit.Add(spec);
                if (variant.Batch is not null) times[spec.Id] = truth.Batch;
            }
            catch (ArgumentException cannot)
            {
                unfit.Add(new UnfitVariant(name, cannot.Message));
            }
        }

        return new DescribedModel
        {
            Id = recipe.Id,
            Weights = recipe.Footprint.Weights,
            Spec = fit.Count == 0 ? null : recipe.SpecOf(fit.ToImmutable()),
            Unfit = unfit.ToImmutable(),
            Times = times.ToImmutable(),
            Demand = demand,
        };
    }
}

/// <summary>A fleet that is only described: nodes, models, and the demand that is known of each.</summary>
public sealed record DescribedFleet
{
    /// <summary>When the plan is made; any moment would do, as nothing in a plan of known demand depends on the clock.</summary>
    public static readonly DateTimeOffset Moment = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    public required string Name { get; init; }

    /// <summary>Ordered by name.</summary>
    public required ImmutableArray<NodeGroup> Nodes { get; init; }

    /// <summary>Ordered by id.</summary>
    public required ImmutableArray<DescribedModel> Models { get; init; }

    /// <summary>Ordered by id.</summary>
    public ImmutableArray<TrainingSpec> Training { get; init; } = [];

    public PlannerSettings Settings { get; init; } = new();

    public Prices Prices { get; init; } = new();

    /// <summary>What is there to begin with; null for empty nodes of the groups.</summary>
    public FleetSnapshot? Observed { get; init; }

    /// <summary>What was learned of the models; null for nothing. Demand is not taken from it.</summary>
    public Knowledge? Learned { get; init; }

    /// <summary>What is to be served: the models of which at least one way to run fits its device.</summary>
    public FleetSpec Spec => new()
    {
        Models = [.. Models.Select(model => model.Spec).OfType<ModelSpec>()],
        Training = Waiting(),
        // Demand that is known lasts, and so does what is short for it.
        Settings = Settings with { ShortagesLast = false },
        Prices = Prices,
        NodePools = Nodes.Pools(),
    };

    // All are there, in the order in which they come.
    private ImmutableArray<TrainingSpec> Waiting()
    {
        if (Training.IsEmpty) return [];
        var now = Beginning().At;
        TrainingSpec[] order = [.. Training.OrderByDescending(job => job.SubmittedAt).ThenByDescending(job => job.Id)];
        return [.. Training.Select(job => job with { SubmittedAt = now.AddTicks(-1 - Array.IndexOf(order, job)) })];
    }

    /// <summary>What is observed, or empty nodes.</summary>
    internal FleetSnapshot Beginning() => Observed ?? Empty();

    /// <summary>The nodes that are there from the beginning, with nothing on them.</summary>
    internal FleetSnapshot Empty() => new()
    {
        At = Moment,
        Can = Capabilities.Train | Capabilities.ChooseNode | Capabilities.ChooseDevice | Capabilities.ChooseVictim
            | (Nodes.Any(group => group.CacheSize is not null) ? Capabilities.PrefetchWeights | Capabilities.EvictWeights : Capabilities.None)
            | (Nodes.Any(group => group.IsElastic) ? Capabilities.AddNodes : Capabilities.None),
        Nodes = [.. Nodes.SelectMany(group => Enumerable.Range(0, group.Count).Select(index => Node(group, index, Moment))).OrderBy(node => node.Id)],
        // An interval of no length: nothing newer is known than the demand that was given, and it is not missing.
        Traffic = [.. Models.Where(model => model.Spec is not null).Select(model => new ModelTraffic { Model = model.Id, From = Moment, To = Moment, Arrivals = 0 })],
    };

    internal static NodeState Node(NodeGroup group, int index, DateTimeOffset at) => SimulatedNode.Empty(group) with
    {
        Id = NodeId.Of(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{group.Name}-{index}")),
        CacheFileSystemFree = group.CacheSize is { } size ? Signal.Known(size, at) : Signal.Missing<Bytes>("it has no cache"),
    };

    /// <summary>The demand and the described times, as a planner knows them that has seen them for long.</summary>
    internal Knowledge Known(FleetSnapshot observed, Knowledge? before = null)
    {
        var models = (before ?? Knowledge.Empty).Models.ToBuilder();
        foreach (var model in Models)
        {
            if (model.Spec is not { } spec) continue;
            var timed = spec.Variants.Where(variant => variant.Service is null && model.Times.ContainsKey(variant.Id))
                .ToImmutableSortedDictionary(variant => variant.Id, variant => Fit(model.Times[variant.Id], variant.Concurrency));
            var known = models.GetValueOrDefault(model.Id, ModelKnowledge.Nothing);
            models[model.Id] = known with
            {
                Version = spec.Version,
                Demand = model.Demand.PeakPerSecond > 0
                    ? new DemandHistory(observed.At, [model.Demand.PeakPerSecond * Settings.DemandBucket.TotalSeconds]) : new DemandHistory(observed.At, [0]),
                ActiveRate = model.Demand.PerSecond,
                LastArrival = model.Demand.PeakPerSecond > 0 ? observed.At : null,
                Service = timed.IsEmpty ? known.Service : timed.GetValueOrDefault(spec.Variants[0].Id, ServiceFit.None),
                VariantServices = timed.IsEmpty ? known.VariantServices : timed,
            };
        }

        return (before ?? Knowledge.Empty) with { FoldedAt = observed.At, Models = models.ToImmutable() };
    }

    // One request at every number in the replica that there may be: the line through them is the one that was described.
    private static ServiceFit Fit(BatchTimes times, int concurrency)
    {
        var (most, n, l, nn, nl) = (Math.Min(concurrency, 1000), 0.0, 0.0, 0.0, 0.0);
        for (var k = 1; k <= most; k++)
        {
            n += k;
            l += times.Seconds(k);
            nn += (double)k * k;
            nl += k * times.Seconds(k);
        }

        return new ServiceFit(most, n, l, nn, nl, most);
    }
}
