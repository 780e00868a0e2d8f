using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>Something that ended since the snapshot before.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Loaded), "loaded")]
[JsonDerivedType(typeof(MemoryMeasured), "memoryMeasured")]
[JsonDerivedType(typeof(Exited), "exited")]
[JsonDerivedType(typeof(Fetched), "fetched")]
[JsonDerivedType(typeof(StepFailed), "stepFailed")]
[JsonDerivedType(typeof(NodeAdded), "nodeAdded")]
[JsonDerivedType(typeof(Woken), "woken")]
[JsonDerivedType(typeof(CheckpointWritten), "checkpointWritten")]
[JsonDerivedType(typeof(GangStarted), "gangStarted")]
[JsonDerivedType(typeof(GangFailed), "gangFailed")]
public abstract record Outcome
{
    private Outcome()
    {
    }

    public required DateTimeOffset At { get; init; }

    /// <summary>A replica became ready.</summary>
    public sealed record Loaded : Outcome
    {
        public required ReplicaId Replica { get; init; }

        public required ModelId Model { get; init; }

        public required string Version { get; init; }

        public required VariantId Variant { get; init; }

        /// <summary>Weights that were read.</summary>
        public required Bytes Size { get; init; }

        /// <summary>From the start of the process to its first "ready".</summary>
        public required TimeSpan Took { get; init; }

        /// <summary>Stages as the server reports them, where it does ("read", "initialise", "warmup").</summary>
        public ImmutableArray<StageTime> Stages { get; init; } = [];

        /// <summary>Loads on the node at the same time, itself included.</summary>
        public int Concurrent { get; init; } = 1;
    }

    /// <summary>A replica's memory as measured: its highest point up to ready, and since.</summary>
    public sealed record MemoryMeasured : Outcome
    {
        public required ReplicaId Replica { get; init; }

        public required ModelId Model { get; init; }

        public required string Version { get; init; }

        public required VariantId Variant { get; init; }

        /// <summary>Highest point while loading; null for a replica that was adopted after its load.</summary>
        public Bytes? LoadPeak { get; init; }

        /// <summary>Highest point since ready.</summary>
        public required Bytes Steady { get; init; }
    }

    /// <summary>A replica is gone.</summary>
    public sealed record Exited : Outcome
    {
        public required ReplicaId Replica { get; init; }

        public required ModelId Model { get; init; }

        /// <summary>Of the model that it served; null where nobody knows. Left out of JSON then.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public string? Version { get; init; }

        /// <summary>The state it was in before it ended.</summary>
        public required ReplicaState Was { get; init; }

        /// <summary>True when a Stop step asked for it; false is a crash.</summary>
        public required bool Asked { get; init; }

        /// <summary>What happened, with the end of its output; one or a few lines.</summary>
        public required string Why { get; init; }
    }

    /// <summary>An artefact arrived in a node's cache.</summary>
    public sealed record Fetched : Outcome
    {
        public required ModelId Model { get; init; }

        public required string Version { get; init; }

        public required NodeId Node { get; init; }

        /// <summary>Bytes moved by this fetch; less than the artefact's size when it was resumed.</summary>
        public required Bytes Moved { get; init; }

        public required TimeSpan Took { get; init; }
    }

    /// <summary>A step could not be done; nothing was changed by it.</summary>
    public sealed record StepFailed : Outcome
    {
        public required StepId Step { get; init; }

        public ModelId? Model { get; init; }

        public required string Why { get; init; }
    }

    /// <summary>A replica that slept serves again.</summary>
    public sealed record Woken : Outcome
    {
        public required ReplicaId Replica { get; init; }

        public required ModelId Model { get; init; }

        public required string Version { get; init; }

        /// <summary>Weights that came back onto its devices.</summary>
        public required Bytes Size { get; init; }

        /// <summary>From being told to until it was ready.</summary>
        public required TimeSpan Took { get; init; }
    }

    /// <summary>A node that was asked for is there.</summary>
    public sealed record NodeAdded : Outcome
    {
        public required string Pool { get; init; }

        public required NodeId Node { get; init; }

        /// <summary>From asking for it until it was ready and told of its devices.</summary>
        public required TimeSpan Took { get; init; }
    }

    /// <summary>A gang wrote a checkpoint.</summary>
    public sealed record CheckpointWritten : Outcome
    {
        public required JobId Job { get; init; }

        /// <summary>All members' parts together.</summary>
        public required Bytes Size { get; init; }

        /// <summary>From being told to until it was whole.</summary>
        public required TimeSpan Took { get; init; }
    }

    /// <summary>A gang that was launched or resumed trains.</summary>
    public sealed record GangStarted : Outcome
    {
        public required JobId Job { get; init; }

        /// <summary>What was read to go on from; zero where it began anew.</summary>
        public required Bytes Size { get; init; }

        /// <summary>From being told to until it trained.</summary>
        public required TimeSpan Took { get; init; }
    }

    /// <summary>A gang ended that nobody told to, before it was done: a member died, or its node went.</summary>
    public sealed record GangFailed : Outcome
    {
        public required JobId Job { get; init; }

        public required string Why { get; init; }
    }
}

public sealed record StageTime(string Stage, TimeSpan Took);
