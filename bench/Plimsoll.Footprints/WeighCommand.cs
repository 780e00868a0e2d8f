using System.Globalization;
using Plimsoll.Artifacts;
using Plimsoll.Footprints.Parameters;

namespace Plimsoll.Footprints;

/// <summary>weigh FILE...: what each configuration weighs, by component and run of layers.</summary>
internal static class WeighCommand
{
    public static int Usage()
    {
        Console.Error.WriteLine("usage: parameters [PAGE] | memory [PAGE] | training [PAGE] | refit | page [PAGE] | weigh FILE...");
        return 2;
    }

    public static int Run(IReadOnlyList<string> files)
    {
        var refused = 0;
        foreach (var file in files)
        {
            var beside = file.Replace("_config.json", "_hf_quant_config.json", StringComparison.Ordinal);
            try
            {
                Print(Path.GetFileName(file), PublishedConfig.Weigh(
                    Path.GetFileName(file), File.ReadAllText(file), beside != file && File.Exists(beside) ? File.ReadAllText(beside) : null));
            }
            catch (ArtifactException wrong)
            {
                refused++;
                Console.WriteLine($"{Path.GetFileName(file)}: {wrong.Message}");
            }
        }

        return refused == 0 ? 0 : 1;
    }

    private static void Print(string name, WeighedModel model)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name}: {model.Parameters:N0} parameters, {model.ActiveParameters:N0} active, {model.Weights}, {model.Shape?.Quantization ?? "as it is"}"));
        foreach (var component in model.Components)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {component.Component}: {component.Parameters:N0}, {component.Weights}"));
        foreach (var run in model.Shape?.Layers ?? [])
            Console.WriteLine($"  layers {run.First} to {run.First + run.Count - 1}: {run.Cache.Kind}, {run.Cache.ElementsPerToken} elements a token, window {run.Cache.Window?.ToString(CultureInfo.InvariantCulture) ?? "none"}, {run.ExpertsPerToken} of {run.Experts} experts");
        foreach (var note in model.Notes)
            Console.WriteLine($"  note: {note}");
    }
}
