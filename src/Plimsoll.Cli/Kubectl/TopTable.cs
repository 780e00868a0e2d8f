using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Cli.Kubectl;

/// <summary>ScaledModels in a table, what takes most memory first, and PlannedJobs in another.</summary>
internal static class TopTable
{
    private const int NumberColumns = 48;

    public static IEnumerable<string> Lines(ImmutableArray<ScaledModel> models, string? space, int width)
    {
        if (models.IsEmpty)
        {
            yield return space is null ? "no ScaledModels in any namespace" : $"no ScaledModels in the namespace {Show.Text(space)}; -A would look in all";
            yield break;
        }

        var named = models.Select(model => (Model: model, Status: model.Status ?? new ScaledModelStatus(),
            Name: Show.Text(space is null ? ClusterReader.NameOf(model).ToString() : ClusterReader.NameOf(model).Name))).ToArray();
        var name = Math.Clamp(named.Max(one => one.Name.Length), 5, Math.Max(12, width - NumberColumns - 13)) + 1;
        yield return $"{"MODEL".PadRight(name)}{"WEIGHT",9}{"READY",7}{"WANT",6}{"DEMAND",9}{"LOAD",8}{"HOLD",8}  WHY";
        foreach (var (_, status, shown) in named.OrderByDescending(one => Taken(one.Status)).ThenBy(one => one.Name, StringComparer.Ordinal))
        {
            var row = $"{FleetTable.CutName(shown, name - 1).PadRight(name)}{Cell(status.Weight, 9)}{Cell(Number(status.ReadyReplicas), 7)}{Cell(Number(status.DesiredReplicas), 6)}"
                + $"{Cell(status.DemandPerSecond is { } demand ? demand.ToString("0.###", CultureInfo.InvariantCulture) + "/s" : null, 9)}{Cell(Short(status.LoadTime), 8)}{Cell(Short(status.Hold), 8)}  ";
            yield return row + FleetTable.Cut(Show.Text($"{status.Mode ?? "-"}: {status.Reason ?? "no operator looked at it yet"}", 400), Math.Max(10, width - row.Length));
        }

        var ready = named.Sum(one => one.Status.ReadyReplicas ?? 0);
        yield return string.Create(CultureInfo.InvariantCulture,
            $"{named.Length} {(named.Length == 1 ? "model" : "models")}, {ready} {(ready == 1 ? "replica" : "replicas")} ready, {new Bytes(named.Aggregate(0L, (sum, one) => sum + Taken(one.Status)))} of weights in memory");
    }

    /// <summary>PlannedJobs in a table of their own, those that run first; nothing where there are none.</summary>
    public static IEnumerable<string> Jobs(ImmutableArray<PlannedJob> jobs, string? space, int width)
    {
        if (jobs.IsEmpty) yield break;
        var named = jobs.Select(job => (Job: job, Status: job.Status ?? new PlannedJobStatus(),
            Name: Show.Text(space is null ? ClusterReader.NameOf(job).ToString() : ClusterReader.NameOf(job).Name))).ToArray();
        var name = Math.Clamp(named.Max(one => one.Name.Length), 5, Math.Max(12, width - JobColumns - ReasonColumns)) + 1;
        yield return "";
        yield return $"{"TRAINING JOB".PadRight(Math.Max(name, 13))}{"STATE",10}{"PODS",6}{"PRIORITY",10}  WHY";
        foreach (var (job, status, shown) in named.OrderBy(one => Rank(one.Status.State)).ThenBy(one => one.Name, StringComparer.Ordinal))
        {
            var row = $"{FleetTable.CutName(shown, Math.Max(name, 13) - 1).PadRight(Math.Max(name, 13))}{Cell(status.State, 10)}{Cell(Number(status.Members), 6)}"
                + $"{Cell(Number(job.Spec?.Priority ?? PlannedJobSettings.PriorityDefault), 10)}  ";
            yield return row + FleetTable.Cut(Show.Text($"{status.Mode ?? "-"}: {status.Reason ?? "no operator looked at it yet"}", 400), Math.Max(10, width - row.Length));
        }
    }

    private const int JobColumns = 28;

    // Why it waits or gave way is what is looked for.
    private const int ReasonColumns = 30;

    // What is there, what is to come, and what is over.
    private static int Rank(string? state) => state switch { "Running" => 0, "Starting" => 1, "Stopping" => 2, "Suspended" => 3, "Ended" => 5, _ => 4 };

    // What its replicas' weights take together.
    private static long Taken(ScaledModelStatus status) =>
        (long)Int128.Clamp((Int128)(status.WeightBytes ?? 0) * Math.Max(0, status.ReadyReplicas ?? 0), 0, 1L << 60);

    private static string? Number(int? number) => number?.ToString(CultureInfo.InvariantCulture);

    // "3 min 19 s" as "3m19s": a column is narrow.
    private static string? Short(string? duration) =>
        duration?.Replace(" min", "m", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal);

    private static string Cell(string? text, int columns) => FleetTable.Cut(text is null ? "-" : Show.Text(text), columns - 1).PadLeft(columns);
}
