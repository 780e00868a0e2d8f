using Plimsoll;
using Plimsoll.Artifacts;
using Plimsoll.Footprints.Memory;

/// <summary>training [PAGE]: the section on measured training runs, into a page where one is named.</summary>
internal static class TrainingCommand
{
    private const string Configs = "bench/Plimsoll.Footprints/configs";

    /// <summary>Runs from the repository's root; the data folder is PLIMSOLL_DATA, or ../shared/data.</summary>
    public static int Run(string[] args)
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : "../shared/data";
        if (!Directory.Exists(Path.Combine(data, "memory")))
        {
            Console.Error.WriteLine($"no memory/ under {data}; PLIMSOLL_DATA names the folder that holds it");
            return 1;
        }

        var section = string.Join('\n', TrainingSection.Lines(data, Weigh));
        if (args.Length > 1) MarkdownSection.Write(args[1], "measured training", section);
        else Console.WriteLine(section);
        return 0;
    }

    private static Footprint Weigh(string name) => Architecture.FootprintOf(
        new ArtifactHeader
        {
            Format = ArtifactFormat.HuggingFace,
            Source = name,
            Files = [],
            Config = File.ReadAllText(Path.Combine(Configs, name + ".json")),
        },
        name);
}
