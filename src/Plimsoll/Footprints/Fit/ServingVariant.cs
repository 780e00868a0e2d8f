namespace Plimsoll;

/// <summary>One way to serve a model: on which device, split how, for how long a context and how many at once.</summary>
public sealed record ServingVariant
{
    public required Accelerator Device { get; init; }

    /// <summary>Ranks that share every layer.</summary>
    public int TensorParallel { get; init; } = 1;

    /// <summary>Stages that share the layers out between them.</summary>
    public int PipelineParallel { get; init; } = 1;

    /// <summary>Ranks of a stage over which whole experts are spread; a divisor of the tensor-parallel size.</summary>
    public int ExpertParallel { get; init; } = 1;

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

    /// <summary>Devices of one replica; of sizes that no replica has, as many as a number can say.</summary>
    public int Devices => (int)Math.Clamp((long)TensorParallel * PipelineParallel, 0, int.MaxValue);
}
