using System.Text;

namespace Plimsoll.Prediction.Loads;

/// <summary>Load times: priors against published ones, and what is learned from load after load.</summary>
internal static class LoadsCommand
{
    /// <summary>What the rule was chosen by: the calibration containers, and synthetic streams of another seed than the page's.</summary>
    public static int Try()
    {
        if (Folder() is not { } data) return Skipped();
        var text = new StringBuilder();
        foreach (var (name, file) in Archives)
        {
            var (calibration, _) = ProductionStreams.Read(Path.Combine(data, file));
            StreamTables.Write(text, name, calibration, _ => 10, "ten seconds");
        }

        for (var kind = 0; kind < SyntheticStreams.Kinds.Length; kind++)
            StreamTables.Write(text, SyntheticStreams.Kinds[kind].Name, SyntheticStreams.Draw(kind, SyntheticStreams.ChosenWith), _ => 10, "ten seconds");
        Console.Write(StreamTables.Header + text);
        return 0;
    }

    private static readonly (string Name, string File)[] Archives =
    [
        ("base models", "production_genai/basemodel_update_latency_anon.tar.gz"),
        ("pipelines", "production_genai/pipeline_update_latency_anon.tar.gz"),
    ];

    private static string? Folder()
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") ?? "../shared/data";
        return Directory.Exists(Path.Combine(data, "production_genai")) ? data : null;
    }

    private static int Skipped()
    {
        Console.Error.WriteLine("skipped: no folder 'production_genai' under PLIMSOLL_DATA");
        return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
    }
}
