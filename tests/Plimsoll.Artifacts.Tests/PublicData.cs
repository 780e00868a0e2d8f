namespace Plimsoll.Artifacts.Tests;

/// <summary>Published data that is not part of the repository.</summary>
internal static class PublicData
{
    /// <summary>The path, or a skip that says what is missing; a failure where CI says that it must be there.</summary>
    public static string PathOrSkip(params string[] parts)
    {
        var folder = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : Beside();
        var path = Path.Combine([folder, .. parts]);
        var there = Path.Exists(path);
        var missing = $"{path} is not there; PLIMSOLL_DATA names the folder that holds it";
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.True(there, missing);
        Assert.SkipUnless(there, missing);
        return path;
    }

    /// <summary>A configuration that the repository keeps for its benchmark of footprints.</summary>
    public static string Configuration(string name) =>
        File.ReadAllText(Path.Combine(Configurations, name.Replace("/", "--", StringComparison.Ordinal) + ".json"));

    /// <summary>The folder of those configurations.</summary>
    public static string Configurations => Path.Combine(Repository(), "bench", "Plimsoll.Footprints", "configs");

    private static string Beside() => Path.Combine(Path.GetDirectoryName(Repository())!, "shared", "data");

    private static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Plimsoll.slnx")))
            folder = folder.Parent ?? throw new InvalidOperationException("the tests do not lie within the repository");
        return folder.FullName;
    }
}
