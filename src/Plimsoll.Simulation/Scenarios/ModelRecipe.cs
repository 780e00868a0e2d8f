using System.Collections.Immutable;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Scenarios;

/// <summary>One model of a scenario: what is asked of it, how it runs, and how far the truth may be from what is predicted.</summary>
public sealed record ModelRecipe
{
    public required ModelId Id { get; init; }

    public required Footprint Footprint { get; init; }

    public required Slo Slo { get; init; }

    public required RequestTrace Trace { get; init; }

    public int Priority { get; init; }

    public int MinReplicas { get; init; }

    public int MaxReplicas { get; init; } = 1;

    public TimeSpan? IdleLimit { get; init; }

    /// <summary>Whether its weights are brought to a node's disk before they are loaded.</summary>
    public bool Cached { get; init; }

    /// <summary>Whether its servers can sleep, weights in host memory, where it runs on devices.</summary>
    public bool Sleeps { get; init; }

    /// <summary>Ways to run it, in order of preference.</summary>
    public required ImmutableArray<VariantRecipe> Variants { get; init; }

    /// <summary>Mean tokens of its requests, as far as the planner is told; null for what is typical.</summary>
    public TypicalLengths Lengths { get; init; }
}

/// <summary>One way to run a model.</summary>
public sealed record VariantRecipe
{
    /// <summary>The device; null for the processor.</summary>
    public Accelerator? Device { get; init; }

    /// <summary>Devices of a replica.</summary>
    public int Devices { get; init; } = 1;

    /// <summary>The engine's name ("vllm", "plimsoll-model-server").</summary>
    public required string Engine { get; init; }

    /// <summary>Tokens of the longest sequence; 0 for as many as the model was made for.</summary>
    public long Context { get; init; }

    /// <summary>Requests a replica works on at once.</summary>
    public int Concurrency { get; init; } = 8;

    /// <summary>Cores of a replica; null for one a device.</summary>
    public Cores? Cores { get; init; }

    /// <summary>How long requests take of one that does not generate text token by token.</summary>
    public BatchTimes? Batch { get; init; }

    /// <summary>In its place how long it computes batches, which the planner is told.</summary>
    public BatchProfile? Profile { get; init; }
}

/// <summary>How far what happens is from what is predicted: spreads of logarithms, drawn once for each model of a run.</summary>
/// <param name="Pace">Of step times.</param>
/// <param name="Load">Of load times.</param>
public sealed record TruthSpread(double Pace = 0.2, double Load = 0.3);

