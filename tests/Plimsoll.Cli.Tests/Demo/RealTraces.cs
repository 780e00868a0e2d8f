namespace Plimsoll.Cli.Tests.Demo;

/// <summary>The published traces, which are not part of the repository.</summary>
internal static class RealTraces
{
    /// <summary>The file, or a skip that says what is missing; a failure where CI says that it must be there.</summary>
    public static string FileOrSkip(string stream)
    {
        var folder = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : "../shared/data";
        var file = Path.Combine(folder, "traces", $"azure_llm_2023_{stream}.csv");
        var missing = $"{file} is not there; PLIMSOLL_DATA names the folder that holds it";
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.True(File.Exists(file), missing);
        Assert.SkipUnless(File.Exists(file), missing);
        return file;
    }
}
