using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>What <c>plimsoll capacity --profile</c> says of a model that answers at once.</summary>
public sealed record ProfiledCapacity
{
    public required int Replicas { get; init; }

    /// <summary>As <c>--slo</c> takes them.</summary>
    public required ImmutableArray<string> Slo { get; init; }

    /// <summary>The profile, by batch.</summary>
    public required ImmutableArray<BatchTime> Batches { get; init; }

    /// <summary>Highest rate of requests of all replicas together; 0 where the objective cannot be kept at all.</summary>
    public required double RequestsPerSecond { get; init; }

    /// <summary>What they get through however long requests wait.</summary>
    public required double MostRequestsPerSecond { get; init; }

    /// <exception cref="CommandException">A term is of tokens, which are not counted here.</exception>
    internal static ProfiledCapacity Of(BatchProfile profile, IReadOnlyList<LatencyTarget> targets, int replicas)
    {
        if (targets.FirstOrDefault(target => target.Metric != LatencyMetric.EndToEnd) is { } other)
            throw new CommandException(ExitCode.BadInput, $"--slo has '{SloText.Of(other)}', and with a profile a request is answered at once; terms of e2e would do, such as e2e-p95=100ms");
        var queue = new BatchCapacity(profile, 2 * profile.BatchMax);
        return new ProfiledCapacity
        {
            Replicas = replicas,
            Slo = [.. targets.Select(SloText.Of)],
            Batches = profile.Times,
            RequestsPerSecond = targets.Min(target => queue.PerSecond(replicas, target.Share, target.Seconds)),
            MostRequestsPerSecond = replicas * queue.MostPerSecond,
        };
    }

    /// <summary>Reads <c>1=8ms,8=18ms</c>: requests of a batch and how long it takes.</summary>
    /// <exception cref="CommandException">It is none; the sentence names what is wrong.</exception>
    internal static BatchProfile Parse(string text)
    {
        var rows = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Take(BatchProfile.RowsMost + 1).Select(Row).ToArray();
        var (profile, problem) = BatchProfile.Of(rows);
        return profile ?? throw new CommandException(ExitCode.BadInput, $"--profile: {problem}");
    }

    public IEnumerable<string> Lines()
    {
        yield return Replicas == 1 ? "one replica, which computes batches of" : $"{EightyColumns.Count(Replicas)} replicas, each of which computes batches of";
        foreach (var line in EightyColumns.Hung(string.Join(", ", Batches.Select(row => $"{row.Batch} in {Durations.Show(TimeSpan.FromSeconds(row.Seconds))}")), "  ", "  ")) yield return line;
        yield return "";
        if (RequestsPerSecond <= 0)
        {
            foreach (var line in EightyColumns.Hung($"CANNOT KEEP {string.Join(", ", Slo)}: not even for requests one at a time")) yield return line;
        }
        else
        {
            yield return $"{CapacityTable.Number(RequestsPerSecond)} requests a second, within";
            foreach (var term in Slo) yield return "  " + term;
        }

        yield return $"  {CapacityTable.Number(MostRequestsPerSecond)} get through, however long they wait";
        yield return "";
        foreach (var line in EightyColumns.Hung("a replica that is free takes all that wait as its next batch, up to the largest; arrivals at random (Poisson), shared out to the replica with the fewest unanswered", "  ", "    ")) yield return line;
    }

    private static BatchTime Row(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && int.TryParse(text[..equals], NumberStyles.None, CultureInfo.InvariantCulture, out var batch) && DurationText.TryParse(text[(equals + 1)..], out var latency)
            ? new BatchTime(batch, latency.TotalSeconds)
            : throw new CommandException(ExitCode.BadInput, $"--profile has '{Show.Text(text, 60)}'; requests of a batch and how long it takes would do, such as 1=8ms,8=18ms,32=52ms");
    }
}
