namespace Plimsoll.Pages;

/// <summary>Classes of colour: 0 is Plimsoll's; rivals take turns at the others, and at dashes, so that lines which run together are seen.</summary>
internal static class LineColours
{
    private const int Colours = 6;

    public static int Of(int controller) => controller == 0 ? 0 : 1 + ((controller - 1) % Colours);

    public static string Dashes(int controller) => controller == 0 ? "" : ((controller - 1) % 3) switch { 0 => "", 1 => " d1", _ => " d2" };
}
