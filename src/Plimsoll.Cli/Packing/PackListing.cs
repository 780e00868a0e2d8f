using System.Collections.Immutable;
using Plimsoll.Simulation.Packing;

namespace Plimsoll.Cli.Packing;

/// <summary>
/// What a policy reached, as <c>plimsoll pack --json</c> prints it: percentages of all devices, or of their bytes (<c>by</c>), means over the seeds, of which
/// <c>seeds</c> is the number; allocation over those that have one, and left out where none has. Allocation and fragmentation are read where arrived requests reach 100 %, the end's after the last arrival.
/// </summary>
public sealed record PackListing(
    string Policy, string By, int Seeds, bool ExactDraws, double? AllocationPercent, double? LeastPercent, double? MostPercent,
    double EndAllocationPercent, double FragmentationPercent, ImmutableArray<PackRunListing> Runs)
{
    public static PackListing Of(string policy, string by, bool exact, IReadOnlyList<PackingReading> readings) => new(
        policy, by, readings.Count, exact, Mean([.. readings.Where(one => one.AllocationPercent is not null)], one => one.AllocationPercent!.Value), readings.Min(one => one.AllocationPercent),
        readings.Max(one => one.AllocationPercent), Mean(readings, one => one.EndAllocationPercent)!.Value, Mean(readings, one => one.FragmentationPercent)!.Value,
        [.. readings.Select(one => new PackRunListing(one.AllocationPercent, one.EndAllocationPercent, Math.Round(one.FragmentationPercent, 3), one.Arrived, one.Dropped))]);

    private static double? Mean(IReadOnlyList<PackingReading> readings, Func<PackingReading, double> of) => readings.Count == 0 ? null : Math.Round(readings.Average(of), 3);
}

/// <summary>One seed's run: its percentages, the pods that arrived, clones included, and those that fitted nowhere.</summary>
public sealed record PackRunListing(double? AllocationPercent, double EndAllocationPercent, double FragmentationPercent, int Arrived, int Dropped);
