using Plimsoll;
using Plimsoll.Artifacts;
using Plimsoll.Footprints.Memory;

// memory [PAGE]: the section on measured start-ups, into a page where one is named. refit: the fitted coefficients.
if (args is ["memory" or "refit", ..]) return MemoryCommand.Run(args);

// plimsoll-footprints training CONFIGS DATA: the training part of docs/benchmarks/footprint.md.
if (args is ["training", var configs, var data])
{
    foreach (var line in TrainingSection.Lines(data, name => Architecture.FootprintOf(new ArtifactHeader
    {
        Format = ArtifactFormat.HuggingFace,
        Source = name,
        Files = [],
        Config = File.ReadAllText(Path.Combine(configs, name + ".json")),
    }, name)))
    {
        Console.WriteLine(line);
    }

    return;
}

// plimsoll-footprints weigh FILE...: what each configuration weighs, for a look.
foreach (var file in args.Skip(1))
{
    var name = Path.GetFileName(file);
    try
    {
        var beside = file.Replace("_config.json", "_hf_quant_config.json", StringComparison.Ordinal);
        var model = Architecture.Weigh(new ArtifactHeader
        {
            Format = ArtifactFormat.HuggingFace,
            Source = name,
            Files = [],
            Config = File.ReadAllText(file),
            QuantizationConfig = beside != file && File.Exists(beside) ? File.ReadAllText(beside) : null,
        });
        var kv = model.Shape!.Layers.Sum(run => run.Count * run.Cache.ElementsPerToken);
        Console.WriteLine($"{name,-75} {model.Parameters,18:N0} act {model.ActiveParameters / 1e9,7:F2}B ns {model.Shape.NotServed.Sum(g => g.Parameters) / 1e9:F2}B {model.Weights.Value / 1073741824.0,8:F2} GiB kv {kv} runs {model.Shape.Layers.Length} {model.Shape.Quantization}");
        if (args[0] == "full")
        {
            foreach (var c in model.Components) Console.WriteLine($"      {c.Component} {c.Parameters:N0} {c.Weights}");
            foreach (var run in model.Shape.Layers.Take(4))
            {
                Console.WriteLine($"   {run.First}+{run.Count} {run.Cache} active {run.ActiveWidth} {run.Experts}/{run.ExpertsPerToken}x{run.ExpertWidth}");
                foreach (var g in run.Weights) Console.WriteLine($"      {g}");
            }

            foreach (var g in model.Shape.Before.Concat(model.Shape.After).Concat(model.Shape.NotServed)) Console.WriteLine($"   out {g}");
        }
    }
    catch (ArtifactException wrong)
    {
        Console.WriteLine($"{name,-75} REFUSED {wrong.Message}");
    }
}

return 0;
