using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Plimsoll.Cli.Load;

/// <summary>Options that read durations, rates and bounded numbers, each with one clear sentence when it can't.</summary>
internal static class TrafficOptions
{
    public static Option<Uri?> Address(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "URL",
        CustomParser = result => Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out var address)
            && (address.Scheme is "http" or "https")
            ? address : Refuse<Uri>(result, "an address like http://127.0.0.1:8080"),
    };

    public static Option<TimeSpan?> Duration(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = result => TryDuration(result.Tokens[0].Value, out var time)
            ? time : Refuse<TimeSpan?>(result, "a time above zero like 200ms, 30s, 4m or 1h"),
    };

    public static Option<double?> Positive(string name, string description, string helpName, double most) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result => double.TryParse(result.Tokens[0].Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number > 0 && number <= most
            ? number : Refuse<double?>(result, $"a number above 0, at most {most.ToString(CultureInfo.InvariantCulture)}"),
    };

    public static Option<int> Count(string name, string description, int byDefault, int most) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => byDefault,
        CustomParser = result => int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number >= 1 && number <= most
            ? number : Refuse<int>(result, $"a whole number from 1 to {most.ToString(CultureInfo.InvariantCulture)}"),
    };

    public static Option<ulong> Seed() => new("--seed")
    {
        Description = "The same seed gives the same traffic",
        HelpName = "N",
        DefaultValueFactory = _ => 1,
        CustomParser = result => ulong.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : Refuse<ulong>(result, "a whole number, not negative"),
    };

    /// <summary>Reads "200ms", "30s", "1.5m", "4min", "2h", "7d" and a plain number of seconds.</summary>
    public static bool TryDuration(string text, out TimeSpan time)
    {
        time = default;
        var end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.')) end++;
        var (digits, unit) = (text[..end], end == text.Length ? "s" : text[end..].Trim());
        var seconds = unit switch { "ms" => 0.001, "s" => 1, "m" or "min" => 60, "h" => 3600, "d" => 86_400, _ => 0.0 };
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        if (number * seconds is <= 0 or > 366 * 86_400.0) return false;
        time = TimeSpan.FromSeconds(number * seconds);
        return time > TimeSpan.Zero;
    }

    private static T? Refuse<T>(ArgumentResult result, string expected)
    {
        var option = (result.Parent as OptionResult)?.Option.Name ?? "the value";
        result.AddError($"{option} is '{result.Tokens[0].Value}'; expected {expected}.");
        return default;
    }
}
