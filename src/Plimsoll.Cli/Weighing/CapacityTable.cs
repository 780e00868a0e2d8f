using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>A capacity for people.</summary>
public static class CapacityTable
{
    public static IEnumerable<string> Lines(CapacityListing capacity)
    {
        ArgumentNullException.ThrowIfNull(capacity);
        var variant = capacity.Variant;
        yield return Show.Text(capacity.Source, 400);
        var each = variant.Devices == 1 ? variant.Device : $"{variant.Devices} × {variant.Device}";
        var replicas = capacity.Replicas == 1 ? "one replica" : $"{EightyColumns.Count(capacity.Replicas)} replicas, each";
        yield return $"  {replicas} on {each}, {variant.Engine} {variant.EngineVersion}";
        yield return $"  requests of {Number(capacity.MeanInputTokens)} tokens in and {Number(capacity.MeanOutputTokens)} out on the mean";
        foreach (var line in EightyColumns.Hung(Show.Text(capacity.Lengths, 200), "    ", "    ")) yield return line;
        yield return "";
        if (capacity.RequestsPerSecond <= 0)
        {
            foreach (var line in EightyColumns.Hung($"CANNOT KEEP {string.Join(", ", capacity.Slo)}: not even for requests one at a time")) yield return line;
        }
        else
        {
            yield return $"{Number(capacity.RequestsPerSecond)} requests a second, within";
            foreach (var term in capacity.Slo) yield return "  " + term;
            yield return $"  nine in ten step times lie where it is {Number(capacity.LowRequestsPerSecond)} to {Number(capacity.HighRequestsPerSecond)}";
        }

        yield return "";
        yield return $"  up to {Number(capacity.SequencesMax)} sequences at once, bound by {(capacity.SequencesBoundBy == "memory" ? $"memory ({EightyColumns.Count(capacity.KvTokens)} tokens)" : "the batch's limit")}";
        foreach (var line in EightyColumns.Hung($"step times: {capacity.StepTimes}", "  ", "    ")) yield return line;
        foreach (var line in EightyColumns.Hung("arrivals at random (Poisson), shared out to the replica with the fewest unanswered", "  ", "    ")) yield return line;
    }

    internal static string Number(double value) => value.ToString(value >= 100 ? "N0" : value >= 1 ? "0.0" : "0.000", CultureInfo.InvariantCulture);
}
