namespace Plimsoll;

/// <summary>The engines whose memory rules are known.</summary>
public enum EngineKind
{
    Vllm,
    SgLang,
    TextGenerationInference,
    LlamaCpp,

    /// <summary>Triton with ONNX Runtime, and our own model server: no cache, an arena that grows.</summary>
    OnnxRuntime,
}

/// <summary>
/// One engine's memory rules, as its own source states them for a version: what its fraction covers, what it keeps
/// outside, in what pieces it hands out key-value memory, and its defaults.
/// </summary>
public sealed record ServingEngine
{
    public required EngineKind Kind { get; init; }

    /// <summary>The name on a command line ("vllm").</summary>
    public required string Name { get; init; }

    public required Version Version { get; init; }

    /// <summary>Whether the working set of a step comes out of the fraction; SGLang leaves it the rest of the device.</summary>
    public bool ActivationInsideFraction { get; init; } = true;

    /// <summary>
    /// Whether captured graphs come out of the fraction: in vLLM since 0.21, which counts an estimate of them
    /// (VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS); before, they take what the fraction leaves.
    /// </summary>
    public bool GraphsInsideFraction { get; init; }

    /// <summary>
    /// Whether layers with a window give their old tokens back: vLLM from 0.10 (hybrid key-value groups) and
    /// llama.cpp. Others keep every token in every layer.
    /// </summary>
    public bool WindowsCap { get; init; }

    /// <summary>Whether layers of several kinds share one pool in groups padded to the same number of layers.</summary>
    public bool GroupsLayers { get; init; }

    /// <summary>
    /// Whether layers that are narrower by a whole factor have so many times as many tokens in a block: vLLM from 0.12 (its pull request 29143).
    /// Before that it ends where widths differ, and is charged what padding them would take.
    /// </summary>
    internal bool StretchesBlocks => GroupsLayers && Version >= new Version(0, 12);

    /// <summary>Tokens of one piece of key-value memory.</summary>
    public int BlockTokens { get; init; } = 16;

    /// <summary>Fitted where the engine and its version are those that were measured.</summary>
    internal Certainty Measured => this is { Kind: EngineKind.Vllm, Version: { Major: 0, Minor: >= 17 and <= 20 } } ? Certainty.Fitted : Certainty.Assumed;

    /// <summary>Whether the engine takes all that its fraction allows at the start, for keys and values to come.</summary>
    public bool FillsItsShare => Kind is EngineKind.Vllm or EngineKind.SgLang or EngineKind.TextGenerationInference;

    /// <summary>
    /// Whether its whole share must be free when it starts: vLLM from 0.9 ends before it loads where less is, and SGLang finds no room
    /// for a step. vLLM before that, and TGI, take what is there: DeepSeek R1 was served with a share of all of the device (vllm#13074).
    /// </summary>
    internal bool NeedsItsShareFree => Kind == EngineKind.SgLang || (Kind == EngineKind.Vllm && Version >= new Version(0, 9));

    /// <summary>Whether tensor-parallel ranks split layers between them rather than within (llama.cpp's default).</summary>
    public bool SplitsByLayer { get; init; }

    /// <summary>Parses "vllm", "vllm@0.19.0", "sglang", "tgi", "triton", "llama.cpp"; false for a name not known.</summary>
    public static bool TryParse(string? text, out ServingEngine engine)
    {
        engine = Vllm(new Version(0, 19));
        if (string.IsNullOrWhiteSpace(text) || text.Length > 64) return false;
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var name = (at < 0 ? text : text[..at]).Trim().ToUpperInvariant();
        Version? version = null;
        if (at >= 0 && !Version.TryParse(text[(at + 1)..].TrimStart('v', 'V'), out version)) return false;
        ServingEngine? found = name switch
        {
            "VLLM" => Vllm(version ?? new Version(0, 19)),
            "SGLANG" => SgLang(version ?? new Version(0, 5)),
            "TGI" or "TEXT-GENERATION-INFERENCE" => TextGenerationInference(version ?? new Version(3, 0)),
            "LLAMA.CPP" or "LLAMACPP" or "LLAMA-SERVER" => LlamaCpp(version ?? new Version(1, 0)),
            "TRITON" or "ONNXRUNTIME" or "PLIMSOLL-MODEL-SERVER" => OnnxRuntime(version ?? new Version(1, 0)),
            _ => null,
        };
        if (found is null) return false;
        engine = found;
        return true;
    }

