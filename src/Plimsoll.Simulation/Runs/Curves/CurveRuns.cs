using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Runs.Tuning;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Curves;

/// <summary>Runs a controller at several settings of its dial: Plimsoll's is the attainment that models ask for, a rival's its target.</summary>
public static class CurveRuns
{
    /// <summary>Plimsoll's dial: shares of requests in time that all models are made to ask for.</summary>
    public static ImmutableArray<double> Asked { get; } = [0.3, 0.7, 0.9, 0.97, 0.99, 0.999, 0.9999];

    /// <summary>Settings that are run for Plimsoll.</summary>
    public static int PlimsollPoints => Asked.Length;

    /// <summary>Settings that are run for a rival besides its own: none where it has no target.</summary>
    public static int PointsOf(string rival) => KnobSpace.Curve(rival).Length;

    /// <param name="worlds">With their seeds.</param>
    /// <param name="ran">Called after each run.</param>
    public static AttainmentCurve Plimsoll(ImmutableArray<(int Seed, World World)> worlds, Action? ran = null) => new("plimsoll",
    [
        .. Asked.Select(asked => Point(
            DialOf(asked),
            worlds.Select(one => SimulationRun.Plimsoll(Asking(one.World, asked), one.Seed)), ran)),
    ]);

    /// <param name="worlds">With their seeds.</param>
    /// <param name="rival">One of <see cref="SimulationRun.Rivals"/>.</param>
    /// <param name="tuning">Its other knobs; null for its defaults.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="own">Its runs without the dial turned, one for each world: a point of the curve too.</param>
    /// <param name="ran">Called after each run.</param>
    public static AttainmentCurve Rival(
        ImmutableArray<(int Seed, World World)> worlds, string rival, RivalTuning? tuning, string name, IEnumerable<RunResult> own, Action? ran = null)
    {
        var set = tuning ?? RivalTuning.Defaults;
        var points = ImmutableArray.CreateBuilder<CurvePoint>();
        points.Add(Point("as set", own, null));
        foreach (var knobs in KnobSpace.Curve(rival))
        {
            var turned = Enum.GetValues<WeightClass>().Aggregate(set, (all, each) => all.With(each, all[each] with { Target = knobs.Target }));
            points.Add(Point(knobs.ToString(), worlds.Select(one => SimulationRun.Rival(one.World, one.Seed, rival, turned)), ran));
        }

        return new AttainmentCurve(name, points.ToImmutable());
    }

    private static CurvePoint Point(string dial, IEnumerable<RunResult> runs, Action? ran)
    {
        List<RunResult> all = [];
        foreach (var run in runs)
        {
            // Only the sums are kept: timelines of dozens of runs would fill memory.
            all.Add(run with { Timeline = null, Decisions = [] });
            ran?.Invoke();
        }

        return new CurvePoint(dial, all.Average(run => run.Attainment), all.Average(run => run.Cost));
    }

    /// <summary>The same world, of which every model asks for another attainment; what counts as in time stays.</summary>
    public static World Asking(World world, double attainment)
    {
        ArgumentNullException.ThrowIfNull(world);
        return world.WithSpecs(model => model with { Slo = model.Slo with { Attainment = attainment } });
    }

    /// <summary>"attainment 99%".</summary>
    public static string DialOf(double asked) => string.Create(CultureInfo.InvariantCulture, $"attainment {asked * 100:0.##}%");
}
