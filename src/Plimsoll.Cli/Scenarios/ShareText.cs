using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Scenarios;

/// <summary>Shares of requests on the command line: "99%" or "0.99".</summary>
internal static class ShareText
{
    /// <param name="option">Whose value it is, for the message.</param>
    /// <param name="text">What was given.</param>
    /// <exception cref="CommandException">It is no share above none and up to all.</exception>
    public static double Read(string option, string text)
    {
        var percent = text.EndsWith('%');
        if (!double.TryParse(text.TrimEnd('%'), NumberStyles.Float, CultureInfo.InvariantCulture, out var share) || (percent ? share / 100 : share) is not (> 0 and <= 1))
            throw new CommandException(ExitCode.BadInput, $"{option} is \"{Show.Text(text)}\"; a share such as 99% would do");
        return percent ? share / 100 : share;
    }
}
