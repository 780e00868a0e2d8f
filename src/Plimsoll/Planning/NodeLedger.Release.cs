using System.Collections.Immutable;

namespace Plimsoll;

// What stops bring and starts take.
internal sealed partial class NodeLedger
{
    private static IEnumerable<Release> MembersOn(NodeState node, FleetSnapshot observed)
    {
        foreach (var gang in observed.Training)
        {
            foreach (var member in gang.Members)
                if (member.Node == node.Id) yield return Release.Of(gang, member);
        }
    }

    /// <summary>Has one sleep: where it was to stop, in place of that, so that it gives back less and whoever waits waits for its sleep.</summary>
    /// <param name="stop">The stop that it had, or would have.</param>
    /// <param name="sleep">Its sleep.</param>
    /// <param name="frees">What it gives back then.</param>
    /// <param name="takes">Host memory that it takes from the moment that it begins to.</param>
    public void Sleeps(StepId stop, StepId sleep, Release frees, Bytes takes)
    {
        _noRoom.Forget();
        _noRoomNow.Forget();
        _startedHost += takes;
        foreach (var level in _levels) level.Host += takes;
        var at = _stops.FindIndex(one => one.Stop == stop);
        if (at < 0) return;
        var before = _stops[at].Frees;
        _stops[at] = (sleep, frees);
        _partly = null;
        _stopped -= before.Host - frees.Host;
        foreach (var level in _levels.Skip(at + 1))
        {
            level.Host += before.Host - frees.Host;
            level.Cores += before.Cores - frees.Cores;
            foreach (var device in before.Devices)
                if (IndexOf(device) is var index and >= 0) level.Devices[index] += Held(_devices[index].Device, before.PerDevice) - Held(_devices[index].Device, frees.PerDevice);
        }
    }

    /// <summary>What a replica takes, or gives back when it ends.</summary>
    public sealed record Release(Bytes Host, Bytes PerDevice, Cores Cores, ImmutableArray<DeviceId> Devices)
    {
        /// <summary>What its scheduler counts; null where the body places.</summary>
        public SchedulerRequests? Requests { get; init; }

        public static Release Of(InferenceReplica replica, ModelKnowledge known) => new(
            Weighing.HostCharge(replica, known), Weighing.DeviceCharge(replica), replica.Reserved.Cores,
            replica.Placement.Devices)
        {
            Requests = replica.Requests,
        };

        /// <summary>The same of a member of a gang.</summary>
        public static Release Of(TrainingGang gang, Placement member) => new(
            gang.ReservedPerMember.Host.Highest, gang.ReservedPerMember.PerDevice?.Highest ?? Bytes.Zero, gang.ReservedPerMember.Cores, member.Devices)
        {
            Requests = gang.Requests,
        };

        /// <summary>What a replica gives back once it sleeps: of its devices alone, as its weights are on the host then.</summary>
        public static Release OfSleep(InferenceReplica replica, ModelKnowledge known) => new(
            Bytes.Zero, Bytes.Max(Bytes.Zero, Weighing.DeviceCharge(replica) - Weighing.KeptAsleep(replica, known)), Cores.Zero, replica.Placement.Devices);
    }
}
