using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs.Tuning;

/// <summary>What was found of a fleet's settings.</summary>
public sealed record FleetTuning
{
    /// <summary>Of the traffic that was searched on; none of those that are judged by.</summary>
    public required ImmutableArray<int> SearchedOn { get; init; }

    /// <summary>Of the traffic that was judged by.</summary>
    public required ImmutableArray<int> JudgedOn { get; init; }

    /// <summary>Settings tried together or alone while it was searched, as things are among them.</summary>
    public required int Candidates { get; init; }

    /// <summary>All runs, of the search and of the judging.</summary>
    public required int Runs { get; init; }

    public required CostUnit Unit { get; init; }

    /// <summary>As things are, by the seeds that are judged by.</summary>
    public required SeedSpread Cost { get; init; }

    /// <summary>Likewise: the share of all requests in time.</summary>
    public required SeedSpread Attainment { get; init; }

    /// <summary>Likewise: of all requests, those missed beyond what is wanted of their models.</summary>
    public required double Missing { get; init; }

    /// <summary>Changes worth making, each judged alone; where they are worth it together only, all of those.</summary>
    public required ImmutableArray<JudgedChange> Proposed { get; init; }

    /// <summary>All that are proposed at once; null where fewer than two are.</summary>
    public required JudgedChange? Together { get; init; }

    /// <summary>Changes that looked worth it where it was searched, and were not where they were judged.</summary>
    public required ImmutableArray<JudgedChange> Refuted { get; init; }

    /// <summary>Settings of which nothing that was tried was worth a change.</summary>
    public required ImmutableArray<TriedSetting> NotWorth { get; init; }

    /// <summary>Settings that were not come to within as many candidates as were allowed.</summary>
    public required ImmutableArray<FleetSetting> NotTried { get; init; }

    /// <summary>The fields to be written: of all that is proposed together, or of the best alone where that is better.</summary>
    public required ImmutableArray<WrittenField> ToWrite { get; init; }
}

/// <summary>A change, or several at once, by the seeds that are judged by.</summary>
/// <param name="What">What is changed and to what.</param>
/// <param name="Saved">In the unit of the cost, against how things are, seed by seed.</param>
/// <param name="MoreInTime">Share of all requests, likewise.</param>
/// <param name="Missing">Of all requests, those missed beyond what is wanted of their models.</param>
/// <param name="IsSure">Whether it is better than how things are, and not by chance.</param>
public sealed record JudgedChange(ImmutableArray<(FleetSetting Setting, SettingValue Value)> What, SeedSpread Saved, SeedSpread MoreInTime, double Missing, bool IsSure);

/// <summary>A setting that may stay, and what came of the best that was tried for it, where it was searched.</summary>
/// <param name="Setting">What.</param>
/// <param name="Tried">All values that were tried.</param>
/// <param name="Best">The one of them that came nearest to being worth it.</param>
/// <param name="SavedShare">Of the cost, what it saves; negative where it is dearer.</param>
/// <param name="MoreInTime">Share of all requests.</param>
/// <param name="Holds">Whether what is wanted holds with it as it does without.</param>
public sealed record TriedSetting(FleetSetting Setting, ImmutableArray<SettingValue> Tried, SettingValue Best, double SavedShare, double MoreInTime, bool Holds);
