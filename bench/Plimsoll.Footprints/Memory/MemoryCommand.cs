namespace Plimsoll.Footprints.Memory;

/// <summary>memory: the section on measured start-ups. refit: the coefficients from the calibration rows.</summary>
internal static class MemoryCommand
{
    /// <summary>The section's text; null, and a line on standard error, where the data folder is missing.</summary>
    public static string? Section(string dataFolder, string configFolder)
    {
        if (Read(dataFolder, configFolder) is not { } read) return null;
        var (runs, unknown, configurations) = read;
        return MemoryTable.Of(runs, unknown) + Environment.NewLine
            + OlderTable.Of(dataFolder, configurations, runs);
    }

    /// <summary>Runs from the repository's root; the data folder is PLIMSOLL_DATA, or ../shared/data.</summary>
    public static int Run(string[] args)
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : "../shared/data";
        const string Configs = "bench/Plimsoll.Footprints/configs";
        if (args[0] == "refit") return RunRefit(data, Configs);
        if (Section(data, Configs) is not { } section) return 1;
        if (args.Length > 1) MarkdownSection.Write(args[1], "measured start-ups", section);
        else Console.WriteLine(section);
        return 0;
    }

    /// <summary>The coefficients in use beside those that the calibration rows give; 1 where they differ.</summary>
    private static int RunRefit(string dataFolder, string configFolder)
    {
        if (Read(dataFolder, configFolder) is not { } read) return 1;
        var fitted = Refit.Of(read.Runs);
        Console.WriteLine($"in use:  {FitCoefficients.Vllm019}");
        Console.WriteLine($"refit:   {fitted}");
        return fitted == FitCoefficients.Vllm019 ? 0 : 1;
    }

    private static (IReadOnlyList<StartUp> Runs, IReadOnlyList<string> Unknown, Configurations Configurations)? Read(
        string dataFolder, string configFolder)
    {
        if (!Directory.Exists(Path.Combine(dataFolder, "memory")))
        {
            Console.Error.WriteLine($"no memory/ under {dataFolder}; PLIMSOLL_DATA names the folder that holds it");
            return null;
        }

        var configurations = new Configurations(configFolder, Path.Combine(dataFolder, "modelconfigs", "huggingface"));
        var (runs, unknown) = StartUp.Read(dataFolder, configurations);
        return (runs, unknown, configurations);
    }
}
