using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Demo;

/// <summary>Where the demo keeps its models and its fleets' records.</summary>
/// <param name="Models">The sample models; kept from run to run.</param>
/// <param name="Weighing">State of the fleet that measures memory; gone once it has.</param>
/// <param name="Fleet">State of the driven fleet, where status, explain, history and replay find it; each run replaces the last.</param>
public sealed record DemoFolders(string Models, string Weighing, string Fleet)
{
    /// <summary>Not "demo", which a fleet of the person's own may be called.</summary>
    public const string FleetName = "plimsoll-demo";

    /// <summary>Models below PLIMSOLL_HOME, else the user's cache folder (XDG_CACHE_HOME, else ~/.cache).</summary>
    public static DemoFolders Open()
    {
        var root = Variable("PLIMSOLL_HOME")
            ?? Path.Combine(
                Variable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"),
                "plimsoll");
        return new DemoFolders(Path.Combine(root, "models"), Path.Combine(root, "demo-weighing"), StateFolders.Of(FleetName));
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
