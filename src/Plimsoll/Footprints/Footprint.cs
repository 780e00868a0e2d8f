using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

public enum ArtifactFormat
{
    /// <summary>Only the bytes on disk are known.</summary>
    Unknown,
    Onnx,
    Gguf,
    Safetensors,
    PyTorch,
    HuggingFace,
    TensorRt,
    TritonRepository,

    /// <summary>A low-rank adapter in PEFT's layout, served on top of a base model.</summary>
    Lora,

    /// <summary>A diffusion pipeline: a folder of components with a model_index.json.</summary>
    Diffusers,
}

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
    /// <summary>Of a model of which nothing but its weights is known, by what a person states; it takes as much on disk.</summary>
    /// <param name="weights">What is stated.</param>
    /// <param name="about">What it is stated of; another model of the same weights is another.</param>
    public static Footprint Declared(Bytes weights, string about) => new()
    {
        Format = ArtifactFormat.Unknown,
        Source = FootprintSource.Declared,
        Digest = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"declared:{weights.Value}:{about}"),
        OnDisk = weights,
        Weights = weights,
    };

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

    /// <summary>
    /// Parameters that one token of text passes: all but experts it does not choose and encoders of images and sound; 0
    /// when unknown.
    /// </summary>
    public long ActiveParameters { get; init; }

    /// <summary>Parameters and weights by part, ordered by name; empty when the parts are not known.</summary>
    public ImmutableArray<ComponentWeight> Components { get; init; } = [];

    /// <summary>Weights by dtype name ("float32", "Q4_K"), ordered by name.</summary>
    public ImmutableArray<DtypeWeight> ByDtype { get; init; } = [];

    /// <summary>Key-value cache per token of context over all layers; zero for models without one.</summary>
    public Bytes KvPerToken { get; init; }

    /// <summary>State per sequence over all layers, whatever its length: state-space layers, cross-attention.</summary>
    public Bytes StatePerSequence { get; init; }

    /// <summary>Host memory at the highest point of a load by its usual engine, beside the engine's own process.</summary>
    public Bytes HostLoadPeak { get; init; }

    /// <summary>Host memory that stays once the weights are on a device.</summary>
    public Bytes HostSteady { get; init; }

    /// <summary>The working set of its usual engine's largest step on one device, with that engine's defaults; a variant has
    /// its own (<see cref="Fit"/>).</summary>
    public Bytes ActivationPeak { get; init; }

    /// <summary>What its usual engine takes of one device beside weights, cache and working set, graphs included.</summary>
    public Bytes RuntimeOverhead { get; init; }

    /// <summary>A training checkpoint with its optimiser (mixed-precision AdamW), all ranks together.</summary>
    public Bytes TrainingCheckpoint { get; init; }

    /// <summary>The architecture; null when it is not known.</summary>
    public ModelShape? Shape { get; init; }

    /// <summary>Where each number above comes from, ordered by number.</summary>
    public ImmutableArray<Provenance> Provenance { get; init; } = [];

    /// <summary>What a reader should know: an unknown architecture, a part that is estimated.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>How sure a number is, by its name in <see cref="Provenance"/>; exact where nothing says.</summary>
    public Certainty CertaintyOf(string number) =>
        Provenance.FirstOrDefault(one => one.Number == number)?.Certainty ?? Certainty.Exact;

    public override string ToString() => $"{Weights} {Format} ({Source})";
}

public sealed record DtypeWeight(string Dtype, Bytes Weights);

/// <summary>One part of a model ("attention", "experts", "vision").</summary>
public sealed record ComponentWeight(string Component, long Parameters, Bytes Weights);

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

    /// <summary>What it takes while it sleeps; null where its server cannot, and then left out of JSON, so that older journals read and hash as they did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SleepNeed? Asleep { get; init; }
}

/// <summary>What a replica takes whose weights wait in its node's memory, its process and device contexts kept.</summary>
/// <param name="Host">Of host memory, the weights included; on the way there and back too.</param>
/// <param name="PerDevice">Of each device of its gang: contexts, graphs and what else its server does not give back.</param>
public sealed record SleepNeed(Bytes Host, Bytes PerDevice);
