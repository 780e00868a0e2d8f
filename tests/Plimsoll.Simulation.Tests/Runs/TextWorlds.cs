using System.Collections.Immutable;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Models that generate text with times that are easy to reckon with: 10 ms a step, 0.05 ms a token computed, 0.1 ms each 100 tokens of context.</summary>
internal static class TextWorlds
{
    public const double Alpha = 10, Beta = 0.05, Gamma = 0.001;

    public static readonly ReplicaLimits Limits = new() { Blocks = 4000 };

    public static double Seconds(StepBatch batch) => (Alpha
        + Beta * (batch.Prompts * batch.PromptTokens + batch.Sequences)
        + Gamma * (batch.Prompts * batch.PromptTokens + batch.Sequences * batch.Context)) / 1000;

    public static SimulatedModel Model(RequestTrace? trace = null, int min = 0, int max = 8, int variants = 1, double pace = 1) => new()
    {
        Spec = new ModelSpec
        {
            Id = ModelId.Of("text"),
            Version = "1",
            Source = "simulated:text",
            Footprint = Footprint.Declared(Bytes.MiB(500), "text"),
            Slo = new Slo(TimeSpan.FromHours(1), 0.99) { TimeToFirstToken = TimeSpan.FromSeconds(2), TimePerOutputToken = TimeSpan.FromMilliseconds(30) },
            MinReplicas = min,
            MaxReplicas = max,
            Variants = [.. Enumerable.Range(0, variants).Select(i => new VariantSpec
            {
                Id = VariantId.Of($"vllm-{i}"),
                Engine = "vllm",
                Needs = Worlds.Small("x", Worlds.Poisson(1, 1)).Resolve(new TruthSpread(), 1).Spec.Variants[0].Needs,
                Concurrency = 32,
            })],
        },
        Trace = trace ?? new RequestTrace([], [], [], 1),
        Truth = Enumerable.Range(0, variants).ToImmutableSortedDictionary(i => VariantId.Of($"vllm-{i}"), _ => new ReplicaTruth
        {
            Limits = Limits,
            StepSeconds = batch => pace * Seconds(batch),
            Load = new LoadPath([new LoadStage { Name = "start", Fixed = TimeSpan.FromSeconds(20) }]),
            Unload = new LoadStage { Name = "end", Fixed = TimeSpan.FromSeconds(1) },
        }),
        Profiles = Enumerable.Range(0, variants).ToImmutableSortedDictionary(i => VariantId.Of($"vllm-{i}"), _ => new ReplicaProfile(Limits, Seconds)),
    };

    public static World Of(SimulatedModel model, double seconds) => new()
    {
        Name = "text",
        Spec = new FleetSpec { Models = [model.Spec] },
        Nodes = [Worlds.Processors(4, 8)],
        Models = [model],
        Length = TimeSpan.FromSeconds(seconds),
    };

    public static RequestTrace Traffic(double perSecond, double from, double until, double seconds, int seed = 1)
    {
        var random = new Random(seed);
        List<double> arrivals = [];
        for (var at = from; (at += -Math.Log(1 - random.NextDouble()) / perSecond) < until;) arrivals.Add(at);
        return new RequestTrace([.. arrivals], [.. arrivals.Select(_ => 400)], [.. arrivals.Select(_ => 100)], seconds);
    }

    /// <summary>What a rule sees at a second: pods that serve, each with so many requests and so full a cache.</summary>
    public static ModelView Seen(double at, int spec, int ready, int running = 0, int waiting = 0, double use = 0, int held = 0, long arrived = 0, long served = 0) => new()
    {
        Now = new DateTimeOffset(2026, 1, 5, 0, 0, 0, TimeSpan.Zero).AddSeconds(at),
        Spec = spec,
        Held = held,
        Arrived = arrived,
        Served = (served, 400.0 * served, 100.0 * served),
        Pods = [.. Enumerable.Range(0, spec).Select(i => new PodView($"p{i}", i < ready, default, i < ready ? running : 0, i < ready ? waiting : 0, i < ready ? use : 0)
        {
            TokenRoom = 64_000,
            TokensHeld = (long)(64_000 * (i < ready ? use : 0)),
        })],
    };
}
