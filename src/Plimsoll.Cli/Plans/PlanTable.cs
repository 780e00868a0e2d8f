using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Weighing;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Cli.Plans;

/// <summary>A plan of a described fleet for people, 80 columns wide.</summary>
internal static class PlanTable
{
    private const int RowsMax = 100;

    public static IEnumerable<string> Lines(PlanListing plan)
    {
        if (plan.OfWhat is { } source)
            foreach (var line in EightyColumns.Hung($"plan of {source}", "", "  ")) yield return line;
        yield return EightyColumns.Cut($"{Show.Text(plan.Fleet, 64)}: {(plan.AllHeld ? "every model with demand is held in its objective" : "NOT ALL is held in its objective")}", EightyColumns.Width);
        if (plan.UsdPerHour is { } total)
            yield return $"  {Dollars(total)} an hour for {Many(plan.Nodes.Length, "node")}, of which replicas hold {Dollars(plan.HeldUsdPerHour ?? 0)}";
        if (plan.Unsettled is { } unsettled)
            foreach (var line in EightyColumns.Hung($"it does not settle: {unsettled}", "  ", "    ")) yield return line;
        foreach (var line in Models(plan.Models)) yield return line;
        foreach (var line in Nodes(plan.Nodes)) yield return line;
        foreach (var line in Training(plan.Training ?? [])) yield return line;
        foreach (var line in Problems(plan.Models)) yield return line;
        foreach (var line in Room(plan)) yield return line;
        foreach (var line in Rejected(plan.Models)) yield return line;
    }

    private static IEnumerable<string> Models(ImmutableArray<PlannedModel> models)
    {
        yield return "";
        yield return $"{"model",-18}{"weight",10}{"demand/s",10}{"runs as",17}{"carry/s",9}{"GPU each",10}{"$/h",6}";
        var last = "";
        foreach (var model in models.Take(RowsMax))
        {
            var runs = model.Runs.IsEmpty ? "-" : model.Runs is [var only] ? Run(only) : $"{model.Replicas}, mixed";
            yield return $"{EightyColumns.Cut(model.Model, 17),-18}{new Bytes(model.WeightBytes),10}{Number(model.PeakPerSecond),10}{EightyColumns.Cut(runs, 16),17}"
                + $"{(model.CapacityPerSecond is { } carry ? Number(carry) : "-"),9}{(model.DeviceBytesEach is { } each ? new Bytes(each).ToString() : "-"),10}{(model.UsdPerHour is { } cost ? Price(cost) : "-"),6}";
            if (model.Replicas > 0)
            {
                var told = $"{(model.CapacityEachPerSecond is { } one ? $"{Number(one)}/s each within {Slo(model)}" : Slo(model))}; {new Bytes(model.HostBytesEach ?? 0)} of host memory each, {new Bytes(model.HostLoadPeakBytesEach ?? 0)} while it loads ({Durations.Show(model.LoadSeconds ?? 0)})";
                if (told != last)
                    foreach (var line in EightyColumns.Hung(told, "    ", "      ")) yield return line;
                last = told;
                if (model.Runs.Length > 1)
                    foreach (var line in EightyColumns.Hung("as " + string.Join(" and ", model.Runs.Select(Run)), "    ", "      ")) yield return line;
                foreach (var line in EightyColumns.Hung("on " + string.Join(", ", model.Places.Select(place => place.Replicas == 1 ? place.Node : $"{place.Node} ({place.Replicas})")), "    ", "      ")) yield return line;
            }
        }

        if (models.Length > RowsMax) yield return $"... and {models.Length - RowsMax} more; --json has them all";
    }

    private static string Run(PlannedRun run) =>
        $"{run.Replicas} × {(run.DeviceKind is null ? "cpu" : (run.DevicesPerReplica > 1 ? $"{run.DevicesPerReplica} " : "") + run.DeviceKind)}";

