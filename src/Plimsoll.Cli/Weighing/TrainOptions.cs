using System.CommandLine;

namespace Plimsoll.Cli.Weighing;

/// <summary>The options that name a training run.</summary>
internal sealed class TrainOptions
{
    private static readonly Dictionary<string, TrainingMethod> Methods = new(StringComparer.Ordinal)
    {
        ["full"] = TrainingMethod.Full,
        ["lora"] = TrainingMethod.Lora,
        ["qlora"] = TrainingMethod.Qlora,
    };

    private static readonly Dictionary<string, TrainingOptimizer> Optimizers = new(StringComparer.Ordinal)
    {
        ["adamw"] = TrainingOptimizer.AdamW,
        ["adam-8bit"] = TrainingOptimizer.Adam8Bit,
        ["sgd"] = TrainingOptimizer.Sgd,
        ["sgd-momentum"] = TrainingOptimizer.SgdMomentum,
        ["adafactor"] = TrainingOptimizer.Adafactor,
    };

    private static readonly Dictionary<string, TrainingPrecision> Precisions = new(StringComparer.Ordinal)
    {
        ["mixed"] = TrainingPrecision.Mixed,
        ["bf16"] = TrainingPrecision.Pure16,
        ["fp32"] = TrainingPrecision.Full32,
    };

    private static readonly Dictionary<string, Recomputation> Recomputations = new(StringComparer.Ordinal)
    {
        ["none"] = Plimsoll.Recomputation.None,
        ["selective"] = Plimsoll.Recomputation.Selective,
        ["ops"] = Plimsoll.Recomputation.MatrixOutputs,
        ["full"] = Plimsoll.Recomputation.Full,
    };

    private static readonly Dictionary<string, TrainingOffload> Offloads = new(StringComparer.Ordinal)
    {
        ["none"] = TrainingOffload.None,
        ["optimizer"] = TrainingOffload.Optimizer,
        ["all"] = TrainingOffload.All,
    };

    private static readonly Dictionary<string, LossMemory> Losses = new(StringComparer.Ordinal)
    {
        ["upcast"] = LossMemory.Upcast,
        ["fp32"] = LossMemory.Plain32,
        ["bf16"] = LossMemory.Native16,
        ["compiled"] = LossMemory.Compiled,
        ["chunked"] = LossMemory.Chunked,
        ["fused"] = LossMemory.Fused,
    };

    public Option<string?> Device { get; } = new("--device")
    {
        Description = "Such as h100-80gb, of plimsoll devices",
        HelpName = "NAME",
        Required = true,
    };

    public Option<string?> Catalogue { get; } = new("--catalogue") { Description = "A file of your own devices, over the built-in ones", HelpName = "FILE" };

    private readonly Option<string?> _method = FitOptions.Word("--method", "Which weights learn (default full)", [.. Methods.Keys]);
    private readonly Option<string?> _optimizer = FitOptions.Word("--optimizer", "Default adamw", [.. Optimizers.Keys]);
    private readonly Option<string?> _precision = FitOptions.Word("--precision", "Mixed keeps a 32-bit copy (default mixed)", [.. Precisions.Keys]);
    private readonly Option<string?> _recompute = FitOptions.Word("--recompute", "What is computed again (default none)", [.. Recomputations.Keys]);
    private readonly Option<string?> _offload = FitOptions.Word("--offload", "What lies in host memory (default none)", [.. Offloads.Keys]);
    private readonly Option<string?> _loss = FitOptions.Word("--loss", "What the loss keeps of each logit (default upcast)", [.. Losses.Keys]);
    private readonly Option<int?> _zero = FitOptions.Number("--zero", "ZeRO's stage; 3 is FSDP (default 0)", "0|1|2|3", 3, 0);
    private readonly Option<int?> _data = FitOptions.Number("--dp", "Data-parallel ranks", "N", 1 << 16);
    private readonly Option<int?> _tensor = FitOptions.Number("--tp", "Tensor-parallel ranks", "N", 1024);
    private readonly Option<int?> _pipeline = FitOptions.Number("--pp", "Pipeline stages", "N", 1024);
    private readonly Option<int?> _context = FitOptions.Number("--cp", "Context-parallel ranks", "N", 1024);
    private readonly Option<bool> _sequenceParallel = new("--sp") { Description = "Sequence parallelism beside tensor parallelism, with a split named" };
    private readonly Option<int?> _microBatch = FitOptions.Number("--micro-batch", "Sequences of one micro-batch (default 1)", "N", 1 << 16);
    private readonly Option<int?> _sequence = FitOptions.Number("--sequence", "Tokens of one sequence (default 2048)", "N", 1 << 27);
    private readonly Option<int?> _rank = FitOptions.Number("--lora-rank", "Default 8", "N", 1 << 14);
    private readonly Option<bool> _eager = new("--eager-attention") { Description = "Attention that holds its scores, not a fused kernel" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[]
            {
                Device, _method, _optimizer, _precision, _zero, _data, _tensor, _sequenceParallel, _pipeline, _context, _microBatch, _sequence, _recompute,
                _eager, _offload, _loss, _rank, Catalogue,
            })
            command.Add(option);
    }

    /// <summary>Whether a split was named, so that the run is judged as it is; else the smallest cluster is sought.</summary>
    public bool IsSplitNamed(ParseResult parsed) =>
        new[] { _zero, _data, _tensor, _pipeline, _context }.Any(option => parsed.GetValue(option) is not null);

    /// <exception cref="CommandException">The device is not known.</exception>
    public TrainingRun Run(ParseResult parsed, DeviceCatalogue catalogue) => new()
    {
        Device = FitOptions.Find(catalogue, parsed.GetValue(Device)!),
        Method = Methods[parsed.GetValue(_method) ?? "full"],
        Optimizer = Optimizers[parsed.GetValue(_optimizer) ?? "adamw"],
        Precision = Precisions[parsed.GetValue(_precision) ?? "mixed"],
        Recomputation = Recomputations[parsed.GetValue(_recompute) ?? "none"],
        Offload = Offloads[parsed.GetValue(_offload) ?? "none"],
        Loss = Losses[parsed.GetValue(_loss) ?? "upcast"],
        ZeroStage = parsed.GetValue(_zero) ?? 0,
        DataParallel = parsed.GetValue(_data) ?? 1,
        TensorParallel = parsed.GetValue(_tensor) ?? 1,
        SequenceParallel = parsed.GetValue(_sequenceParallel),
        PipelineParallel = parsed.GetValue(_pipeline) ?? 1,
        ContextParallel = parsed.GetValue(_context) ?? 1,
        MicroBatch = parsed.GetValue(_microBatch) ?? 1,
        Sequence = parsed.GetValue(_sequence) ?? 2048,
        LoraRank = parsed.GetValue(_rank) ?? 8,
        FusedAttention = !parsed.GetValue(_eager),
    };
}
