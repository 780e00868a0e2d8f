namespace Plimsoll.Tests.Planning;

/// <summary>How many random cases a property is held to.</summary>
internal static class RandomCases
{
    /// <summary>As PLIMSOLL_CASES says, for a long run offline (docs/benchmarks/invariants.md has what such runs found), else so many.</summary>
    public static int Or(int usual) => int.TryParse(Environment.GetEnvironmentVariable("PLIMSOLL_CASES"), out var cases) ? cases : usual;
}