    /// <summary>vLLM: fraction × device − weights − activation − what is not PyTorch's = key-value memory.</summary>
    public static ServingEngine Vllm(Version version) => new()
    {
        Kind = EngineKind.Vllm,
        Name = "vllm",
        Version = version,
        GraphsInsideFraction = version >= new Version(0, 21),
        WindowsCap = version >= new Version(0, 10),
        GroupsLayers = version >= new Version(0, 10),
    };

    /// <summary>SGLang: its static fraction covers weights and key-value memory; the rest of the device, everything else.</summary>
    public static ServingEngine SgLang(Version version) => new()
    {
        Kind = EngineKind.SgLang,
        Name = "sglang",
        Version = version,
        ActivationInsideFraction = false,
        BlockTokens = 1,
    };

    /// <summary>TGI: nine tenths of what its memory fraction gives (its "wiggle room"); graphs come after.</summary>
    public static ServingEngine TextGenerationInference(Version version) => new()
    {
        Kind = EngineKind.TextGenerationInference,
        Name = "tgi",
        Version = version,
    };

    /// <summary>llama.cpp: weights as stored, a cache of context × slots reserved at the start, a compute buffer.</summary>
    public static ServingEngine LlamaCpp(Version version) => new()
    {
        Kind = EngineKind.LlamaCpp,
        Name = "llama.cpp",
        Version = version,
        WindowsCap = true,
        BlockTokens = 1,
        SplitsByLayer = true,
    };

    /// <summary>ONNX Runtime, under Triton or our own server.</summary>
    public static ServingEngine OnnxRuntime(Version version) => new()
    {
        Kind = EngineKind.OnnxRuntime,
        Name = "onnxruntime",
        Version = version,
        BlockTokens = 1,
    };

    /// <summary>
    /// Whether keys and values are kept as a checkpoint of a method says, where no dtype is asked for: vLLM from 0.14 for ModelOpt's
    /// (its pull request 30785) and for compressed-tensors' (30141) from 0.15 or 0.16, which could not be told; nor could since when SGLang
    /// does, so it is charged the wider ones.
    /// </summary>
    internal bool TakesCacheOf(string method) => Kind == EngineKind.Vllm && Version >= (method == "modelopt" ? new Version(0, 14) : new Version(0, 16));

    /// <summary>
    /// Whether experts must split into whole blocks of scales: vLLM until after 0.25, which divides such blocks further, and SGLang to its newest.
    /// </summary>
    internal bool KeepsWeightBlocks => Kind == EngineKind.SgLang || Kind == EngineKind.Vllm && Version < new Version(0, 26);

