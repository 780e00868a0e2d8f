using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Weighing;

namespace Plimsoll.Cli.Scenarios.Tuning;

/// <summary>Which settings are worth changing, for people, 80 columns wide.</summary>
internal static class TuneTable
{
    private const int LabelColumns = 28;
    private const int FirstColumns = 25;
    private const int SecondColumns = 27;
    private const int KeptMax = 16;
    private const int NamedMax = 6;

    public static IEnumerable<string> Lines(TuneListing listing)
    {
        yield return $"{Show.Text(listing.Scenario, 64)}: {Durations.Show(TimeSpan.FromSeconds(listing.SimulatedSeconds))}, {listing.Candidates} settings tried, {listing.Runs} runs in {Durations.Show(TimeSpan.FromSeconds(listing.TookSeconds))}";
        var wanted = listing.Want is { } share ? $"{Percent(share)} of each model's requests in time" : "of each model's requests as many in time as its objective asks";
        foreach (var line in EightyColumns.Hung($"wanted: {wanted}. Searched on seeds {Seeds(listing.SearchedSeeds)}, judged on {Seeds(listing.JudgedSeeds)}, each alone; in brackets the least and the most of these.", "  ", "  ")) yield return line;
        yield return "";
        yield return $"{"",-LabelColumns}{(listing.CostIn switch { "deviceHours" => "device hours", "dollars" => "dollars", _ => "dollars of nodes" }),23}{"in time",23}";
        foreach (var line in Row("as it is", Spread(listing.Cost, Number), Spread(listing.Attainment, Percent))) yield return line;
        if (listing.Missing > 0.0005)
            foreach (var line in EightyColumns.Hung($"{Percent(listing.Missing)} of all requests are missed beyond what is wanted", "  ", "  ")) yield return line;

        yield return "";
        foreach (var line in listing.Proposed.IsEmpty ? Nothing(listing) : Proposed(listing)) yield return line;
        foreach (var line in Rest(listing)) yield return line;
        foreach (var line in listing.Notes.SelectMany(note => EightyColumns.Hung(note, "note: ", "  ").Prepend(""))) yield return line;
        if (listing.Yaml.Length == 0) yield break;
        yield return "";
        yield return "to write into the file:";
        foreach (var line in listing.Yaml.TrimEnd('\n').Split('\n')) yield return "  " + line;
    }

    private static IEnumerable<string> Nothing(TuneListing listing) => EightyColumns.Hung(
        $"Nothing to propose: none of the {listing.Candidates - 1} other settings that were tried is cheaper, or answers more in time where that is wanted, beyond chance.", "", "");

    private static IEnumerable<string> Proposed(TuneListing listing)
    {
        yield return $"{"worth changing",-LabelColumns}{"saves",FirstColumns}{"points more in time",SecondColumns}";
        foreach (var change in listing.Proposed)
            foreach (var line in Row(change)) yield return line;

        if (listing.Together is { } all)
            foreach (var line in Row("all of these together", Spread(all.Saved, Number), Spread(all.MoreInTime, Points))) yield return line;

        if (listing.Proposed.Any(change => !change.IsSure)) yield return "  alone they are not worth it; together they are";
        if (listing.Together is { IsSure: false }) yield return "  together they are not surely better than now: the best alone is written below";
    }

    private static IEnumerable<string> Rest(TuneListing listing)
    {
        if (!listing.NotConfirmed.IsEmpty)
        {
            yield return "";
            yield return "looked worth it where it was searched, and was not where it was judged";
            foreach (var change in listing.NotConfirmed)
                foreach (var line in Row(change)) yield return line;
        }

        if (!listing.NotWorth.IsEmpty)
        {
            yield return "";
            yield return "tried and not worth changing (where it was searched)";
            var (same, differing) = (listing.NotWorth.Where(kept => DoesNothing(kept)).ToList(), listing.NotWorth.Where(kept => !DoesNothing(kept)).ToList());
            foreach (var kept in differing.Take(KeptMax))
                foreach (var line in EightyColumns.Hung(Of(kept), "  ", "    ")) yield return line;

            if (differing.Count > KeptMax) yield return $"  ... and {differing.Count - KeptMax} more; --json has them all";
            if (same.Count > 0)
                foreach (var line in EightyColumns.Hung($"no difference: {Named(same.Select(kept => kept.Setting), same.Count)}", "  ", "    ")) yield return line;
        }

        if (listing.NotTried.IsEmpty) yield break;
        yield return "";
        foreach (var line in EightyColumns.Hung($"not tried, for the bound on settings (--candidates): {Named(listing.NotTried, listing.NotTried.Length)}", "", "  ")) yield return line;
    }

    private static string Named(IEnumerable<string> settings, int count) =>
        string.Join(", ", settings.Take(NamedMax)) + (count > NamedMax ? $" and {count - NamedMax} more" : "");

    private static bool DoesNothing(KeptListing kept) => kept.Holds && Math.Abs(kept.SavedShare) < 0.0005 && Math.Abs(kept.MoreInTime) < 0.00005;

    private static string Of(KeptListing kept)
    {
        var others = kept.Tried.Length > 1 ? $"{string.Join(", ", kept.Tried)}: at best ({kept.Best})" : $"{kept.Best}:";
        var cost = Math.Abs(kept.SavedShare) < 0.0005 ? "no cheaper" : kept.SavedShare > 0 ? $"{Percent(kept.SavedShare)} cheaper" : $"{Percent(-kept.SavedShare)} dearer";
        var what = kept.Holds ? "" : ", and too many are missed";
        return $"{kept.Setting} to {others} {cost}, {Points(kept.MoreInTime)} points in time{what}";
    }

    private static IEnumerable<string> Row(ChangeListing change) => Row(string.Join(", ", change.What), Spread(change.Saved, Number), Spread(change.MoreInTime, Points));

    private static IEnumerable<string> Row(string label, string first, string second)
    {
        var numbers = $"{first,FirstColumns}{second,SecondColumns}";
        if (label.Length + 2 < LabelColumns)
        {
            yield return $"  {label.PadRight(LabelColumns - 2)}{numbers}";
            yield break;
        }

        foreach (var line in EightyColumns.Hung(label, "  ", "    ")) yield return line;
        yield return $"{"",-LabelColumns}{numbers}";
    }

    private static string Spread(SpreadListing spread, Func<double, string> show) => $"{show(spread.Mean)} ({show(spread.Least)} to {show(spread.Most)})";

    private static string Seeds(ImmutableArray<int> seeds) => seeds.Length > 2 && seeds[^1] - seeds[0] == seeds.Length - 1 ? $"{seeds[0]} to {seeds[^1]}" : string.Join(", ", seeds);

    private static string Points(double share) => Math.Abs(share) < 0.00005 ? "0" : (share * 100).ToString("+0.0#;-0.0#", CultureInfo.InvariantCulture);

    private static string Percent(double share) => (share * 100).ToString("0.0#", CultureInfo.InvariantCulture) + "%";

    private static string Number(double value) => value.ToString(Math.Abs(value) >= 100 ? "N0" : Math.Abs(value) >= 1 ? "0.0" : "0.000", CultureInfo.InvariantCulture);
}
