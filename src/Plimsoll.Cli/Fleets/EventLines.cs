using System.Globalization;
using Plimsoll.Control;
using Plimsoll.Pages;

namespace Plimsoll.Cli.Fleets;

/// <summary>What is new in a tick, one line each: the output where no terminal is.</summary>
public sealed class EventLines
{
    private readonly TickEvents _events = new(OneLine);

    public IEnumerable<string> Of(Tick tick) => _events.Of(tick).Select(one =>
        one.At.ToString("HH:mm:ss ", CultureInfo.InvariantCulture) + one.What + (one.Why is null ? "" : $": {one.Why}"));

    /// <summary>What ended, in a sentence; null for what is of no interest to a person who watches.</summary>
    public static string? Sentence(Outcome outcome) => TickEvents.Sentence(outcome, OneLine);

    // What a child wrote is shown without anything a terminal would obey.
    public static string OneLine(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return FleetFiles.Show.Text(
            string.Join(" | ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)), 500);
    }
}
