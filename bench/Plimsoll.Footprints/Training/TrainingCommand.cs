using Plimsoll.Footprints.Memory;

namespace Plimsoll.Footprints.Training;

/// <summary>training [PAGE]: the section on measured training runs, into a page where one is named.</summary>
internal static class TrainingCommand
{
    /// <summary>Runs from the repository's root; the data folder is PLIMSOLL_DATA, or ../shared/data.</summary>
    public static int Run(string[] args)
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : "../shared/data";
        if (!File.Exists(Path.Combine(data, "memory", "training_memory_measured.csv")))
        {
            Console.Error.WriteLine($"no memory/training_memory_measured.csv under {data}; PLIMSOLL_DATA names the folder that holds it");
            return 1;
        }

        var configurations = new Configurations("bench/Plimsoll.Footprints/configs", Path.Combine(data, "modelconfigs", "huggingface"));
        var section = string.Join('\n', TrainingSection.Lines(data, configurations.Find));
        if (args.Length > 1) MarkdownSection.Write(args[1], "measured training", section);
        else Console.WriteLine(section);
        return 0;
    }
}
