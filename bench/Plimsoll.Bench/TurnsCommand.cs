using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Plimsoll.Control;
using Plimsoll.Json;

namespace Plimsoll.Bench;

/// <summary>
/// Turn after turn of a fleet whose planner places on devices: what learning and deciding cost when a part of the models' demand
/// changed since the turn before. Prints a hash of all plans, by which two builds are known to decide the same.
/// </summary>
internal static class TurnsCommand
{
    private static readonly TimeProvider Clock = TimeProvider.System;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Run(string[] args)
    {
        var turns = Measured.Option(args, "--turns", 100);
        var (nodes, models) = (Measured.Option(args, "--nodes", 5000), Measured.Option(args, "--models", 10_000));
        var (demand, settle) = (Measured.Option(args, "--demand", 100) / 100.0, Measured.Option(args, "--settle", 40));
        var fleet = new PlacedFleet(nodes, models, demand);
        var planner = new Planner(new WeightAllocator());
        var known = fleet.Learned();
        Console.WriteLine($"{RuntimeInformation.FrameworkDescription}, {nodes} nodes of eight devices, {models} models, demand {demand:0.00}");
        known = Turn(planner, fleet, known, "from nothing");
        var collection = new IdleCollection();
        for (var turn = 0; turn < settle; turn++)
        {
            collection.Collect();
            fleet.Advance(0, 0);
            known = Turn(planner, fleet, known, args.Contains("--verbose") ? "settling" : null);
        }

        Console.WriteLine("changed  replicas  steps     learn p50/p99 ms    decide p50/p99 ms      turn p50/p99 ms   of it paused   between   MB a turn   heap MB   plans");
        foreach (var changing in (ReadOnlySpan<double>)[0.01, 0.1, 1]) known = Measure(planner, fleet, known, collection, changing, turns, !args.Contains("--no-hash"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"peak resident memory {PeakMiB():0} MiB"));
        return 0;
    }

    // What a plan was is not kept beside the next: the heap is what a loop would hold. Compiled with care at once, or locals that are
    // done with would keep it all the same.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static Knowledge Measure(Planner planner, PlacedFleet fleet, Knowledge known, IdleCollection collection, double changing, int turns, bool hashed)
    {
        var (learn, decide, both) = (new List<double>(), new List<double>(), new List<double>());
        var (allocated, steps, hash, paused, between) = (0L, 0, "", TimeSpan.Zero, TimeSpan.Zero);
        for (var turn = 0; turn < turns; turn++)
        {
            // As the operator does once a turn is over; what is observed and, here, hashed counts for the next.
            var pausedSoFar = GC.GetTotalPauseDuration();
            collection.Collect();
            between += GC.GetTotalPauseDuration() - pausedSoFar;
            fleet.Advance(changing, crashes: 3);
            var seen = fleet.Observe();
            var (before, pausedBefore) = (GC.GetTotalAllocatedBytes(precise: true), GC.GetTotalPauseDuration());
            var start = Clock.GetTimestamp();
            var learned = known.Fold(fleet.Spec, seen);
            var folded = Clock.GetTimestamp();
            var plan = planner.Decide(fleet.Spec, seen, learned);
            learn.Add(Clock.GetElapsedTime(start, folded).TotalMilliseconds);
            decide.Add(Clock.GetElapsedTime(folded).TotalMilliseconds);
            both.Add(Clock.GetElapsedTime(start).TotalMilliseconds);
            paused += GC.GetTotalPauseDuration() - pausedBefore;
            allocated += GC.GetTotalAllocatedBytes(precise: true) - before;
            steps += plan.Steps.Length;
            if (hashed) hash = Hash(hash, plan);
            known = plan.Next;
            fleet.Apply(plan);
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{changing,6:P0} {fleet.Replicas,9} {(double)steps / turns,6:0.0} {Measured.At(learn, 0.5),9:0.0} /{Measured.At(learn, 0.99),8:0.0} {Measured.At(decide, 0.5),12:0.0} /{Measured.At(decide, 0.99),8:0.0} {Measured.At(both, 0.5),12:0.0} /{Measured.At(both, 0.99),8:0.0} {paused.TotalMilliseconds / turns,14:0.0} {between.TotalMilliseconds / turns,9:0.0} {allocated / 1e6 / turns,11:0.0} {GC.GetTotalMemory(true) / 1e6,9:0}   {hash}"));
        return known;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static Knowledge Turn(Planner planner, PlacedFleet fleet, Knowledge known, string? name)
    {
        var seen = fleet.Observe();
        var start = Clock.GetTimestamp();
        var learned = known.Fold(fleet.Spec, seen);
        var folded = Clock.GetTimestamp();
        var plan = planner.Decide(fleet.Spec, seen, learned);
        if (name is not null)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name}: {plan.Steps.Length} steps, {plan.Steps.OfType<Step.Start>().Count()} of them starts; learn {Clock.GetElapsedTime(start, folded).TotalMilliseconds:0} ms, decide {Clock.GetElapsedTime(folded).TotalMilliseconds:0} ms; ")
                + string.Join(", ", plan.Models.CountBy(verdict => verdict.Reason.Rule).OrderBy(one => one.Key).Select(one => $"{one.Value} {one.Key}")) + $"; {Hash("", plan)}");
        fleet.Apply(plan);
        return plan.Next;
    }

    private static string Hash(string before, Plan plan)
    {
        var hash = PlimsollJson.Hash(plan with { Inputs = new InputHashes("", "", "") }, PlimsollJson.Default.Plan);
        return Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.ASCII.GetBytes(before + hash)))[..16];
    }

    private static double PeakMiB() => File.Exists("/proc/self/status")
        ? long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024.0
        : double.NaN;
}
