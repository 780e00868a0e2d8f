using System.Collections.Immutable;

namespace Plimsoll;

public enum ArtifactFormat { Unknown, Onnx, Gguf, Safetensors, PyTorch, HuggingFace }

/// <summary>How a footprint was come by; every number shown to a person carries it.</summary>
public enum FootprintSource
{
    /// <summary>Stated by a person in the fleet file.</summary>
    Declared,

    /// <summary>Computed from an architecture's configuration, no tensor seen.</summary>
    Architecture,

    /// <summary>Read from the artefact's own header: exact for weights and disk.</summary>
    Header,
}

/// <summary>
/// What an artefact weighs. Weights and disk are facts of the files; what a running copy needs of a machine is
/// <see cref="ReplicaNeeds"/>, derived from this and the engine, then corrected by what is measured.
/// </summary>
public sealed record Footprint
{
    public required ArtifactFormat Format { get; init; }

    public required FootprintSource Source { get; init; }

    /// <summary>Identity of the content: equal for equal files. Part of what a measurement is remembered under.</summary>
    public required string Digest { get; init; }

    /// <summary>All files as stored.</summary>
    public required Bytes OnDisk { get; init; }

    /// <summary>All tensors at their stored dtype, quantisation scales included.</summary>
    public required Bytes Weights { get; init; }

    /// <summary>The largest single tensor: a loader that copies tensor by tensor needs it twice.</summary>
    public Bytes LargestTensor { get; init; }

    /// <summary>Number of parameters; 0 when unknown.</summary>
    public long Parameters { get; init; }

    /// <summary>Weights by dtype name ("float32", "Q4_K"), ordered by name.</summary>
    public ImmutableArray<DtypeWeight> ByDtype { get; init; } = [];

    /// <summary>Key-value cache per token of context over all layers; zero for models without one.</summary>
    public Bytes KvPerToken { get; init; }

    public override string ToString() => $"{Weights} {Format} ({Source})";
}

public sealed record DtypeWeight(string Dtype, Bytes Weights);

/// <summary>
/// Memory in its two terms: the highest point while loading, and what stays once the replica serves. The first
/// decides whether a load may start, the second what the fleet holds afterwards.
/// </summary>
public sealed record MemoryNeed(Bytes LoadPeak, Bytes Steady)
{
    public static readonly MemoryNeed None = new(Bytes.Zero, Bytes.Zero);

    /// <summary>The larger of the two: what must be free for a load to be safe in every reachable state.</summary>
    public Bytes Highest => Bytes.Max(LoadPeak, Steady);

    public override string ToString() => $"{LoadPeak} while loading, {Steady} serving";
}

/// <summary>What one replica of a variant asks of the node it runs on.</summary>
public sealed record ReplicaNeeds
{
    public required MemoryNeed Host { get; init; }

    /// <summary>Per device of the gang; null when the variant runs on the processor alone.</summary>
    public MemoryNeed? PerDevice { get; init; }

    /// <summary>Devices in the gang; 0 when it runs on the processor alone.</summary>
    public int Devices { get; init; }

    public required Cores Cores { get; init; }

    /// <summary>Disk the artefact takes in the node's model cache; zero when it is used where it lies.</summary>
    public required Bytes Disk { get; init; }
}
