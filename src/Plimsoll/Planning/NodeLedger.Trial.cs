using System.Collections.Immutable;

namespace Plimsoll;

// What there would be room for if some ended.
internal sealed partial class NodeLedger
{
    /// <summary>
    /// Whether a node has room for a replica once some others were stopped, kept up as these are added and taken back: a claimant asks it
    /// of thousands of nodes, of each for one replica more at a time. Answers as <see cref="FitsAfter"/> does.
    /// </summary>
    public sealed class Trial
    {
        // Of a device that cannot be taken whatever ends.
        private const long Never = long.MinValue;

        private readonly List<Release> _given = [];
        private NodeLedger? _ledger;
        private SchedulerRequests? _requests;

        // Of each device, what would be over with the replica on it.
        private long[] _left = [];
        private int _devices;
        private int _fitting;
        private Bytes _hostOver;
        private Cores _cores;

        /// <summary>Begins anew, with nothing stopped.</summary>
        /// <param name="ledger">The node.</param>
        /// <param name="needs">What the replica takes.</param>
        /// <param name="kind">The kind of device; null for any.</param>
        /// <param name="requests">What the node's scheduler must count as there too; null where the body places.</param>
        /// <param name="on">The devices it must be on; any where none are given.</param>
        public void Begin(NodeLedger ledger, ReplicaNeeds needs, string? kind, SchedulerRequests? requests, ImmutableArray<DeviceId> on)
        {
            _given.Clear();
            (_ledger, _requests, _devices, _fitting) = (ledger, requests, needs.Devices, 0);
            var used = ledger._levels[^1];
            (_hostOver, _cores) = (used.Host + needs.Host.Highest - (ledger.HostUsable ?? Bytes.Zero), used.Cores + needs.Cores);
            if (_devices == 0) return;
            if (_left.Length < ledger._devices.Length) _left = new long[ledger._devices.Length];
            var perDevice = needs.PerDevice?.Highest ?? Bytes.Zero;
            var noneIsOfTheKind = kind is not null && ledger._onlyKind is { } only && only != kind;
            for (var i = 0; i < ledger._devices.Length; i++)
            {
                var (device, usable) = ledger._devices[i];
                _left[i] = noneIsOfTheKind || kind is not null && ledger._onlyKind is null && device.Kind != kind || usable is not { } room || (!on.IsDefault && !on.Contains(device.Id))
                    ? Never : (room - used.Devices[i] - perDevice).Value;
                if (_left[i] >= 0) _fitting++;
            }
        }

        /// <summary>A replica of the node is taken to stop.</summary>
        public void Give(Release release)
        {
            _given.Add(release);
            Count(release, 1);
        }

        /// <summary>The replica that was added as the so many-eth, from 0 on, is taken to stay after all; those after it move up.</summary>
        public void TakeBack(int at)
        {
            Count(_given[at], -1);
            _given.RemoveAt(at);
        }

        /// <summary>Whether there is room then.</summary>
        public bool Fits() => Leaves(Bytes.Zero, Cores.Zero) && _fitting >= _devices && SchedulerTakes(null);

        /// <summary>Whether there would be without one of those that were added.</summary>
        public bool FitsWithout(int at)
        {
            var release = _given[at];
            if (!Leaves(release.Host, release.Cores)) return false;
            if (_devices > 0)
            {
                Count(release, -1);
                var fits = _fitting >= _devices;
                Count(release, 1);
                if (!fits) return false;
            }

            return SchedulerTakes(release);
        }

        private bool Leaves(Bytes host, Cores cores) =>
            _ledger is { Node.Condition: NodeCondition.Ready, HostUsable: not null } ledger && _hostOver + host <= Bytes.Zero && _cores + cores <= ledger.Node.Cores;

        private bool SchedulerTakes(Release? without)
        {
            if (_requests is null) return true;
            var room = _ledger!.SchedulerAfter;
            foreach (var one in _given)
                if (!ReferenceEquals(one, without) && one.Requests is { } gone) room = room?.Without(gone);
            return room!.Takes(_requests);
        }

        private void Count(Release release, int times)
        {
            if (times > 0) (_hostOver, _cores) = (_hostOver - release.Host, _cores - release.Cores);
            else (_hostOver, _cores) = (_hostOver + release.Host, _cores + release.Cores);
            if (_devices == 0) return;
            foreach (var device in release.Devices)
            {
                if (_ledger!.IndexOf(device) is not (var at and >= 0) || _left[at] == Never) continue;
                var before = _left[at];
                _left[at] += times * Held(_ledger._devices[at].Device, release.PerDevice).Value;
                _fitting += (_left[at] >= 0 ? 1 : 0) - (before >= 0 ? 1 : 0);
            }
        }
    }
}
