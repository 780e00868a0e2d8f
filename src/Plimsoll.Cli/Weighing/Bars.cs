namespace Plimsoll.Cli.Weighing;

/// <summary>A horizontal bar in the terminal, to an eighth of a column.</summary>
public static class Bars
{
    private const string Eighths = " ▏▎▍▌▋▊▉█";

    /// <summary>A bar of <paramref name="share"/> of <paramref name="columns"/>, never empty for a share above zero.</summary>
    public static string Of(double share, int columns)
    {
        if (!(share > 0)) return "";
        var eighths = Math.Max(1, (int)Math.Round(Math.Min(share, 1) * columns * 8));
        var part = eighths % 8;
        return new string('█', eighths / 8) + (part == 0 ? "" : Eighths[part]);
    }
}
