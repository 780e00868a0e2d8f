using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Cli.Scenarios;

/// <summary>Training jobs of a scenario: what is left out of them is said by what they train.</summary>
/// <param name="problems">Where what is wrong is named.</param>
/// <param name="weigh">Weighs a source; null, and a problem of the field, where it cannot be.</param>
internal sealed class TrainingResolver(Problems problems, Func<string, string, Footprint?> weigh)
{
    private const int DefaultPriority = -1;

    public ImmutableArray<OtherJob> Of(ImmutableArray<TrainingDocument> documents, ImmutableArray<NodeGroup> nodes)
    {
        var jobs = ImmutableArray.CreateBuilder<OtherJob>();
        for (var i = 0; i < documents.Length; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"training[{i}]");
            if (nodes.FirstOrDefault(group => group.Name == documents[i].On) is { } group && Of(documents[i], group, path) is { } job) jobs.Add(job);
        }

        return jobs.ToImmutable();
    }

    private OtherJob? Of(TrainingDocument job, NodeGroup group, string path)
    {
        var sized = job.Source is null ? new Sized(job.Members ?? 1, job.Gpus ?? 0, job.Memory ?? Bytes.Zero, Cores.Zero, job.Checkpoint ?? Bytes.Zero) : OfSource(job, group, path);
        if (sized is not { } gang) return null;
        if (gang.Devices > group.Devices) problems.Add($"{path}.gpus", string.Create(CultureInfo.InvariantCulture, $"{gang.Devices} of each member, and a node of {group.Name} has {group.Devices}; more members of fewer would do"));
        if (gang.Memory > group.HostMemory) problems.Add($"{path}.memory", $"{gang.Memory} of each member, and a node of {group.Name} has {group.HostMemory}; more members, or nodes with more, would do");
        if (gang.Cores > group.Cores) problems.Add($"{path}.gpus", $"each member takes {gang.Cores} cores, two for each device, and a node of {group.Name} has {group.Cores}; more members of fewer devices would do");
        return new OtherJob
        {
            Name = job.Name!,
            At = job.At ?? TimeSpan.Zero,
            For = job.Work!.Value,
            Group = group.Name,
            Members = gang.Members,
            Devices = gang.Devices,
            Memory = gang.Memory,
            Cores = gang.Cores,
            Training = new TrainingTerms(job.Priority ?? DefaultPriority, job.Preemptible ?? true, gang.Checkpoint),
        };
    }

    private Sized? OfSource(TrainingDocument job, NodeGroup group, string path)
    {
        if (group.DeviceKind is not { } kind || DeviceCatalogue.BuiltIn.Find(kind) is not { } device)
        {
            problems.Add($"{path}.on", $"nodes of {group.Name} have no devices to train on; a group with some would do");
            return null;
        }

        if (weigh(job.Source!, $"{path}.source") is not { } footprint) return null;
        var run = new TrainingRun { Device = device, Method = job.Method ?? TrainingMethod.Full, Sequence = job.Sequence ?? 2048, MicroBatch = job.MicroBatch ?? 1 };
        var asked = job.Gpus is > 0 and var each ? (job.Members ?? 1) * each : (int?)null;
        var report = asked is { } devices ? TrainFit.Of(footprint, run with { DataParallel = devices, ZeroStage = devices > 1 ? 3 : 0 })
            : SmallestCluster.Of(footprint, run) ?? TrainFit.Of(footprint, run);
        if (!report.Fits)
        {
            problems.Add($"{path}.{(asked is null ? "source" : "gpus")}", $"does not fit {report.Run}: {report.Reason}");
            return null;
        }

        // As many members as its devices fill nodes, where nobody says.
        var members = job.Members ?? (int)Math.Max(1, (report.Run.Devices + group.Devices - 1) / group.Devices);
        while (job.Members is null && report.Run.Devices % members != 0) members++;
        if (report.Run.Devices % members != 0)
        {
            problems.Add($"{path}.members", string.Create(CultureInfo.InvariantCulture, $"{report.Run.Devices} devices are not shared evenly by {members}; another number of members, with gpus, would do"));
            return null;
        }

        var needs = GangNeeds.Of(report, members);
        return new Sized(members, needs.Devices, job.Memory ?? needs.Host.Highest, needs.Cores, job.Checkpoint ?? report.Checkpoint);
    }

    private readonly record struct Sized(int Members, int Devices, Bytes Memory, Cores Cores, Bytes Checkpoint);
}
