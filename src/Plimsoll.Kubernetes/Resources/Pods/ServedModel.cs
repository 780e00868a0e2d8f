using System.Collections.Immutable;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>
/// What a pod's spec tells of the model it serves. Whatever it does not tell is null, or the engine's own default, and a
/// sentence in <see cref="Notes"/> names it.
/// </summary>
public sealed record ServedModel
{
    /// <summary>The container that serves.</summary>
    public required string Container { get; init; }

    /// <summary>"vllm", "sglang", "tgi", "triton", "llama-server" or "plimsoll-model-server"; null for another.</summary>
    public string? Server { get; init; }

    /// <summary>The server's memory rules, at the image's version where its tag is one.</summary>
    public ServingEngine? Engine { get; init; }

    /// <summary>Where the model is, as the weigher takes it.</summary>
    public string? Source { get; init; }

    /// <summary>The name by which requests and metrics call the model; null for the source's own.</summary>
    public string? ServedName { get; init; }

    public int TensorParallel { get; init; } = 1;

    public int PipelineParallel { get; init; } = 1;

    /// <summary>Ranks over which whole experts are spread.</summary>
    public int ExpertParallel { get; init; } = 1;

    /// <summary>Copies of the model in one replica, each with its own ranks.</summary>
    public int DataParallel { get; init; } = 1;

    /// <summary>Groups into which the ranks of one copy fall for attention, each with sequences of its own: SGLang's data-parallel attention.</summary>
    public int AttentionGroups { get; init; } = 1;

    /// <summary>"auto", "bfloat16", "float16" or "float32".</summary>
    public string Dtype { get; init; } = "auto";

    /// <summary>As the engine was told ("fp8", "awq"); null to load as stored.</summary>
    public string? Quantization { get; init; }

    /// <summary>Of keys and values: "auto" or as the engine was told ("fp8", "q8_0").</summary>
    public string KvDtype { get; init; } = "auto";

    /// <summary>Tokens of the longest sequence; null for as many as the model was made for.</summary>
    public long? Context { get; init; }

    public int? MaxSequences { get; init; }

    public int? MaxBatchedTokens { get; init; }

    /// <summary>Share of a device's memory that the engine may take.</summary>
    public double? MemoryFraction { get; init; }

    public bool Graphs { get; init; } = true;

    /// <summary>Where requests go.</summary>
    public int? Port { get; init; }

    public int? MetricsPort { get; init; }

    public string MetricsPath { get; init; } = "/metrics";

    /// <summary>Whether the server speaks TLS on these ports.</summary>
    public bool Tls { get; init; }

    /// <summary>The pods of one replica: a LeaderWorkerSet's size.</summary>
    public int PodsPerReplica { get; init; } = 1;

    /// <summary>The devices' resource ("nvidia.com/gpu"); null without devices.</summary>
    public string? DeviceResource { get; init; }

    /// <summary>Devices of one replica, all its pods together.</summary>
    public long Devices { get; init; }

    /// <summary>What the pod asks; of a LeaderWorkerSet, the leader.</summary>
    public required PodRequests Requests { get; init; }

    /// <summary>What a worker asks; null where there are none.</summary>
    public PodRequests? WorkerRequests { get; init; }

    /// <summary>What could not be derived, a sentence each.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>Reads a pod.</summary>
    /// <param name="pod">Its spec, or its template's; of a LeaderWorkerSet, the leader's.</param>
    /// <param name="annotations">Of the pod or its template: KServe notes the model's address there.</param>
    /// <param name="podsPerReplica">A LeaderWorkerSet's size, leader included.</param>
    /// <param name="worker">A LeaderWorkerSet's worker; null when it is as the leader.</param>
    public static ServedModel Of(
        V1PodSpec pod, IReadOnlyDictionary<string, string>? annotations = null, int podsPerReplica = 1, V1PodSpec? worker = null)
    {
        ArgumentNullException.ThrowIfNull(pod);
        return new ServedPod(pod, annotations ?? ImmutableDictionary<string, string>.Empty, podsPerReplica, worker).Read();
    }

    /// <summary>The variant to weigh this replica as, on devices of a kind. Context and sequences are those of one of its data-parallel copies, which are equal.</summary>
    public ServingVariant VariantOn(Accelerator device)
    {
        var variant = new ServingVariant
        {
            Device = device,
            TensorParallel = TensorParallel,
            PipelineParallel = PipelineParallel,
            ExpertParallel = ExpertParallel,
            DataParallel = DataParallel,
            AttentionGroups = AttentionGroups,
            WeightDtype = Dtype,
            // What was quantised before is read so from its files.
            QuantizeOnLoad = (Engine?.Kind, Quantization) switch
            {
                (EngineKind.TextGenerationInference, "bitsandbytes" or "eetq") => "int8",
                (EngineKind.TextGenerationInference, "bitsandbytes-nf4" or "bitsandbytes-fp4") => "nf4",
                (_, "fp8" or "bitsandbytes" or "int8") => Quantization,
                _ => null,
            },
            KvDtype = KvDtype switch
            {
                "f16" or "float16" or "half" => "float16",
                "bf16" or "bfloat16" => "bfloat16",
                "f32" or "float32" => "float32",
                "q8_0" or "q4_0" => KvDtype,
                _ when KvDtype.StartsWith("fp8", StringComparison.Ordinal) => "fp8",
                _ => "auto",
            },
            Context = Context ?? 0,
            MemoryFraction = MemoryFraction,
            MaxBatchedTokens = MaxBatchedTokens,
            MaxSequences = MaxSequences,
            Graphs = Graphs,
        };
        return Engine is { } engine ? variant with { Engine = engine } : variant;
    }
}