/// <summary>Makes models of recipes: what the planner knows of each, and how it truly is.</summary>
public static class ModelRecipes
{
    /// <exception cref="ArgumentException">A variant does not fit its device, or nothing tells how fast it is; a sentence says why.</exception>
    public static SimulatedModel Resolve(this ModelRecipe recipe, TruthSpread spread, int seed)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(spread);
        var random = Seeds.Of(seed, $"truth of {recipe.Id}");
        var (pace, load) = (random.Factor(spread.Pace), random.Factor(spread.Load));
        var variants = recipe.Variants.Select(variant => Resolve(recipe, variant, pace, load)).ToImmutableArray();
        return new SimulatedModel
        {
            Spec = recipe.SpecOf([.. variants.Select(one => one.Spec)]),
            Trace = recipe.Trace,
            Truth = variants.ToImmutableSortedDictionary(one => one.Spec.Id, one => one.Truth),
            Profiles = variants.Where(one => one.Profile is not null).ToImmutableSortedDictionary(one => one.Spec.Id, one => one.Profile!),
        };
    }

    /// <summary>What the planner knows of it, run in these ways.</summary>
    internal static ModelSpec SpecOf(this ModelRecipe recipe, ImmutableArray<VariantSpec> variants) => new()
    {
        Id = recipe.Id,
        Version = "1",
        Source = $"simulated:{recipe.Id}",
        Cached = recipe.Cached,
        Footprint = recipe.Footprint,
        Slo = recipe.Slo,
        Priority = recipe.Priority,
        MinReplicas = recipe.MinReplicas,
        MaxReplicas = recipe.MaxReplicas,
        IdleLimit = recipe.IdleLimit,
        Variants = variants,
    };

    internal static (VariantSpec Spec, ReplicaTruth Truth, ReplicaProfile? Profile) Resolve(ModelRecipe recipe, VariantRecipe variant, double pace, double load)
    {
        var id = VariantId.Of(variant.Device is { } device ? $"{variant.Engine}-{variant.Devices}x{device.Name}" : $"{variant.Engine}-cpu");
        if (variant is { Device: { } on, Batch: null, Profile: null }) return Generating(recipe, variant, id, on, pace, load);
        var prior = variant.Profile is { } profile ? ServicePriors.Of(profile, variant.Concurrency, recipe.Slo) : null;
        if ((prior is null ? variant.Batch : new BatchTimes(prior.StepSeconds, prior.SequenceSeconds)) is not { } batch) throw new ArgumentException($"{recipe.Id}: how long its requests take must be said, as it generates no text on a known device");
        var devices = variant.Device is null ? 0 : variant.Devices;
        var needs = MaySleep(recipe, variant, EngineProfile.Named(variant.Engine).Needs(recipe.Footprint, devices, variant.Cores, recipe.Cached, Bytes.Zero));
        return (
            new VariantSpec
            {
                Id = id,
                Engine = variant.Engine,
                DeviceKind = variant.Device?.Name,
                TensorParallel = Math.Max(1, devices),
                Needs = needs,
                Concurrency = variant.Concurrency,
                Service = prior,
            },
            new ReplicaTruth
            {
                Profile = variant.Profile?.Slower(pace),
                Batch = new BatchTimes(batch.Fixed * pace, batch.PerRequest * pace),
                Load = Slower(PathOf(null, recipe.Footprint.Weights, Math.Max(1, devices)), load),
                Unload = LoadPriors.Unload(recipe.Footprint.Weights),
                Sleep = Slower(LoadPriors.Sleep(recipe.Footprint.Weights, Math.Max(1, devices)), load),
                Wake = Slower(LoadPriors.Wake(recipe.Footprint.Weights, Math.Max(1, devices)), load),
            },
            null);
    }

    private static (VariantSpec Spec, ReplicaTruth Truth, ReplicaProfile? Profile) Generating(ModelRecipe recipe, VariantRecipe variant, VariantId id, Accelerator device, double pace, double load)
    {
        if (!ServingEngine.TryParse(variant.Engine, out var engine)) throw new ArgumentException($"{recipe.Id}: the engine {variant.Engine} is not known");
        var serving = new ServingVariant
        {
            Device = device,
            Engine = engine,
            TensorParallel = variant.Devices,
            Context = variant.Context,
            MaxSequences = variant.Concurrency,
        };
        var known = ServingNeeds.Of(recipe.Footprint, serving, variant.Cores, recipe.Cached);
        if (!known.Fit.Fits) throw new ArgumentException($"{recipe.Id} on {variant.Devices} × {device.Name} with {engine.Name}: {known.Fit.Reason}");
        var (replica, problem) = PredictedReplica.Of(recipe.Footprint, known.Fit);
        if (replica is null) throw new ArgumentException($"{recipe.Id}: {problem}");
        return (
            new VariantSpec
            {
                Id = id,
                Engine = variant.Engine,
                DeviceKind = device.Name,
                TensorParallel = variant.Devices,
                Needs = MaySleep(recipe, variant, known.Needs),
                Concurrency = variant.Concurrency,
                Service = ServicePriors.Of(recipe.Footprint, known.Fit, recipe.Slo, recipe.Lengths),
            },
            new ReplicaTruth
            {
                Limits = replica.Limits,
                StepSeconds = batch => pace * replica.Steps.Of(batch).Seconds,
                Load = Slower(PathOf(engine.Kind, recipe.Footprint.Weights, variant.Devices), load),
                Unload = LoadPriors.Unload(recipe.Footprint.Weights),
                Sleep = Slower(LoadPriors.Sleep(recipe.Footprint.Weights, variant.Devices), load),
                Wake = Slower(LoadPriors.Wake(recipe.Footprint.Weights, variant.Devices), load),
            },
            new ReplicaProfile(replica.Limits, batch => replica.Steps.Of(batch).Seconds));
    }

    // Engines of which no load was published by its stages are taken to start as a process does, and to read as any other.
    private static LoadPath PathOf(EngineKind? engine, Bytes weights, int ranks)
    {
        var read = LoadPriors.Read(WeightStore.LocalDisk, WeightReader.OneStream, weights, ranks: ranks);
        return engine is EngineKind.Vllm or EngineKind.SgLang
            ? new LoadPath([LoadPriors.Start(ranks), read, LoadPriors.Initialise(weights)])
            : new LoadPath([new LoadStage { Name = "start", Fixed = TimeSpan.FromSeconds(1), Spread = 0.2 }, read]);
    }

    private static LoadPath Slower(LoadPath path, double factor) => new([.. path.Stages.Select(stage => Slower(stage, factor))]);

    private static LoadStage Slower(LoadStage stage, double factor) => stage with
    {
        Fixed = stage.Fixed * factor,
        Alone = stage.Alone is { } alone ? new BytesPerSecond((long)Math.Max(1, alone.Value / factor)) : null,
    };

    private static ReplicaNeeds MaySleep(ModelRecipe recipe, VariantRecipe variant, ReplicaNeeds needs) =>
        recipe.Sleeps && needs.PerDevice is not null ? needs with { Asleep = EngineProfile.Named(variant.Engine).Asleep(recipe.Footprint, needs) } : needs;
}
