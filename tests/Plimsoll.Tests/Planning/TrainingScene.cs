using System.Collections.Immutable;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Small fleets with training, in words.</summary>
internal static class TrainingScene
{
    // A member takes one device whole; a checkpoint of 100 MiB takes some three seconds to write, as far as anybody knows.
    public static TrainingSpec Job(string id, int members = 1, int priority = -1, double checkpointMiB = 100, double secondsAgo = 60, bool preemptible = true) => new()
    {
        Id = new JobId(id),
        GangSize = members,
        DeviceKind = "gpu",
        NeedsPerMember = new ReplicaNeeds
        {
            Host = new MemoryNeed(Bytes.MiB(100), Bytes.MiB(100)),
            Devices = 1,
            PerDevice = new MemoryNeed(Bytes.MiB(1000), Bytes.MiB(1000)),
            Cores = Cores.Of(0.5),
            Disk = Bytes.Zero,
        },
        Priority = priority,
        Preemptible = preemptible,
        CheckpointSize = Bytes.MiB(checkpointMiB),
        SubmittedAt = Noon.AddSeconds(-secondsAgo),
    };

    public static NodeState Node(string id, int devices) => Fleets.Node(8000, id: id, deviceMiB: [.. Enumerable.Repeat(1000.0, devices)]);

    public static Placement On(string node, params int[] devices) => new(new NodeId(node), [.. devices.Select(device => new DeviceId($"gpu{device}"))]);

    public static TrainingGang Runs(TrainingSpec job, double sinceSeconds, params Placement[] members) => new()
    {
        Job = job.Id,
        Members = [.. members],
        ReservedPerMember = job.NeedsPerMember,
        StateSince = Noon.AddSeconds(-sinceSeconds),
        StartedAt = Noon.AddSeconds(-sinceSeconds),
    };

    public static FleetSnapshot Seen(FleetSpec spec, NodeState[] nodes, params TrainingGang[] gangs) => new()
    {
        At = Noon,
        Can = Local | Capabilities.Train,
        Nodes = [.. nodes],
        Training = [.. gangs.OrderBy(gang => gang.Job)],
        Traffic = [.. spec.Models.Select(model => Traffic(model.Id, Noon, 0))],
    };

    public static FleetSpec Fleet(ModelSpec[] models, params TrainingSpec[] jobs) => Spec(models) with { Training = [.. jobs.OrderBy(job => job.Id)] };

    public static JobVerdict Of(Plan plan, string job) => plan.Jobs.Single(verdict => verdict.Job.Value == job);

    // One that waits, as far back as its requests have lost so many request-seconds.
    public static (FleetSnapshot Seen, Knowledge Knowledge) Waits(FleetSnapshot seen, ModelSpec model, double debt = 0, int held = 3) => (
        seen with { Traffic = [.. seen.Traffic.Select(row => row.Model == model.Id ? Traffic(model.Id, Noon, 0, held, debt) : row)] }, Knowledge.Empty);

    public static Knowledge Known(TrainingSpec job, JobKnowledge known) =>
        Knowledge.Empty with { Training = new TrainingKnowledge { Jobs = ImmutableSortedDictionary<JobId, JobKnowledge>.Empty.Add(job.Id, known) } };
}
