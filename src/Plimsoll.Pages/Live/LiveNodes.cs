using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Pages.Live;

/// <summary>What one replica holds: measured where it was, else charged.</summary>
internal static class ReplicaMemory
{
    public static ((Bytes Held, bool Charged) Host, (Bytes Held, bool Charged) PerDevice) Of(InferenceReplica replica)
    {
        var loads = replica.State == ReplicaState.Loading;
        return (
            replica.HostMemory.TryGetLast(out var host) ? (host, false) : (loads ? replica.Reserved.Host.Highest : replica.Reserved.Host.Steady, true),
            replica.Reserved.PerDevice is not { } needs ? (Bytes.Zero, false)
                : replica.DeviceMemory.TryGetLast(out var device) ? (device, false) : (loads ? needs.Highest : needs.Steady, true));
    }
}

/// <summary>Memory against budget: of all nodes by kind, and of the fullest ones.</summary>
internal sealed class LiveNodes
{
    private const int NodesShown = 24;
    private const int PartsShown = 8;
    private const int KindsShown = 12;
    private const string HostKind = "host memory";

    public LiveNodes(FleetSnapshot seen)
    {
        var rooms = new Dictionary<(NodeId Node, string Kind), Room>();
        var deviceKinds = new Dictionary<(NodeId, DeviceId), string>();
        foreach (var node in seen.Nodes)
        {
            var host = At(node.Id, HostKind);
            (host.Count, host.Budget) = (1, Bytes.Min(node.HostMemory, node.HostMemoryBudget));
            foreach (var device in node.Devices)
            {
                deviceKinds[(node.Id, device.Id)] = device.Kind;
                var room = At(node.Id, device.Kind);
                (room.Count, room.Budget) = (room.Count + 1, room.Budget + Bytes.Min(device.Memory, device.MemoryBudget));
            }
        }

        foreach (var replica in seen.Replicas)
        {
            var (host, device) = ReplicaMemory.Of(replica);
            Hold(replica.Placement, replica.Model, host, device);
            // A group's further pods are not measured one by one.
            foreach (var member in replica.Members.IsDefault ? [] : replica.Members)
                Hold(member.Placement, replica.Model, (member.Reserved.Host.Steady, true), (member.Reserved.PerDevice?.Steady ?? Bytes.Zero, true));
        }

        foreach (var use in seen.Foreign)
        {
            if (!use.Memory.TryGetLast(out var memory)) continue;
            var kind = use.Device is { } device ? deviceKinds.GetValueOrDefault((use.Node, device)) : HostKind;
            if (kind is not null && rooms.TryGetValue((use.Node, kind), out var room)) room.Foreign += memory;
        }

        Kinds = [.. rooms.GroupBy(room => room.Key.Kind).OrderBy(group => group.Key != HostKind).ThenBy(group => group.Key, StringComparer.Ordinal)
            .Take(KindsShown).Select(group => Room.Sum(group.Key, group.Select(room => room.Value)))];
        var byNode = rooms.GroupBy(room => room.Key.Node).ToDictionary(group => group.Key, group => group.ToList());
        Fullest = [.. seen.Nodes.OrderByDescending(node => byNode[node.Id].Max(room => room.Value.Share)).ThenBy(node => node.Id).Take(NodesShown)
            .Select(node => new LiveNode(
                Figures.Clean(node.Id.Value, LiveQuery.TextMax), node.Condition.ToString().ToLowerInvariant(),
                [.. byNode[node.Id].OrderBy(room => room.Key.Kind != HostKind).ThenBy(room => room.Key.Kind, StringComparer.Ordinal)
                    .Take(KindsShown).Select(room => Room.Sum(room.Key.Kind, [room.Value]))]))];

        Room At(NodeId node, string kind)
        {
            if (!rooms.TryGetValue((node, kind), out var room)) rooms.Add((node, kind), room = new Room());
            return room;
        }

        // One that has no place yet, or is on a node that is gone, holds nothing that is shown.
        void Hold(Placement place, ModelId model, (Bytes Held, bool Charged) host, (Bytes Held, bool Charged) device)
        {
            if (rooms.TryGetValue((place.Node, HostKind), out var room)) room.Hold(model, host);
            foreach (var id in place.Devices)
            {
                if (deviceKinds.TryGetValue((place.Node, id), out var kind)) rooms[(place.Node, kind)].Hold(model, device);
            }
        }
    }

    public ImmutableArray<LiveMemory> Kinds { get; }

    public ImmutableArray<LiveNode> Fullest { get; }

    private sealed class Room
    {
        private readonly Dictionary<ModelId, Bytes> _held = [];
        private int _charged;

        public int Count { get; set; }

        public Bytes Budget { get; set; }

        public Bytes Foreign { get; set; }

        private Bytes Used => _held.Values.Aggregate(Bytes.Zero, (sum, held) => sum + held);

        public double Share => Budget.Value == 0 ? 0 : (double)Used.Value / Budget.Value;

        public void Hold(ModelId model, (Bytes Held, bool Charged) held)
        {
            _held[model] = _held.GetValueOrDefault(model) + held.Held;
            if (held.Charged) _charged++;
        }

        public static LiveMemory Sum(string kind, IEnumerable<Room> rooms)
        {
            var (count, budget, foreign, charged) = (0, Bytes.Zero, Bytes.Zero, 0);
            var held = new Dictionary<ModelId, Bytes>();
            foreach (var room in rooms)
            {
                (count, budget, foreign, charged) = (count + room.Count, budget + room.Budget, foreign + room.Foreign, charged + room._charged);
                foreach (var (model, bytes) in room._held) held[model] = held.GetValueOrDefault(model) + bytes;
            }

            var most = held.OrderByDescending(one => one.Value).ThenBy(one => one.Key).ToList();
            var named = most.Count <= PartsShown + 1 ? most.Count : PartsShown;
            var parts = most.Take(named).Select(one => new LivePart(Figures.Clean(one.Key.Value, LiveQuery.TextMax), one.Value.Value)).ToList();
            if (named < most.Count)
                parts.Add(new LivePart(string.Create(CultureInfo.InvariantCulture, $"{most.Count - named} others"), most.Skip(named).Sum(one => one.Value.Value)));
            return new LiveMemory(Figures.Clean(kind, 100), count, budget.Value, most.Sum(one => one.Value.Value), charged, foreign.Value, [.. parts]);
        }
    }
}
