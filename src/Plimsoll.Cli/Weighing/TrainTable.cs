using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>A training fit for people.</summary>
public static class TrainTable
{
    public static IEnumerable<string> Lines(TrainListing fit)
    {
        ArgumentNullException.ThrowIfNull(fit);
        var device = fit.PerDevice;
        yield return Show.Text(fit.Source, 400);
        foreach (var line in EightyColumns.Hung((fit.Smallest ? "the smallest cluster: " : "") + fit.Run, "  ", "  ")) yield return line;
        yield return "";
        var verdict = fit.Fits ? "fits: " : fit.Failure?.Term == "architecture" ? "NOT KNOWN: " : "DOES NOT FIT: ";
        foreach (var line in EightyColumns.Hung(verdict + fit.Reason)) yield return line;
        foreach (var change in fit.Failure?.Changes.Skip(1).Take(4) ?? []) yield return "  or with " + Show.Text(change, 200);
        if (device.TotalBytes == 0) yield break;
        yield return "";
        yield return fit.Devices == 1 ? "the device" : $"each of the {EightyColumns.Count(fit.Devices)} devices";
        var shown = device.Terms.Where(term => term.Bytes > 0).ToList();
        foreach (var line in EightyColumns.Terms(shown, device.BudgetBytes)) yield return line;
        yield return EightyColumns.Total(device.TotalBytes, device.BudgetBytes);
        yield return "";
        foreach (var line in EightyColumns.Rules(shown)) yield return line;
        yield return "";
        yield return $"  {EightyColumns.Count(fit.TrainedParameters)} parameters learn; a checkpoint takes {new Bytes(fit.CheckpointBytes)}";
        if (device.HostBytes > 0) yield return $"  host memory {new Bytes(device.HostBytes)} for each device, for what is offloaded";
        foreach (var line in fit.Notes.SelectMany(note => EightyColumns.Hung(note, "  ", "  "))) yield return line;
    }
}
