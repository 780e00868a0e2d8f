using System.Collections.Immutable;

namespace Plimsoll.Cli.Scenarios;

/// <summary>Seeds of the traffic that settings are searched on.</summary>
internal static class TuningSeeds
{
    /// <summary>Above the most that can be reported, so that nothing is tuned on what it is judged by.</summary>
    public static ImmutableArray<int> All { get; } = [1001, 1002];
}
