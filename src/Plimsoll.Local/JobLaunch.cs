using System.Collections.Immutable;

namespace Plimsoll.Local;

/// <summary>How a training job is started on this machine, and told to give way.</summary>
public sealed record JobLaunch
{
    /// <summary>Program and arguments, as they are: braces mean something to many trainers.</summary>
    public required ImmutableArray<string> Command { get; init; }

    /// <summary>Added to the controller's own environment.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } =
        ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Folder the command runs in.</summary>
    public required string WorkingDirectory { get; init; }

    /// <summary>How long it may take to write its checkpoint and to end, once it was told to.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromMinutes(5);
}