    /// <summary>The share of a device the engine takes when not told: a constant, or SGLang's rule by memory.</summary>
    /// <param name="device">The device.</param>
    /// <param name="ranks">Tensor-parallel ranks.</param>
    /// <param name="stages">Pipeline stages.</param>
    /// <param name="groups">Groups of attention among the ranks.</param>
    public double DefaultFraction(Accelerator device, int ranks, int stages = 1, int groups = 1)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Kind switch
        {
            EngineKind.Vllm => Version >= new Version(0, 21) ? 0.92 : 0.9,
            EngineKind.SgLang => SgLangFraction(device, ranks, stages, groups),
            EngineKind.TextGenerationInference => 0.9,
            _ => 1,
        };
    }

    /// <summary>
    /// Tokens of one sequence when not told: all that the model is made for. vLLM and TGI count positions that a rotary embedding is
    /// scaled to; llama.cpp takes its header's, and SGLang leaves a factor out where the positions it starts from are stated.
    /// </summary>
    internal long DefaultContext(ModelShape shape) =>
        Kind is EngineKind.Vllm or EngineKind.TextGenerationInference ? shape.PositionsMax : shape.MaxPositions;

    /// <summary>Tokens of the largest forward pass when not told.</summary>
    public int DefaultBatchedTokens(Accelerator device, long context)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Kind switch
        {
            // Its first engine took whole prompts in one pass, and those beyond 32,768 tokens in chunks.
            EngineKind.Vllm when Version < new Version(0, 8) => context > 32_768 ? 2048 : (int)Math.Max(context, 2048),
            EngineKind.Vllm => LargeBatches(device) ? 8192 : 2048,
            EngineKind.SgLang => SgLangChunk(SgLangMemory(device)),
            EngineKind.TextGenerationInference => 4096,
            EngineKind.LlamaCpp => 512,
            _ => 512,
        };
    }

    /// <summary>Sequences in one step when not told.</summary>
    public int DefaultSequences(Accelerator device, int concurrency, int ranks = 1)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Kind switch
        {
            EngineKind.Vllm when Version < new Version(0, 8) => 256,
            EngineKind.Vllm => LargeBatches(device) ? 1024 : 256,
            // Graphs of more are captured on many ranks, but a measured start of eight had more room than that many would leave it.
            EngineKind.SgLang => Math.Min(256, SgLangGraphs(SgLangMemory(device), ranks)),
            EngineKind.TextGenerationInference => 128,
            _ => Math.Max(1, concurrency),
        };
    }

    /// <summary>vLLM's rule (engine arguments, batch defaults): 70 GiB or more and not an A100.</summary>
    private static bool LargeBatches(Accelerator device) =>
        device.Memory >= Bytes.GiB(70) && !device.Name.Contains("a100", StringComparison.OrdinalIgnoreCase);

    /// <summary>What SGLang goes by: nvidia-smi's total, where it is known.</summary>
    private static Bytes SgLangMemory(Accelerator device) => device.DriverMemory > Bytes.Zero ? device.DriverMemory : device.Memory;

    /// <summary>SGLang's prefill chunk by memory, in tokens.</summary>
    private static int SgLangChunk(Bytes memory) =>
        memory < Bytes.GiB(35) ? 2048 : memory < Bytes.GiB(60) ? 4096 : memory < Bytes.GiB(160) ? 8192 : 16384;

    /// <summary>Sequences of SGLang's largest graph by memory: of few ranks on small devices a few, of four or more many.</summary>
    private static int SgLangGraphs(Bytes memory, int ranks) => (memory.Value / (double)Bytes.GiB(1).Value) switch
    {
        < 20 => 8,
        < 35 => ranks < 4 ? 24 : 80,
        < 60 => ranks < 4 ? 32 : 160,
        < 160 => ranks < 4 ? 256 : 512,
        _ => 512,
    };

    /// <summary>
    /// SGLang's server arguments (0.4 and 0.5): 512 MiB, 1.5 MiB a token of the prefill chunk, 2 MiB a sequence of the largest
    /// graph and 128 MiB a rank of every stage stay free, at least 10 GiB on devices above 60 GiB. With groups of attention 3 MiB
    /// more for each group and sequence, and 4.5 where a graph has more than 300 sequences.
    /// </summary>
    private static double SgLangFraction(Accelerator device, int ranks, int stages, int groups)
    {
        var memory = SgLangMemory(device);
        var mib = memory.Value / 1048576.0;
        var graphs = SgLangGraphs(memory, ranks);
        var reserved = 512 + SgLangChunk(memory) * 1.5 + graphs * 2 + (double)ranks * stages * 128;
        if (groups > 1) reserved += (double)groups * graphs * (graphs > 300 ? 4.5 : 3);
        if (mib > 60 * 1024) reserved = Math.Max(reserved, 10 * 1024);
        return Math.Max(0.1, Math.Round((mib - reserved) / mib, 3));
    }
}
