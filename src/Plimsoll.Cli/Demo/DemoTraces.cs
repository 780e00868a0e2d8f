using System.Collections.Immutable;

namespace Plimsoll.Cli.Demo;

/// <summary>Which trace files the demo plays.</summary>
public static class DemoTraces
{
    private const string Where =
        "the traces are published in Azure/AzurePublicDataset; put AzureLLMInferenceTrace_code.csv and _conv.csv as "
        + "traces/azure_llm_2023_code.csv and traces/azure_llm_2023_conv.csv into the folder named by PLIMSOLL_DATA, or give --trace MODEL=FILE.";

    /// <summary>
    /// The files named with <c>--trace MODEL=FILE</c>; without any, code for the large model and conv for the others.
    /// </summary>
    /// <param name="named">As the person wrote them.</param>
    /// <param name="models">The demo's models.</param>
    /// <param name="dataFolder">PLIMSOLL_DATA, or its default.</param>
    /// <returns>The files, or one sentence that says what is wrong.</returns>
    public static (ImmutableSortedDictionary<ModelId, string> Files, string? Problem) Find(
        ImmutableSortedDictionary<ModelId, string> named, ImmutableArray<DemoModel> models, string dataFolder)
    {
        ArgumentNullException.ThrowIfNull(named);
        if (named.Keys.FirstOrDefault(model => models.All(known => known.Id != model)) is { Value: { } unknown })
            return (named, $"--trace names the model '{unknown}'; the demo has {string.Join(", ", models.Select(model => model.Id))}.");
        var files = named.IsEmpty
            ? models.ToImmutableSortedDictionary(
                model => model.Id, model => Path.Combine(dataFolder, "traces", $"azure_llm_2023_{model.Stream}.csv"))
            : named;
        return files.Values.FirstOrDefault(file => !File.Exists(file)) is { } missing
            ? (files, $"there is no trace file {missing}; {Where}")
            : (files, null);
    }

    /// <summary>Reads "large=code.csv".</summary>
    public static bool TryParse(string text, out ModelId model, out string file)
    {
        ArgumentNullException.ThrowIfNull(text);
        var at = text.IndexOf('=', StringComparison.Ordinal);
        (model, file) = at > 0 && at < text.Length - 1 ? (ModelId.Of(text[..at]), text[(at + 1)..]) : (default, "");
        return file.Length > 0;
    }
}