    private static IEnumerable<string> Nodes(ImmutableArray<PlannedNode> nodes)
    {
        yield return "";
        yield return $"{"node",-14}{"devices",17}{"their memory",20}{"host memory",18}{"$/h",10}";
        foreach (var node in nodes.Take(RowsMax))
        {
            var devices = node.Devices == 0 ? "-" : $"{node.DevicesUsed}/{node.Devices} {node.DeviceKind}";
            yield return $"{EightyColumns.Cut(node.Node, 13),-14}{EightyColumns.Cut(devices, 16),17}{(node.Devices == 0 ? "-" : Of(node.DeviceUsedBytes, node.DeviceBytes)),20}"
                + $"{Of(node.HostUsedBytes, node.HostBytes),18}{(node.UsdPerHour is { } price ? Price(price) : "-"),10}";
            var rest = $"{Number(node.CoresUsed)} of {Number(node.Cores)} cores" + (node.DiskBytes is { } disk ? $", {Of(node.DiskUsedBytes ?? 0, disk)} of disk" : "");
            yield return $"    {rest}";
        }

        if (nodes.Length > RowsMax) yield return $"... and {nodes.Length - RowsMax} more; --json has them all";
    }

    private static IEnumerable<string> Training(ImmutableArray<PlannedJob> jobs)
    {
        if (jobs.IsEmpty) yield break;
        yield return "";
        yield return $"{"training",-18}{"members of",24}{"host memory",13}{"checkpoint",12}{"written in",13}";
        foreach (var job in jobs.Take(RowsMax))
        {
            var gang = job.DevicesPerMember == 0 ? $"{job.Members} × cpu" : $"{job.Members} × {job.DevicesPerMember} {job.DeviceKind ?? "devices"}";
            yield return $"{EightyColumns.Cut(job.Job, 17),-18}{EightyColumns.Cut(gang, 23),24}{new Bytes(job.HostBytesEach),13}{(job.CheckpointBytes == 0 ? "none" : new Bytes(job.CheckpointBytes).ToString()),12}{(job.CheckpointBytes == 0 ? "-" : Durations.Show(job.CheckpointSeconds)),13}";
            var told = job.Runs ? "on " + string.Join(", ", job.Places.Select(place => place.Replicas == 1 ? place.Node : $"{place.Node} ({place.Replicas})")) : "waits: " + job.Problem;
            foreach (var line in EightyColumns.Hung(told, "    ", "      ")) yield return line;
        }

        if (jobs.Length > RowsMax) yield return $"... and {jobs.Length - RowsMax} more; --json has them all";
    }

    private static IEnumerable<string> Problems(ImmutableArray<PlannedModel> models)
    {
        var short_ = models.Where(model => !model.Held || (model.Variant is null && model.Problem is not null)).ToList();
        if (short_.Count == 0) yield break;
        yield return "";
        yield return "not held, and why";
        foreach (var model in short_.Take(RowsMax))
            foreach (var line in EightyColumns.Hung($"{model.Model}: {(model.Wanted is { } wanted ? $"{model.Replicas} of {wanted} wanted; " : "")}{model.Problem}", "  ", "    ")) yield return line;
    }

