using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs.Tuning;

/// <summary>What a fleet came to under some settings, with each of several seeds.</summary>
internal sealed class FleetOutcome
{
    /// <summary>Differences of shares below this are chance, and do not count.</summary>
    private const double ShareNoise = 0.001;

    /// <summary>More requests in time are worth money by steps of so many: half a request in a hundred.</summary>
    private const double ShareStep = 0.005;

    /// <summary>A model may lose one request in a hundred before its loss counts, or twice what chance makes of its misses.</summary>
    private const double ModelLoss = 0.01;

    private const double CheaperBy = 0.005;

    private readonly ImmutableArray<WantedShare> _wanted;
    private readonly ImmutableArray<(long Requests, long Within)> _models;

    private FleetOutcome(ImmutableArray<WantedShare> wanted, ImmutableArray<(long Requests, long Within)> models, ImmutableArray<double> costs, ImmutableArray<double> attainments, ImmutableDictionary<string, double> costOf) =>
        (_wanted, _models, Costs, Attainments, CostOf) = (wanted, models, costs, attainments, costOf);

    /// <summary>By seed.</summary>
    public ImmutableArray<double> Costs { get; }

    /// <summary>Shares of all requests, by seed.</summary>
    public ImmutableArray<double> Attainments { get; }

    /// <summary>Of the models that <see cref="WantedShare"/> names, by its name: what they held.</summary>
    public ImmutableDictionary<string, double> CostOf { get; }

    public double Cost => Costs.Average();

    /// <summary>Of all requests, those that are missed beyond what the wanted shares allow their models.</summary>
    public double Missing => _models.Sum(model => model.Requests) is var all and > 0
        ? _models.Zip(_wanted, (model, wanted) => Math.Max(0, (wanted.Share * model.Requests) - model.Within)).Sum() / all
        : 0;

    /// <param name="wanted">What is to hold.</param>
    /// <param name="runs">One a seed.</param>
    /// <param name="unit">What is paid for.</param>
    public static FleetOutcome Of(ImmutableArray<WantedShare> wanted, IReadOnlyList<RunResult> runs, CostUnit unit)
    {
        var models = wanted.Select(one => runs.SelectMany(run => run.Models).Where(model => one.Models.Contains(model.Model)).ToList()).ToList();
        return new FleetOutcome(
            wanted,
            [.. models.Select(list => (list.Sum(model => model.Requests), list.Sum(model => model.WithinSlo)))],
            [.. runs.Select(run => run.Cost)],
            [.. runs.Select(run => run.Attainment)],
            wanted.Zip(models).ToImmutableDictionary(pair => pair.First.Name, pair => pair.Second.Sum(model => unit == CostUnit.DeviceHours ? model.DeviceHours : model.Dollars), StringComparer.Ordinal));
    }

    /// <summary>Whether what is wanted holds as well as it does under others, and no model pays for it.</summary>
    public bool HoldsAsWellAs(FleetOutcome before)
    {
        if (Missing > before.Missing + ShareNoise) return false;
        for (var i = 0; i < _models.Length; i++)
        {
            var (requests, within) = before._models[i];
            var lost = Math.Min(_wanted[i].Share * requests, within) - _models[i].Within;
            if (lost > Math.Max(ModelLoss * requests, 2 * Math.Sqrt(requests - within + 1))) return false;
        }

        return true;
    }

    /// <summary>Whether it is to be chosen over another, both compared with how things are: first what is wanted, then what it costs.</summary>
    public bool IsBetterThan(FleetOutcome other, FleetOutcome asItIs)
    {
        if (!HoldsAsWellAs(asItIs)) return false;
        var (gained, otherGained) = (GainedOver(asItIs), other.GainedOver(asItIs));
        return gained != otherGained ? gained > otherGained : Cost < other.Cost * (1 - CheaperBy);
    }

    /// <summary>Whether, by several seeds, it is better than how things are, and not by chance: cheaper by a hundredth, or with half a request in a hundred more of those that are wanted.</summary>
    public bool IsSurelyBetterThan(FleetOutcome asItIs)
    {
        if (!HoldsAsWellAs(asItIs)) return false;
        var (saved, gained) = (SavedOver(asItIs), MoreInTimeThan(asItIs));
        return (GainedOver(asItIs) > 0 && gained.Mean - gained.HalfWidth > 0) || (saved.Mean > 2 * CheaperBy * asItIs.Cost && saved.Mean - saved.HalfWidth > 0);
    }

    /// <summary>What is saved, seed by seed.</summary>
    public SeedSpread SavedOver(FleetOutcome asItIs) => SeedSpread.Of([.. asItIs.Costs.Zip(Costs, (before, now) => before - now)]);

    /// <summary>The share of requests that more are in time, seed by seed.</summary>
    public SeedSpread MoreInTimeThan(FleetOutcome asItIs) => SeedSpread.Of([.. asItIs.Attainments.Zip(Attainments, (before, now) => now - before)]);

    // Where nothing is missing nothing can be gained, however it is counted.
    private int GainedOver(FleetOutcome before) => (int)Math.Floor((before.Missing - Missing + 1e-9) / ShareStep);
}
