using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Weighing;

/// <summary>A training fit for people: 80 columns.</summary>
public static class TrainTable
{
    private const int Width = 80;
    private const int BarColumns = 30;

    public static IEnumerable<string> Lines(TrainListing fit)
    {
        ArgumentNullException.ThrowIfNull(fit);
        var device = fit.PerDevice;
        yield return Show.Text(fit.Source, 400);
        foreach (var line in FleetTable.Wrap((fit.Smallest ? "the smallest cluster: " : "") + fit.Run, Width - 2)) yield return "  " + line;
        yield return "";
        foreach (var line in FleetTable.Wrap((fit.Fits ? "fits: " : fit.Failure?.Term == "architecture" ? "NOT KNOWN: " : "DOES NOT FIT: ") + Show.Text(fit.Reason, 600), Width)) yield return line;
        foreach (var change in fit.Failure?.Changes.Skip(1).Take(4) ?? []) yield return "  or with " + Show.Text(change, 200);
        if (device.TotalBytes == 0) yield break;
        yield return "";
        yield return fit.Devices == 1 ? "the device" : $"each of the {fit.Devices.ToString("#,0", CultureInfo.InvariantCulture)} devices";
        var shown = device.Terms.Where(term => term.Bytes > 0).ToList();
        foreach (var term in shown)
        {
            yield return $"  {term.Term,-12}{new Bytes(term.Bytes),10}  {Bars.Of(term.Bytes / (double)Math.Max(1, device.BudgetBytes), BarColumns),-BarColumns}  "
                + term.Certainty;
        }

        var share = (device.TotalBytes / (double)Math.Max(1, device.BudgetBytes)).ToString("P0", CultureInfo.InvariantCulture).Replace(" ", "", StringComparison.Ordinal);
        yield return $"  {"total",-12}{new Bytes(device.TotalBytes),10}  {share} of {new Bytes(device.BudgetBytes)}";
        yield return "";
        foreach (var term in shown)
        {
            var lines = FleetTable.Wrap($"{term.Term}: {Show.Text(term.From, 300)}", Width - 4);
            foreach (var (line, n) in lines.Select((line, n) => (line, n))) yield return (n == 0 ? "  " : "    ") + line;
        }

        yield return "";
        yield return $"  {fit.TrainedParameters.ToString("#,0", CultureInfo.InvariantCulture)} parameters learn; a checkpoint takes {new Bytes(fit.CheckpointBytes)}";
        if (device.HostBytes > 0) yield return $"  host memory {new Bytes(device.HostBytes)} for each device, for what is offloaded";
        foreach (var note in fit.Notes)
        {
            foreach (var line in FleetTable.Wrap(Show.Text(note, 600), Width - 2)) yield return "  " + line;
        }
    }
}