    private static IEnumerable<string> Room(PlanListing plan)
    {
        yield return "";
        yield return "headroom";
        var next = plan.Bottleneck;
        var lacks = next.Resource switch
        {
            Bottleneck.CapacityUnknown => $"of {next.Model} nothing tells what a replica carries; a profile, or a run of it, would",
            Bottleneck.NoWay => $"{next.Model} has no way to run that fits",
            _ => $"{next.Model} runs out of {next.Resource ?? "devices that hold it"}",
        };
        var all = plan.Models.All(model => model.PeakPerSecond <= 0) ? "no demand is stated, so nothing runs out; --demand MODEL=RATE says one"
            : next.Model is null ? $"all demand can grow {Number(next.Factor)} times; nothing runs out"
            : next.Factor >= 1 ? $"all demand can grow {Factor(next.Factor)} times; then {lacks}"
            : next.Factor > 0 ? $"{Factor(next.Factor)} times the demand would be held; beyond it {lacks}"
            : next.Resource is Bottleneck.CapacityUnknown or Bottleneck.NoWay ? lacks
            : $"not even a thousandth of the demand would be held: {lacks}";
        foreach (var line in EightyColumns.Hung(all, "  ", "    ")) yield return line;
        foreach (var line in next is { Why: { } why, Resource: not Bottleneck.CapacityUnknown } ? EightyColumns.Hung(why, "    ", "    ") : []) yield return line;
        var each = plan.Models.Where(model => model.BeforeOneMorePerSecond is not null && model.PeakPerSecond > 0).Select(model =>
            (model.Model, $"{Number(model.BeforeOneMorePerSecond!.Value)}/s more before one more replica"
                + (model.HeadroomPerSecond is { } room ? $", {Number(room)}/s before it runs out of {model.HeadroomResource ?? "room"}" : "")));
        foreach (var line in Alike(each)) yield return line;

        if (plan.LeftOut is { } left)
            foreach (var line in EightyColumns.Hung($"not computed: {left}", "  ", "    ")) yield return line;
    }

    private static IEnumerable<string> Rejected(ImmutableArray<PlannedModel> models)
    {
        if (models.All(model => model.Rejected.IsEmpty)) yield break;
        yield return "";
        yield return "not chosen";
        var each = models.SelectMany(model => model.Rejected.Select(one => (model.Model,
            $"not as {one.Variant}: {one.Why}{(one.Replicas is { } count ? $" ({Many(count, "replica")}{(one.UsdPerHour is { } cost ? $" at {Dollars(cost)} an hour" : "")})" : "")}")));
        foreach (var line in Alike(each)) yield return line;
    }

    // The same of several models is said once: copies of one are alike.
    private static IEnumerable<string> Alike(IEnumerable<(string Model, string Text)> told)
    {
        foreach (var alike in told.GroupBy(one => one.Text, one => one.Model, StringComparer.Ordinal).Take(RowsMax))
        {
            var names = alike.ToList();
            var who = names.Count <= 2 ? string.Join(", ", names) : $"{names[0]} and {names.Count - 1} more";
            foreach (var line in EightyColumns.Hung($"{who}: {alike.Key}", "  ", "    ")) yield return line;
        }
    }

    private static string Slo(PlannedModel model)
    {
        var terms = new List<string>();
        if (model.SloTimeToFirstTokenSeconds is { } first) terms.Add($"ttft {Durations.Show(first)}");
        if (model.SloTimePerOutputTokenSeconds is { } each) terms.Add($"tpot {Durations.Show(each)}");
        if (terms.Count == 0) terms.Add(Durations.Show(model.SloLatencySeconds ?? 0));
        return $"{string.Join(", ", terms)} for {EightyColumns.Percent(model.SloAttainment ?? 0, "P1")}";
    }

    private static string Of(long used, long all) => $"{Short(used)}/{Short(all)}";

    private static string Short(long bytes) => bytes == 0 ? "0" : (bytes / (double)(1L << 30)).ToString(bytes < 10L << 30 ? "0.#" : "0", CultureInfo.InvariantCulture) + "GiB";

    private static string Many(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";

    private static string Dollars(double dollars) => dollars.ToString("$#,0.00", CultureInfo.InvariantCulture);

    private static string Price(double dollars) => dollars.ToString(dollars >= 100 ? "0" : "0.00", CultureInfo.InvariantCulture);

    private static string Factor(double factor) => factor.ToString(factor >= 10 ? "0" : "0.00", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString(value >= 100 ? "#,0" : value >= 10 ? "0.0" : value >= 0.1 ? "0.##" : "0.######", CultureInfo.InvariantCulture);
}
