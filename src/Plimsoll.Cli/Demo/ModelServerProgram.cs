namespace Plimsoll.Cli.Demo;

/// <summary>Where our own model server lies.</summary>
public static class ModelServerProgram
{
    private const string Name = "Plimsoll.ModelServer";

    /// <summary>Beside this program, or where the repository's build puts it for the same configuration.</summary>
    /// <returns>Null when it is in neither place.</returns>
    public static string? Find()
    {
        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        string[] places =
        [
            Path.Combine(here, Name),
            Path.Combine(here, "..", "..", Name, Path.GetFileName(here), Name),
        ];
        return places.Select(Path.GetFullPath).FirstOrDefault(File.Exists);
    }
}
