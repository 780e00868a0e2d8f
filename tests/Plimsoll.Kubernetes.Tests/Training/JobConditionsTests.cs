using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>What a PlannedJob's conditions say of its checkpoint, and what of its spec is refused.</summary>
public sealed class JobConditionsTests
{
    [Theory]
    [InlineData(30, 31, false)]
    [InlineData(30, 30, true)]
    [InlineData(600, 31, true)]
    public void A_checkpoint_that_takes_longer_than_the_pods_have_is_warned_of(int grace, int takes, bool covered)
    {
        var found = Of(Bytes.GiB(100), grace, takes);
        Assert.Equal(JobConditionTypes.Planned, found[0].Type);
        Assert.Equal((JobConditionTypes.GraceCoversCheckpoint, covered), (found[1].Type, found[1].Holds));
        Assert.Equal(!covered, found[1].Message.Contains("terminationGracePeriodSeconds of 31 or more would do", StringComparison.Ordinal));
    }

    [Fact]
    public void What_saves_nothing_or_is_not_planned_has_no_such_condition()
    {
        Assert.Single(Of(Bytes.Zero, 30, 31));
        Assert.Single(Of(Bytes.GiB(100), 30, null));
    }

    [Fact]
    public void What_is_left_out_is_filled_in_and_what_is_wrong_is_named()
    {
        var five = new PlannedJob { Metadata = new() { Name = "train", NamespaceProperty = "ns" }, Spec = new PlannedJobSpec { TargetRef = new JobReference { Name = "train" } } };
        Assert.Empty(PlannedJobCheck.Of(five));
        Assert.Equal(
            new PlannedJobSettings { Target = new ObjectName("ns", "train"), Kind = "Job", Mode = FleetMode.Recommend, Priority = -1, Preemptible = true, Checkpoint = Bytes.Zero, DeviceMemory = null },
            PlannedJobSettings.Of(five));
        var wrong = new PlannedJob
        {
            Spec = new PlannedJobSpec { TargetRef = new JobReference { Kind = "Pod" }, Mode = "fast", Priority = 1001, Checkpoint = new JobCheckpoint(), DeviceMemory = "much" },
        };
        Assert.Equal(
            ["spec.targetRef.kind", "spec.targetRef.name", "spec.mode", "spec.priority", "spec.checkpoint.size", "spec.deviceMemory"],
            PlannedJobCheck.Of(wrong).Select(problem => problem.Field));
        Assert.Equal("spec", Assert.Single(PlannedJobCheck.Of(new PlannedJob())).Field);
    }

    private static System.Collections.Immutable.ImmutableArray<Finding> Of(Bytes checkpoint, int grace, int? takes) => JobConditions.Of(
        new ResolvedJob
        {
            View = new PlannedJobView(new ObjectName("ns", "train"), "u", "1", null, null),
            Grace = TimeSpan.FromSeconds(grace),
            Planned = new Finding(JobConditionTypes.Planned, true, "Planned", ""),
            Spec = new TrainingSpec { Id = new JobId("ns/train"), CheckpointSize = checkpoint, NeedsPerMember = new ReplicaNeeds { Host = MemoryNeed.None, Cores = Cores.Zero, Disk = Bytes.Zero } },
        },
        takes is { } seconds ? new JobVerdict { Job = new JobId("ns/train"), Checkpoint = TimeSpan.FromSeconds(seconds), Start = TimeSpan.Zero, Reason = new Reason(Rule.StopDrained, []) } : null);
}
