using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Capacity;

/// <summary>A model on devices that hold it, with its step times and its room for keys and values.</summary>
internal sealed record ServedModel(StepModel Model, StepCoefficients Fitted, long KvTokens)
{
    private static readonly string[] Models =
    [
        "meta-llama/Llama-3.1-8B-Instruct", "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", "Qwen/Qwen2.5-32B-Instruct", "Qwen/Qwen2.5-72B-Instruct",
        "meta-llama/Llama-3.1-70B", "google/gemma-2-27b-it", "google/gemma-3-12b-it", "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
        "mistralai/Mixtral-8x7B-Instruct-v0.1", "Qwen/Qwen3-32B-FP8",
    ];

    private static readonly string[] Devices = ["h100-80gb", "h200-141gb", "a100-80gb", "l40s-48gb", "rtx-pro-6000-96gb", "b200-180gb"];

    /// <summary>Every model on every device, over the fewest ranks that hold it and over twice as many.</summary>
    public static IReadOnlyList<(string Name, ServedModel Served)> All(Configurations configurations)
    {
        var all = new List<(string, ServedModel)>();
        foreach (var name in Models)
        {
            if (configurations.Find(name) is not { } footprint) continue;
            foreach (var deviceName in Devices)
            {
                if (DeviceCatalogue.BuiltIn.Find(deviceName) is not { } device) continue;
                var found = 0;
                for (var tensor = 1; tensor <= 8 && found < 2; tensor *= 2)
                {
                    var fit = Fit.Of(footprint, new ServingVariant { Device = device, TensorParallel = tensor, Context = 8192 });
                    if (!fit.Fits || PredictedSteps.Of(footprint, "vllm", device, new StepSplit { Tensor = tensor }).Steps is not { } steps) continue;
                    found++;
                    all.Add(($"{name.Split('/')[1]} on {tensor} × {device.Name}", new ServedModel(steps.Model, steps.Fitted, fit.KvTokens)));
                }
            }
        }

        return all;
    }
}
