using System.Globalization;
using System.Runtime.InteropServices;
using Plimsoll.Json;

namespace Plimsoll.Bench;

/// <summary>
/// What one turn costs the brain in a large cluster: learn, decide, and the sum, as percentiles over turns. Prints a hash of
/// each plan, by which two builds are known to decide the same.
/// </summary>
internal static class ScaleCommand
{
    private static readonly TimeProvider Clock = TimeProvider.System;

    public static int Run(string[] args)
    {
        var turns = Measured.Option(args, "--turns", 20);
        var (nodes, models, pods) = (Measured.Option(args, "--nodes", 5000), Measured.Option(args, "--models", 2000), Measured.Option(args, "--pods", 20_000));
        Console.WriteLine($"{RuntimeInformation.FrameworkDescription}, {nodes} nodes, {models} models, {pods} pods, {turns} turns after one");
        Console.WriteLine("starts           steps     learn p50/p99 ms    decide p50/p99 ms      turn p99 ms   CPU ms   MB a turn   heap MB   plan");
        foreach (var (starts, scarce) in (ReadOnlySpan<(int, bool)>)[(0, false), (20, false), (300, false), (20, true), (300, true)])
        {
            if (args.Contains("--no-scarce") && scarce || args.Contains("--only-quiet") && starts > 0 || args.Contains("--only-scarce") && !scarce) continue;
            Measure(args.Contains("--parts"), ScaleFleet.Of(nodes, models, pods, starts, scarce), $"{starts}{(scarce ? " scarce" : "")}", turns);
        }

        return 0;
    }

    private static void Measure(bool parts, ScaleFleet fleet, string name, int turns)
    {
        var planner = new Planner(new WeightAllocator());
        var (learn, decide, both) = (new List<double>(), new List<double>(), new List<double>());
        var plan = planner.Decide(fleet.Spec, fleet.Snapshot, fleet.Before.Fold(fleet.Spec, fleet.Snapshot));
        var allocated = GC.GetTotalAllocatedBytes(precise: true);
        var used = Environment.CpuUsage.TotalTime;
        for (var turn = 0; turn < turns; turn++)
        {
            var start = Clock.GetTimestamp();
            var known = fleet.Before.Fold(fleet.Spec, fleet.Snapshot);
            var folded = Clock.GetTimestamp();
            plan = planner.Decide(fleet.Spec, fleet.Snapshot, known);
            learn.Add(Clock.GetElapsedTime(start, folded).TotalMilliseconds);
            decide.Add(Clock.GetElapsedTime(folded).TotalMilliseconds);
            both.Add(Clock.GetElapsedTime(start).TotalMilliseconds);
        }

        if (parts) Parts(fleet, plan);
        Console.WriteLine("// " + string.Join(", ", plan.Models.CountBy(verdict => verdict.Reason.Rule).OrderBy(one => one.Key).Select(one => $"{one.Value} {one.Key}"))
            + (plan.Models.FirstOrDefault(verdict => verdict.Reason.Rule is Rule.HoldUnsafeNode or Rule.HoldUnplaced) is { } held ? $"; {held.Model}: {held.Reason}" : ""));
        var cpu = (Environment.CpuUsage.TotalTime - used).TotalMilliseconds / turns;
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name,-14} {plan.Steps.Length,7} {Measured.At(learn, 0.5),9:0.0} /{Measured.At(learn, 0.99),8:0.0} {Measured.At(decide, 0.5),12:0.0} /{Measured.At(decide, 0.99),8:0.0} {Measured.At(both, 0.99),16:0.0} {cpu,12:0.0} {allocated / 1e6 / turns,12:0.0} {GC.GetTotalMemory(true) / 1e6,9:0}   {PlimsollJson.Hash(plan, PlimsollJson.Default.Plan)[..16]}"));
    }

    // Where the time goes.
    private static void Parts(ScaleFleet fleet, Plan plan)
    {
        void Part(string name, Action work)
        {
            work();
            var used = Environment.CpuUsage.TotalTime;
            for (var i = 0; i < 5; i++) work();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"//   {name,-10} {(Environment.CpuUsage.TotalTime - used).TotalMilliseconds / 5,8:0.0} ms of CPU"));
        }

        var known = fleet.Before.Fold(fleet.Spec, fleet.Snapshot);
        Part("fold", () => fleet.Before.Fold(fleet.Spec, fleet.Snapshot));
        Part("spec", () => PlimsollJson.Hash(fleet.Spec, PlimsollJson.Default.FleetSpec));
        Part("snapshot", () => PlimsollJson.Hash(fleet.Snapshot, PlimsollJson.Default.FleetSnapshot));
        Part("knowledge", () => PlimsollJson.Hash(known, PlimsollJson.Default.Knowledge));
        Part("states", () => ReachableStates.FindViolation(fleet.Snapshot, known, plan.Steps));
        Part("decide", () => new Planner(new WeightAllocator()).Decide(fleet.Spec, fleet.Snapshot, known));
    }
}
