using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Tuning;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Scenarios;

/// <param name="Of">The rival.</param>
/// <param name="Tuned">Whether its settings are looked for.</param>
internal sealed record RivalName(string Of, bool Tuned)
{
    public string Name => Tuned ? $"{Of}:tuned" : Of;
}

/// <summary>What <c>--against</c> says, and what is to be said of those it names.</summary>
internal static class RivalNames
{
    private const string TunedSuffix = ":tuned";
    private const int CandidatesMax = 1000;
    private const int NamedMax = 3;

    public static ImmutableArray<RivalName> Read(string? names)
    {
        if (names is null) return [];
        var rivals = ImmutableArray.CreateBuilder<RivalName>();
        foreach (var asked in names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var tuned = asked.EndsWith(TunedSuffix, StringComparison.Ordinal);
            var name = tuned ? asked[..^TunedSuffix.Length] : asked;
            if (name == "all") rivals.AddRange(SimulationRun.Rivals.Select(one => new RivalName(one, tuned)));
            else if (SimulationRun.Rivals.Contains(name)) rivals.Add(new RivalName(name, tuned));
            else if (SimulationRun.RivalsLeftOut.FirstOrDefault(one => one.Name == name) is { Why: { } why })
                throw new CommandException(ExitCode.BadInput, $"--against names \"{name}\", which cannot be run here: {why}");
            else
                throw new CommandException(ExitCode.BadInput, $"--against names \"{Show.Text(asked)}\"; all, or some of {string.Join(", ", SimulationRun.Rivals)} would do, with {TunedSuffix} after those that are to be tuned");
        }

        return [.. rivals.Distinct()];
    }

    /// <summary>What tuned rivals are tuned for, and how many settings may be tried.</summary>
    public static (double Goal, int Candidates) Search(string goal, int candidates)
    {
        var share = ShareText.Read("--tune-for", goal);
        if (candidates is < 1 or > CandidatesMax) throw new CommandException(ExitCode.BadInput, $"--candidates is {candidates}; 1 to {CandidatesMax} would do");
        return (share, candidates);
    }

    public static bool HasSomethingToDo(RivalName rival, World world) => SimulationRun.NotManagedBy(world, rival.Of).Length < world.Models.Length;

    /// <summary>Those that have something to do in a world, and a sentence for each that has not, or not for all models, and for each that was tuned.</summary>
    public static (ImmutableArray<RivalName> Run, ImmutableArray<string> Said) Said(World world, ImmutableArray<RivalName> rivals, IReadOnlyList<TunedRival> tuned)
    {
        var said = ImmutableArray.CreateBuilder<string>();
        var run = ImmutableArray.CreateBuilder<RivalName>();
        foreach (var rival in rivals)
        {
            var others = SimulationRun.NotManagedBy(world, rival.Of);
            if (!HasSomethingToDo(rival, world))
            {
                said.Add($"{rival.Name} was not run: its rules are for models that generate text, and none here does");
                continue;
            }

            run.Add(rival);
            if (others.Length > 0)
            {
                var named = string.Join(", ", others.Take(NamedMax)) + (others.Length > NamedMax ? $" and {others.Length - NamedMax} more" : "");
                said.Add($"{rival.Name} has no rules for models that do not generate text: an HPA with its defaults scales {named}");
            }

            if (rival.Tuned && tuned.FirstOrDefault(one => one.Rival == rival.Of) is { } came) said.Add(Of(came));
        }

        foreach (var (name, why) in rivals.IsEmpty ? [] : SimulationRun.RivalsLeftOut) said.Add($"{name} is not among the rivals: {why}");
        return (run.ToImmutable(), said.ToImmutable());
    }

    private static string Of(TunedRival tuned) => string.Create(
        CultureInfo.InvariantCulture,
        $"{tuned.Rival}:tuned chose {tuned.Chosen} of {tuned.Candidates} settings on seeds {string.Join(", ", tuned.Seeds)}: {tuned.Attainment * 100:0.0}% there, for {tuned.Cost:0.##}{(tuned.ReachedGoal ? "" : $"; none reached {tuned.Goal * 100:0.#}%")}");
}
