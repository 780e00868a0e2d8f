namespace Plimsoll.Cli.Demo;

/// <summary>Where the demo keeps its models and its fleets' records.</summary>
/// <param name="Models">The sample models; kept from run to run.</param>
/// <param name="Fleet">Records and logs of the driven fleet.</param>
/// <param name="Weighing">The same of the fleet that measures memory.</param>
public sealed record DemoFolders(string Models, string Fleet, string Weighing)
{
    /// <summary>Below PLIMSOLL_HOME, else the user's cache folder (XDG_CACHE_HOME, else ~/.cache).</summary>
    public static DemoFolders Open()
    {
        var root = Variable("PLIMSOLL_HOME")
            ?? Path.Combine(
                Variable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
                "plimsoll");
        return new DemoFolders(Path.Combine(root, "models"), Path.Combine(root, "demo"), Path.Combine(root, "demo-weighing"));
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
