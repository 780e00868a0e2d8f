using System.Globalization;

namespace Plimsoll.Footprints.Training;

/// <summary>
/// The settings of the measured runs, by hand from what their authors publish: lit-gpt's resource tables (tokens of the longest
/// sample by tokenizer) and finetune/lora.py, torchtitan's benchmark notes and train configurations of the time, torchtune's
/// readme and recipes.
/// </summary>
internal static class MeasuredRuns
{
    private static Accelerator Device(string name) => DeviceCatalogue.BuiltIn.Find(name)!;

    /// <returns>The model's configuration and the run, or why there is none.</returns>
    public static (string? Model, TrainingRun? Run, string? Why) Of(TrainingRow row) => row.Program switch
    {
        "lit-gpt" => LitGpt(row),
        "torchtitan" => Titan(row),
        _ => Tune(row),
    };

    private static (string?, TrainingRun?, string?) LitGpt(TrainingRow row)
    {
        if (row.Method.Contains("inference", StringComparison.Ordinal)) return (null, null, "inference, not training");
        if (row.Method.Contains("Adapter", StringComparison.Ordinal)) return (null, null, "LLaMA-Adapter is not modelled; its rows of Llama 2 served to fit the norm's copies");
        if (row.Peak is null && !row.RanOut) return (null, null, "not measured by its authors");
        var (model, tokens) = row.Model switch
        {
            "phi-1.5 1.3B" => ("microsoft/phi-1_5", 1044),
            "Llama 2 7B" => ("meta-llama/Llama-2-7b-hf", 1304),
            "Llama 2 13B" => ("meta-llama/Llama-2-13b-hf", 1304),
            _ => ("tiiuae/falcon-40b", 1079),
        };
        var quantised = row.Precision.Contains("nf4", StringComparison.Ordinal);
        var ranks = row.Gpu[0] - '0';
        var run = new TrainingRun
        {
            Device = Device("a100-40gb"),
            Method = quantised ? TrainingMethod.Qlora : TrainingMethod.Lora,
            DoubleQuantization = row.Precision.EndsWith("dq", StringComparison.Ordinal),
            Precision = TrainingPrecision.Pure16,
            MicroBatch = row.MicroBatch,
            Sequence = tokens,
            // The head and the loss go over 128 tokens at a time, in 16 bit.
            Loss = LossMemory.Native16,
            Trainer = TrainerRules.LitGpt2023,
        };
        if (ranks > 1) run = run with { DataParallel = ranks, ZeroStage = 3, Recomputation = Recomputation.Full };
        return (model, run, null);
    }

    private static (string?, TrainingRun?, string?) Titan(TrainingRow row)
    {
        if (row.Model.Contains("405B", StringComparison.Ordinal)) return (null, null, "the pipeline's micro-batches are not published");
        var ranks = int.Parse(row.Gpu.Split(' ')[0], CultureInfo.InvariantCulture);
        var run = new TrainingRun
        {
            Device = Device(row.Gpu.Contains("H200", StringComparison.Ordinal) ? "h200-141gb" : "h100-96gb"),
            DataParallel = ranks,
            ZeroStage = 3,
            MicroBatch = row.MicroBatch,
            Sequence = 8192,
            Recomputation = Recomputation.MatrixOutputs,
            // The head's loss is compiled with it in the version of 2025-06 only.
            Loss = row.Gpu.Contains("H200", StringComparison.Ordinal) ? LossMemory.Compiled : LossMemory.Upcast,
        };
        if (row.Method.IndexOf("CP", StringComparison.Ordinal) is > 0 and var at)
        {
            var context = row.Method[at + 2] - '0';
            run = run with
            {
                ContextParallel = context,
                DataParallel = ranks / context,
                Sequence = long.Parse(row.Method[(row.Method.IndexOf("seq", StringComparison.Ordinal) + 3)..], CultureInfo.InvariantCulture),
                Recomputation = Recomputation.Full,
            };
        }

        if (row.Method.Contains("TP8", StringComparison.Ordinal))
            run = run with { DataParallel = 32, TensorParallel = 8, SequenceParallel = true, Recomputation = Recomputation.Full };
        return (row.Model.Contains("70B", StringComparison.Ordinal) ? "meta-llama/Llama-3.1-70B" : "meta-llama/Llama-3.1-8B-Instruct", run, null);
    }

    /// <summary>The readme says 2 × 2048 packed tokens, compiled; the rest as the stock recipes have it: recomputation on.</summary>
    private static (string?, TrainingRun?, string?) Tune(TrainingRow row)
    {
        // The same method takes twice as much on the larger card: another setting, which is not published.
        if (row.Gpu.Contains("A6000", StringComparison.Ordinal)) return (null, null, "not the stock recipe: the same run takes half as much on the smaller card, and what was switched is not published");
        var model = row.Model.Contains("405B", StringComparison.Ordinal) ? "meta-llama/Llama-3.1-405B"
            : row.Model.Contains("70B", StringComparison.Ordinal) ? "meta-llama/Llama-3.1-70B" : "meta-llama/Llama-3.1-8B-Instruct";
        var run = new TrainingRun
        {
            Device = Device(row.Gpu.Contains("4090", StringComparison.Ordinal) ? "rtx-4090-24gb" : "a100-80gb"),
            Method = row.Method switch { "LoRA" => TrainingMethod.Lora, "QLoRA" => TrainingMethod.Qlora, _ => TrainingMethod.Full },
            LoraTargets = ["q", "v", "o"],
            LoraDropout = false,
            Precision = TrainingPrecision.Pure16,
            MicroBatch = 2,
            Sequence = 2048,
            Recomputation = Recomputation.Full,
            Loss = LossMemory.Chunked,
            Trainer = TrainerRules.Torchtune,
        };
        if (row.Gpu.StartsWith('8')) run = run with { DataParallel = 8, ZeroStage = 3 };
        if (row.Method == "Full finetune")
            run = row.Gpu.StartsWith('8') ? run with { Offload = TrainingOffload.All }
                : run with { Optimizer = TrainingOptimizer.Adam8Bit, OptimizerInBackward = true, Offload = TrainingOffload.Optimizer };
        return (model, run, null);
    }
}
