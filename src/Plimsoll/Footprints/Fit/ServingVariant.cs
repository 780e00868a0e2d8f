namespace Plimsoll;

/// <summary>One way to serve a model: on which device, split how, for how long a context and how many at once.</summary>
public sealed record ServingVariant
{
    public required Accelerator Device { get; init; }

    /// <summary>Ranks that share every layer.</summary>
    public int TensorParallel { get; init; } = 1;

    /// <summary>Stages that share the layers out between them.</summary>
    public int PipelineParallel { get; init; } = 1;

    /// <summary>Ranks of a stage over which whole experts are spread; a divisor of <see cref="ExpertRanks"/>.</summary>
    public int ExpertParallel { get; init; } = 1;

    /// <summary>
    /// Copies of the model in one replica, each with ranks, stages, keys and values of its own: context and concurrency are those of
    /// one of them. vLLM's share one set of experts between them.
    /// </summary>
    public int DataParallel { get; init; } = 1;

    /// <summary>
    /// Groups into which a layer's ranks fall for attention alone, each with all of it and with its own sequences (SGLang's
    /// <c>--enable-dp-attention</c>); a divisor of the tensor-parallel size.
    /// </summary>
    public int AttentionGroups { get; init; } = 1;

    /// <summary>"auto" for the model's own, or "bfloat16", "float16", "float32": of weights that are not quantised.</summary>
    public string WeightDtype { get; init; } = "auto";

    /// <summary>Quantised while loading: "fp8", "int8", "bitsandbytes" ("nf4", "nf4-dq"); null to load as stored.</summary>
    public string? QuantizeOnLoad { get; init; }

    /// <summary>"auto" for the weights' dtype, or "fp8", "bfloat16", "float16", "float32", "q8_0", "q4_0".</summary>
    public string KvDtype { get; init; } = "auto";

    /// <summary>Tokens of one sequence, prompt and answer together; 0 for as many as the model was made for.</summary>
    public long Context { get; init; }

    /// <summary>Sequences at their full context at once.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>Share of the device's memory the engine may plan with; null for the engine's default.</summary>
    public double? MemoryFraction { get; init; }

    public ServingEngine Engine { get; init; } = ServingEngine.Vllm(new Version(0, 19));

    /// <summary>Tokens of the largest forward pass; null for the engine's default.</summary>
    public int? MaxBatchedTokens { get; init; }

    /// <summary>Sequences in one step; null for the engine's default.</summary>
    public int? MaxSequences { get; init; }

    /// <summary>False where graphs are not captured (enforce eager).</summary>
    public bool Graphs { get; init; } = true;

    /// <summary>Part of the device's memory this replica may use where others share it; 1 for all of it.</summary>
    public double MemoryShare { get; init; } = 1;

    /// <summary>Devices of one replica, all its copies; of sizes that no replica has, as many as a number can say.</summary>
    public int Devices => (int)Int128.Clamp((Int128)TensorParallel * PipelineParallel * DataParallel, 0, int.MaxValue);

    /// <summary>Devices of one of its copies.</summary>
    internal int DevicesOfCopy => (int)Math.Clamp((long)TensorParallel * PipelineParallel, 0, int.MaxValue);

    /// <summary>
    /// Ranks of a stage that hold one set of experts: of vLLM's data-parallel copies all, whole experts or not (without
    /// <c>--enable-expert-parallel</c> they split each expert); elsewhere a copy has its own.
    /// </summary>
    internal int ExpertRanks => Engine.Kind == EngineKind.Vllm ? (int)Math.Clamp((long)TensorParallel * DataParallel, 0, int.MaxValue) : TensorParallel;

    /// <summary>Ranks that share one layer's attention.</summary>
    internal int AttentionRanks => TensorParallel / AttentionGroups;

    /// <summary>The same over other tensor-parallel ranks; where experts are spread, over all the ranks that may hold them.</summary>
    internal ServingVariant Over(int ranks)
    {
        var over = this with { TensorParallel = ranks, AttentionGroups = AttentionGroups > 1 && ranks % AttentionGroups == 0 ? AttentionGroups : 1 };
        return over with { ExpertParallel = ExpertParallel > 1 ? over.ExpertRanks : 1 };
    }
}
