using System.Collections.Immutable;
using Plimsoll.Caching;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>A fleet ready to be run: every model weighed, every command known.</summary>
public sealed record FleetDefinition
{
    public required string Name { get; init; }

    public required FleetSpec Spec { get; init; }

    /// <summary>How each model is started; one variant each.</summary>
    public required ImmutableSortedDictionary<ModelId, LaunchSpec> Launches { get; init; }

    /// <summary>How each training job is started.</summary>
    public ImmutableSortedDictionary<JobId, JobLaunch> Jobs { get; init; } = ImmutableSortedDictionary<JobId, JobLaunch>.Empty;

    /// <summary>Where the cached models come from.</summary>
    public ImmutableSortedDictionary<ModelId, FetchSpec> Fetches { get; init; } = ImmutableSortedDictionary<ModelId, FetchSpec>.Empty;

    public required LocalNodeOptions Node { get; init; }

    public required GatewayOptions Gateway { get; init; }

    /// <summary>Variables of the environment that no replica and no job is to have: the one that the gateway's key was read from.</summary>
    public ImmutableArray<string> Withheld { get; init; } = [];

    /// <summary>What a person should know although nothing is wrong.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}
