using System.Collections.Immutable;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Tuning;

namespace Plimsoll.Cli.Scenarios.Tuning;

/// <summary>Which settings are worth changing, as JSON. Costs are in <see cref="CostIn"/>, shares of all requests.</summary>
public sealed record TuneListing
{
    public required string Scenario { get; init; }

    public required double SimulatedSeconds { get; init; }

    public required double TookSeconds { get; init; }

    /// <summary>deviceHours, dollars (of what replicas held) or nodeDollars (of whole nodes, where they come and go).</summary>
    public required string CostIn { get; init; }

    /// <summary>The share of each model's requests that was asked for; null where its objective says it.</summary>
    public double? Want { get; init; }

    public required ImmutableArray<int> SearchedSeeds { get; init; }

    public required ImmutableArray<int> JudgedSeeds { get; init; }

    /// <summary>Settings that were tried in the search.</summary>
    public required int Candidates { get; init; }

    public required int Runs { get; init; }

    public required SpreadListing Cost { get; init; }

    public required SpreadListing Attainment { get; init; }

    /// <summary>Of all requests, those missed beyond what is wanted of their models.</summary>
    public required double Missing { get; init; }

    public required ImmutableArray<ChangeListing> Proposed { get; init; }

    /// <summary>All that is proposed at once, where it is more than one.</summary>
    public ChangeListing? Together { get; init; }

    /// <summary>Changes that looked worth it where it was searched, and were not where they were judged.</summary>
    public required ImmutableArray<ChangeListing> NotConfirmed { get; init; }

    public required ImmutableArray<KeptListing> NotWorth { get; init; }

    /// <summary>Settings that were not come to.</summary>
    public required ImmutableArray<string> NotTried { get; init; }

    /// <summary>What to write into the file; empty where nothing is proposed.</summary>
    public required string Yaml { get; init; }

    public ImmutableArray<string> Notes { get; init; } = [];

    internal static TuneListing Of(string name, ScenarioDocument document, FleetTuning tuned, double? want, bool otherTraffic, TimeSpan took) => new()
    {
        Scenario = name,
        SimulatedSeconds = document.Length!.Value.TotalSeconds,
        TookSeconds = Math.Round(took.TotalSeconds, 2),
        CostIn = tuned.Unit.Word(),
        Want = want,
        SearchedSeeds = tuned.SearchedOn,
        JudgedSeeds = tuned.JudgedOn,
        Candidates = tuned.Candidates,
        Runs = tuned.Runs,
        Cost = SpreadListing.Of(tuned.Cost),
        Attainment = SpreadListing.Of(tuned.Attainment),
        Missing = tuned.Missing,
        Proposed = [.. tuned.Proposed.Select(ChangeListing.Of)],
        Together = tuned.Together is { } all ? ChangeListing.Of(all) : null,
        NotConfirmed = [.. tuned.Refuted.Select(ChangeListing.Of)],
        NotWorth = [.. tuned.NotWorth.Select(KeptListing.Of)],
        NotTried = [.. tuned.NotTried.Select(setting => SettingText.Of(setting))],
        Yaml = PastedYaml.Of(tuned.ToWrite),
        Notes = otherTraffic ? [] : ["a trace has no earlier part as long as the scenario: its requests are the same for the search and the judging, and only loads and truth differ"],
    };
}

/// <summary>A number over the seeds.</summary>
public sealed record SpreadListing(double Mean, double Least, double Most)
{
    internal static SpreadListing Of(SeedSpread spread) => new(spread.Mean, spread.Least, spread.Most);
}

/// <summary>A change, or several at once, against how things are, by the seeds it was judged by.</summary>
/// <param name="What">"llama-70b minReplicas 8 to 1".</param>
/// <param name="Saved">Of the cost.</param>
/// <param name="MoreInTime">Share of all requests.</param>
/// <param name="Missing">Of all requests, those missed beyond what is wanted of their models.</param>
/// <param name="IsSure">Whether it is better, and not by chance.</param>
public sealed record ChangeListing(ImmutableArray<string> What, SpreadListing Saved, SpreadListing MoreInTime, double Missing, bool IsSure)
{
    internal static ChangeListing Of(JudgedChange change) => new(
        [.. change.What.Select(one => $"{SettingText.Of(one.Setting)} to {one.Value.Text}")], SpreadListing.Of(change.Saved), SpreadListing.Of(change.MoreInTime), change.Missing, change.IsSure);
}

/// <summary>A setting that may stay, by the seeds that were searched on.</summary>
/// <param name="Setting">"llama-70b maxReplicas 16".</param>
/// <param name="Tried">What was tried instead.</param>
/// <param name="Best">The one of them that came nearest to being worth it.</param>
/// <param name="SavedShare">Of the cost.</param>
/// <param name="MoreInTime">Share of all requests.</param>
/// <param name="Holds">Whether what is wanted held as it did before.</param>
public sealed record KeptListing(string Setting, ImmutableArray<string> Tried, string Best, double SavedShare, double MoreInTime, bool Holds)
{
    internal static KeptListing Of(TriedSetting tried) => new(
        SettingText.Of(tried.Setting), [.. tried.Tried.Select(value => value.Text)], tried.Best.Text, tried.SavedShare, tried.MoreInTime, tried.Holds);
}

internal static class SettingText
{
    /// <summary>Whose setting it is, which, and its value.</summary>
    public static string Of(FleetSetting setting) =>
        $"{(setting.Model is { } model ? model + " " : setting.Name.Contains("planner", StringComparison.Ordinal) ? "" : "all models ")}{setting.Name} {setting.Was}";
}
