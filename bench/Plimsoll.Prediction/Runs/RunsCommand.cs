using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Plimsoll.Footprints.Memory;
using Plimsoll.Prediction.Steps;

namespace Plimsoll.Prediction.Runs;

/// <summary>The simulation of a replica against runs of a real engine.</summary>
internal static class RunsCommand
{
    private const int FittedOn = 100;

    private static readonly double[] Shares = [0.5, 0.9, 0.95, 0.99];

    // NVIDIA Ada GPU architecture white paper: 165.2 TFLOP/s dense of 16-bit operands summed in 32 bits, 1008 GB/s.
    private static readonly Accelerator Rtx4090 = new()
    {
        Name = "rtx-4090-24gb",
        Vendor = "nvidia",
        Memory = new Bytes(25250627584),
        MemoryBandwidth = new BytesPerSecond(1_008_000_000_000),
        FlopsPerSecond = ImmutableSortedDictionary<string, double>.Empty.Add("bfloat16", 165.2e12).Add("float8", 330.3e12),
        HostBandwidth = new BytesPerSecond(32_000_000_000),
        Source = "NVIDIA Ada GPU architecture white paper",
    };

    public static int Report(string page)
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") ?? "../shared/data";
        var folder = Path.Combine(data, "performance/vllm_runs");
        if (!Directory.Exists(folder))
        {
            Console.Error.WriteLine("skipped: no folder 'performance/vllm_runs' under PLIMSOLL_DATA");
            return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
        }

        var configurations = new Configurations(Path.Combine(data, "modelconfigs/huggingface"), "bench/Plimsoll.Footprints/configs");
        var llama = configurations.Find("meta-llama/Llama-3.1-8B-Instruct")!.Shape!;
        var qwen = new PublishedModels(configurations).Find("Qwen/Qwen3-32B", "")!;
        var pro = DeviceCatalogue.BuiltIn.Find("rtx-pro-6000-96gb")!;
        var text = new StringBuilder();
        Introduction(text);
        Run(text, Path.Combine(folder, "RTX4090/Llama-3.1-8B/vllm"), "Llama 3.1 8B, RTX 4090", llama, Rtx4090);
        Run(text, Path.Combine(folder, "RTXPRO6000/Llama-3.1-8B/vllm"), "Llama 3.1 8B, RTX PRO 6000", llama, pro);
        Run(text, Path.Combine(folder, "RTXPRO6000/Qwen3-32B/vllm"), "Qwen3 32B, 2 × RTX PRO 6000", qwen, pro);
        if (page.Length > 0) MarkdownSection.Write(page, "replica simulation", text.ToString());
        Console.Write(text);
        return 0;
    }

    private static void Run(StringBuilder text, string folder, string name, ModelShape shape, Accelerator device)
    {
        var run = RecordedRun.Read(folder, name);
        var split = new StepSplit { Tensor = run.TensorParallel };
        var model = StepModel.Of(shape, device, split)!;
        var start = StepCalibration.BuiltIn.For(new StepSubject(device.Name, StepCalibration.GenerationOf(device), "vllm", StepCalibration.ModelKey(shape)));

        // A run that says nothing of its blocks never came near them: 128 sequences on 96 GB a device.
        var limits = new ReplicaLimits { Blocks = (run.Blocks ?? 25_001) - 1, Sequences = run.MaxSequences, StepTokens = run.MaxStepTokens };
        var fit = new RunFit(run, model, start, limits);
        var fitted = fit.On(FittedOn);
        var log = fit.Simulate(fitted);
        var judged = Enumerable.Range(FittedOn, run.Count - FittedOn).ToArray();
        var all = new List<double>();
        void Row(string what, Func<int, double> simulated, double[] measured)
        {
            var errors = judged.Select(i => Errors.Relative(simulated(i), measured[i])).ToList();
            all.AddRange(errors);
            var sorted = Errors.Of(errors);
            var bias = errors.Average();
            var quantiles = Shares.Select(share =>
                Percent(Errors.Relative(Quantile(judged.Select(simulated), share), Quantile(judged.Select(i => measured[i]), share))));
            text.Append(CultureInfo.InvariantCulture, $"| {name} | {what} | {sorted.Count} | {Percent(sorted.Quantile(0.5))} | {Percent(sorted.Quantile(0.95))} | {Percent(bias)} | {string.Join(" | ", quantiles)} |\n");
        }

        Row("TTFT", i => fit.Ttft(log, i), run.Ttft);
        Row("TPOT", log.Tpot, run.Tpot);
        Row("end to end", i => fit.EndToEnd(log, i), run.EndToEnd);
        var together = Errors.Of(all);
        text.Append(CultureInfo.InvariantCulture, $"| {name} | all three | {together.Count} | {Percent(together.Quantile(0.5))} | {Percent(together.Quantile(0.95))} | | | | | |\n");
    }

    private static double Quantile(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted[Math.Min(sorted.Length - 1, (int)(share * sorted.Length))];
    }

    private static string Percent(double value) => (value * 100).ToString("F1", CultureInfo.InvariantCulture);

    private static void Introduction(StringBuilder text)
    {
        text.Append("## A replica, simulated request by request\n\n");
        text.Append("The simulation of `src/Plimsoll/Performance/Replicas` against three runs of vLLM 0.19 (300 requests each, some ten a second, which is more than the devices carry, so that they queue). Written by `dotnet run --project bench/Plimsoll.Prediction -- vllm-runs`. No step of these devices was measured by itself: nine factors of step times are fitted on what the first 100 requests of a run saw, and judged on the other 200, whose arrivals and lengths the simulation is given and nothing else.\n\n");
        text.Append("Errors in percent, of each request without their sign (median, p95) and with it (mean); then of the run's own percentiles over the 200.\n\n");
        text.Append("| run | | n | median | p95 | mean | p50 | p90 | p95 | p99 |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    }
}
