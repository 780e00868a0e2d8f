using BenchmarkDotNet.Attributes;

namespace Plimsoll.Bench;

/// <summary>What one tick of the control loop costs: learning from a snapshot, then deciding.</summary>
public class PlannerBenchmark
{
    private readonly Planner _planner = new(new WeightAllocator());
    private BenchFleet _quiet = null!;
    private BenchFleet _scarce = null!;
    private BenchFleet _cached = null!;
    private Knowledge _quietKnown = null!;
    private Knowledge _scarceKnown = null!;
    private Knowledge _cachedKnown = null!;

    [Params(10, 100, 1000)]
    public int Models { get; set; }

    /// <summary>Whether demand is forecast, or judged by the most of the recent past.</summary>
    [Params(false, true)]
    public bool Forecasts { get; set; }

    [GlobalSetup]
    public void Build()
    {
        _quiet = BenchFleet.Of(Models, waitingOneIn: null, forecasts: Forecasts);
        _scarce = BenchFleet.Of(Models, waitingOneIn: 5, forecasts: Forecasts);
        _cached = BenchFleet.Of(Models, waitingOneIn: 5, cached: true, forecasts: Forecasts);
        _quietKnown = _quiet.Before.Fold(_quiet.Spec, _quiet.Snapshot);
        _scarceKnown = _scarce.Before.Fold(_scarce.Spec, _scarce.Snapshot);
        _cachedKnown = _cached.Before.Fold(_cached.Spec, _cached.Snapshot);

        // A benchmark of a planner that has nothing to do would flatter it.
        var (quiet, scarce) = (DecideQuiet().Steps.Length, DecideScarce().Steps.Length);
        var cached = DecideScarceCached().Steps;
        Console.WriteLine($"// {Models} models, {_quiet.Snapshot.Replicas.Length} replicas, {Write()} bytes of JSON known: quiet plan {quiet} steps, scarce plan {scarce} steps, "
            + $"with caches {cached.Length} steps, {cached.Count(step => step is Step.Prefetch)} of them fetches");
        if (quiet != 0 || scarce == 0 || cached.IsEmpty)
            throw new InvalidOperationException($"expected an empty quiet plan and a scarce one with steps, found {quiet} and {scarce}");
    }

    /// <summary>One more second of demand for every model.</summary>
    [Benchmark]
    public Knowledge Fold() => _scarce.Before.Fold(_scarce.Spec, _scarce.Snapshot);

    /// <summary>What is journalled and hashed of it.</summary>
    [Benchmark]
    public int Write() => Plimsoll.Json.PlimsollJson.ToBytes(_scarceKnown, Plimsoll.Json.PlimsollJson.Default.Knowledge).Length;

    /// <summary>The usual tick: demand is met, the plan is empty.</summary>
    [Benchmark]
    public Plan DecideQuiet() => _planner.Decide(_quiet.Spec, _quiet.Snapshot, _quietKnown);

    /// <summary>The worst tick: full nodes, and a fifth of the models out of memory with requests waiting.</summary>
    [Benchmark]
    public Plan DecideScarce() => _planner.Decide(_scarce.Spec, _scarce.Snapshot, _scarceKnown);

    /// <summary>The same with model caches as full as the memory.</summary>
    [Benchmark]
    public Plan DecideScarceCached() => _planner.Decide(_cached.Spec, _cached.Snapshot, _cachedKnown);
}
