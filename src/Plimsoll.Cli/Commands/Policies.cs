namespace Plimsoll.Cli.Commands;

/// <summary>The policies by the names they are chosen and journalled by.</summary>
internal static class Policies
{
    public const string Own = "plimsoll";

    public const string SizeBlind = "size-blind";

    /// <exception cref="CommandException">There is no such policy.</exception>
    public static IAllocator Named(string name) => name switch
    {
        Own => new WeightAllocator(),
        SizeBlind => new SizeBlindAllocator(SizeBlindSettings.Defaults(1)),
        _ => throw new CommandException(ExitCode.Failed, $"this version knows no policy '{FleetFiles.Show.Text(name)}'; {Own} or {SizeBlind} would do"),
    };
}
