using System.Globalization;

namespace Plimsoll.Cli.Fleets;

/// <summary>The policies by the names they are chosen and journalled by.</summary>
internal static class Policies
{
    public const string Own = "plimsoll";

    public const string SizeBlind = "size-blind";

    private const double MostSpeedUp = 1000;

    /// <summary>The size-blind policy with its time constants divided: replay must find the same ones again.</summary>
    public static string SizeBlindAt(double speedUp) =>
        speedUp == 1 ? SizeBlind : string.Create(CultureInfo.InvariantCulture, $"{SizeBlind}/{speedUp:R}");

    /// <summary>"plimsoll", "size-blind", or "size-blind/15" for time constants divided by 15.</summary>
    /// <exception cref="CommandException">There is no such policy.</exception>
    public static IAllocator Named(string name)
    {
        if (name == Own) return new WeightAllocator();
        if (name == SizeBlind) return new SizeBlindAllocator(SizeBlindSettings.Defaults(1));
        if (name.StartsWith(SizeBlind + "/", StringComparison.Ordinal)
            && double.TryParse(name.AsSpan(SizeBlind.Length + 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var speedUp)
            && speedUp is > 0 and <= MostSpeedUp)
            return new SizeBlindAllocator(SizeBlindSettings.Defaults(speedUp));
        throw new CommandException(
            ExitCode.Failed, $"this version knows no policy '{FleetFiles.Show.Text(name)}'; {Own} or {SizeBlind} would do");
    }
}
