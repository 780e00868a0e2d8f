using Plimsoll.Footprints.Memory;

namespace Plimsoll.Footprints.Parameters;

/// <summary>parameters [PAGE]: the section on counts, into a page where one is named.</summary>
internal static class ParametersCommand
{
    /// <summary>The section's text; null, and a line on standard error, where the data folder is missing.</summary>
    public static string? Section(string dataFolder, string projectFolder)
    {
        var folder = Path.Combine(dataFolder, "modelconfigs", "huggingface");
        if (!Directory.Exists(folder))
        {
            Console.Error.WriteLine($"no modelconfigs/huggingface under {dataFolder}; PLIMSOLL_DATA names the folder that holds it");
            return null;
        }

        return $"""
            ## Parameters

            {OfficialTable.Of(Path.Combine(dataFolder, "modelconfigs", "model_configs.csv"), folder)}
            {FilesTable.Of(PublishedConfig.All(folder), Path.Combine(projectFolder, "published_counts.csv"))}
            """;
    }

    /// <summary>Runs from the repository's root; the data folder is PLIMSOLL_DATA, or ../shared/data.</summary>
    public static int Run(string[] args)
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : "../shared/data";
        if (Section(data, "bench/Plimsoll.Footprints") is not { } section) return 1;
        if (args.Length > 1) MarkdownSection.Write(args[1], "parameters", section);
        else Console.WriteLine(section);
        return 0;
    }
}
