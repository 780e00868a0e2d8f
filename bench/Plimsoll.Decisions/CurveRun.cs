using System.Collections.Immutable;
using System.Security.Cryptography;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Curves;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Decisions;

/// <summary>Runs Plimsoll along its dial and rivals over their settings in one scenario, and keeps every run; what is kept is not run again.</summary>
internal sealed class CurveRun
{
    public const string Plimsoll = "plimsoll";

    /// <summary>The name under which the bound is kept.</summary>
    public const string Bound = "bound";

    /// <summary>The setting of a fleet as its scenario has it.</summary>
    public const string AsSet = "as set";

    private readonly string _folder;
    private readonly string _name;
    private readonly string _digest;
    private readonly ImmutableArray<(int Seed, World World)> _worlds;

    /// <param name="folder">Where runs are kept.</param>
    /// <param name="scenario">The scenario's file.</param>
    /// <param name="seeds">From 1.</param>
    public CurveRun(string folder, string scenario, int seeds)
    {
        (_folder, _name) = (folder, Path.GetFileNameWithoutExtension(scenario));
        _digest = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(scenario)))[..16];
        var resolver = new ScenarioResolver(ScenarioFile.Read(scenario));
        _worlds = [.. Enumerable.Range(1, seeds).Select(seed => (seed, resolver.MustOf(seed, CancellationToken.None)))];
    }

    /// <param name="scaler">Plimsoll, the bound, or a rival.</param>
    /// <param name="most">Settings of a rival at the most.</param>
    public void Run(string scaler, int most)
    {
        if (scaler == Plimsoll) RunPlimsoll();
        else if (scaler == Bound) RunBound();
        else RunRival(scaler, most);
    }

    /// <summary>The least that anybody pays under whom each model misses one request in a hundred.</summary>
    private void RunBound() => Keep(Bound, [(CurveRuns.DialOf(CurvePage.Goal), one =>
    {
        var bound = new ClairvoyantBound(one.World).Of([.. one.World.Models.Select(model => (long)(model.Trace.Count * (1 - CurvePage.Goal)))]);
        return new CloudRun(one.Seed, CurvePage.Goal, bound.In(CostUnits.Of(one.World)), CurvePage.Goal);
    })]);

    private void RunPlimsoll() => Keep(Plimsoll,
    [
        (AsSet, one => Of(SimulationRun.Plimsoll(one.World, one.Seed))),
        .. CurveRuns.Asked.Select(asked => (CurveRuns.DialOf(asked), (Func<(int Seed, World World), CloudRun>)(one => Of(SimulationRun.Plimsoll(CurveRuns.Asking(one.World, asked), one.Seed))))),
    ]);

    // Not where it has no rules for any of the models.
    private void RunRival(string rival, int most)
    {
        if (SimulationRun.NotManagedBy(_worlds[0].World, rival).Length == _worlds[0].World.Models.Length) return;
        Keep(rival, [.. RivalCloud.Of(rival, most).Select(tuning => (tuning.Light.ToString(), (Func<(int Seed, World World), CloudRun>)(one => Of(SimulationRun.Rival(one.World, one.Seed, rival, tuning)))))]);
    }

    private static CloudRun Of(RunResult run) => new(run.Seed, run.Attainment, run.Cost, run.Models.Min(model => model.Attainment));

    private void Keep(string scaler, ImmutableArray<(string Setting, Func<(int Seed, World World), CloudRun> Run)> settings)
    {
        var (path, began, runs) = (CurveFile.PathOf(_folder, _name, scaler), TimeProvider.System.GetTimestamp(), 0);
        var kept = CurveFile.Read(path) is { } known && known.Digest == _digest ? known : new CurveFile { Scenario = _name, Digest = _digest, Scaler = scaler, Points = [] };
        foreach (var (setting, run) in settings)
        {
            var point = kept.Points.FirstOrDefault(point => point.Setting == setting);
            var missing = _worlds.Where(one => point is null || point.Runs.All(had => had.Seed != one.Seed)).ToList();
            if (missing.Count == 0) continue;
            if (point is null) kept.Points.Add(point = new CloudPoint(setting, []));
            point.Runs.AddRange(missing.AsParallel().AsOrdered().Select(run));
            point.Runs.Sort((a, b) => a.Seed.CompareTo(b.Seed));
            runs += missing.Count;
            kept.Write(path);
        }

        if (runs > 0) Console.WriteLine($"{path}: {runs} runs in {TimeProvider.System.GetElapsedTime(began).TotalSeconds:0} s");
    }
}
