using System.Collections.Immutable;

namespace Plimsoll;

// The time of devices that several replicas share: nobody is placed where somebody would then carry less than he is to.
internal sealed partial class PlanDraft
{
    // How many of a model's replicas start in this plan.
    private readonly Dictionary<ModelId, int> _starting = [];

    private readonly Dictionary<(ModelId, VariantId), DeviceUse?> _useOf = [];

    // For whom no device had the time, and after how many starts and stops of this plan.
    private readonly Dictionary<(ModelId, VariantId), int> _noTime = [];
    private int _timesChanged;

    // The lowest priority of those that have devices; most fleets have one priority.
    private readonly Lazy<int> _lowestThere;

    private bool CountsGangsTime => CountsTime && _spec.Settings.GangsUseTime;

    private bool CountsTime => _spec.Settings.SharesTime && _observed.Can.HasFlag(Capabilities.ChooseNode);

    /// <summary>
    /// Starts successors elsewhere of who is too slow beside others where its model has as many as it may: after all that is wanted, where a device has the
    /// room and the time as things are, and one of a model at a time. Who is slowed goes once its successor serves.
    /// </summary>
    public void MoveWhereTime()
    {
        if (!CountsTime) return;
        foreach (var outlook in _outlooks)
        {
            if (outlook is not { TooSlow: { } slow, TrafficSeen: true } || !IsTurnOf(outlook) || !_allocations[outlook.Model.Id].MayClaim || _starting.ContainsKey(outlook.Model.Id)) continue;
            var (known, mine) = (_knowledge.Of(outlook.Model.Id), _replicas[outlook.Model.Id]);
            if (outlook.Lost > 0 || known.Failures.HoldsUntil(_observed.At, _spec.Settings) is not null) continue;
            if (mine.Any(replica => replica.State is not (ReplicaState.Ready or ReplicaState.Asleep) || replica.Turning || _going.Contains(replica.Id))) continue;

            // One that was loaded serves for as long as that took, and who gets a further one elsewhere leaves more time here.
            var here = mine.First(replica => replica.Id == slow);
            if (_observed.At - here.StateSince < outlook.Load.P90 || Beside(here).Any(other => _starting.ContainsKey(other) || _outlookOf[other].Loading > 0)) continue;
            var way = outlook.IndexOf(here.Variant) is var at and >= 0 ? outlook.Ways[at] : outlook;
            if (_quotas.Refuse(way) is not null) continue;
            var verdict = _verdicts.GetValueOrDefault(outlook.Model.Id);
            var left = outlook.LeftOf?.GetValueOrDefault(slow, 1) ?? 1;
            if (Start(way, ReplicaId.Of(outlook.Model.Id, known.NextOrdinal), new Reason(Rule.StartForTime, [Fact.Of("slow", slow.Value), Fact.Fraction("left", Math.Round(left, 2))]), makesRoom: false)) continue;
            if (verdict is not null) _verdicts[outlook.Model.Id] = verdict;
        }
    }

    // Other models with replicas on one of its devices.
    private IEnumerable<ModelId> Beside(InferenceReplica here) => _observed.Replicas
        .Where(other => other.Model != here.Model && other.Placement.Node == here.Placement.Node && _outlookOf.ContainsKey(other.Model) && other.Placement.Devices.Intersect(here.Placement.Devices).Any())
        .Select(other => other.Model);

    // What stays uses its devices' time; of what is only shown nothing goes. Node by node, as a fleet has tens of thousands.
    private void CountTime()
    {
        if (!CountsTime) return;
        var uses = new (VariantId Variant, DeviceUse? Use)[_outlooks.Length][];
        OfEach.Do(uses.Length, i =>
        {
            var mine = _replicas[_outlooks[i].Model.Id].Where(replica => !replica.Placement.Devices.IsDefaultOrEmpty).Select(replica => replica.Variant).Distinct();
            uses[i] = [.. mine.Select(variant => (variant, NewUseOf(_outlooks[i], variant)?.Reckoned()))];
        });
        for (var i = 0; i < uses.Length; i++)
        {
            foreach (var (variant, use) in uses[i]) _useOf.TryAdd((_outlooks[i].Model.Id, variant), use);
        }

        OfEach.Do(_onNodes.Length, i =>
        {
            foreach (var replica in _onNodes[i].There)
            {
                if (replica.State == ReplicaState.Draining || !SharedDevices.UsesTime(replica) || replica.Placement.Devices.IsDefaultOrEmpty) continue;
                if (_going.Contains(replica.Id) && !IsOnlyShown(replica.Model)) continue;
                if (IsOfNow(replica) && _useOf.GetValueOrDefault((replica.Model, replica.Variant)) is { } use) _onNodes[i].Ledger.Uses(replica.Id, replica.Placement.Devices, use);
            }
        });
        if (!CountsGangsTime) return;
        foreach (var gang in _observed.Training)
        {
            if (!SharedDevices.UsesTime(gang) || _givingWay.ContainsKey(gang.Job)) continue;
            foreach (var member in gang.Members)
            {
                if (!member.Devices.IsDefaultOrEmpty && _ledgers.TryGetValue(member.Node, out var ledger)) ledger.Uses(AsUser(gang.Job), member.Devices, DeviceUse.Always);
            }
        }
    }

    private static ReplicaId AsUser(JobId job) => new($"training/{job}");

    // Of the members of a gang that are to be on one node: on devices where they slow nobody too much before they are on others, if no more has to
    // stop for it.
    private List<(ImmutableArray<StepId> After, ImmutableArray<DeviceId> Devices)> ReserveMembers(NodeLedger ledger, TrainingSpec job, int count)
    {
        var apart = CountsGangsTime && job.NeedsPerMember.Devices > 0
            && ReserveMembers(ledger.CopyWithTime(), job, count, apart: true) is { } one && ReserveMembers(ledger.CopyWithTime(), job, count, apart: false) is { } other
            && Stops(one) <= Stops(other);
        return ReserveMembers(ledger, job, count, apart) ?? throw new InvalidOperationException($"room for {job.Id} on {ledger.Node.Id} was found and is not there");

        static int Stops(List<(ImmutableArray<StepId> After, ImmutableArray<DeviceId> Devices)> rooms) => rooms.SelectMany(room => room.After).Distinct().Count();
    }

    private List<(ImmutableArray<StepId> After, ImmutableArray<DeviceId> Devices)>? ReserveMembers(NodeLedger ledger, TrainingSpec job, int count, bool apart)
    {
        var rooms = new List<(ImmutableArray<StepId> After, ImmutableArray<DeviceId> Devices)>(count);
        for (var i = 0; i < count; i++)
        {
            var room = apart ? ledger.TryReserve(job.NeedsPerMember, job.DeviceKind, DeviceUse.Always) : null;
            if ((room ?? ledger.TryReserve(job.NeedsPerMember, job.DeviceKind)) is not { } found) return null;
            if (CountsGangsTime && job.NeedsPerMember.Devices > 0) ledger.Uses(AsUser(job.Id), found.Devices, DeviceUse.Always);
            rooms.Add(found);
        }

        return rooms;
    }

    // Those of another version go once their successors serve.
    private bool IsOfNow(InferenceReplica replica) => _outlookOf.TryGetValue(replica.Model, out var outlook) && replica.Version == outlook.Model.Version;

    private void Uses(InferenceReplica replica)
    {
        _timesChanged++;
        if (!CountsTime || replica.Placement.Devices.IsDefaultOrEmpty || !IsOfNow(replica) || !_ledgers.TryGetValue(replica.Placement.Node, out var ledger)) return;
        if (UseOf(_outlookOf[replica.Model], replica.Variant) is { } use) ledger.Uses(replica.Id, replica.Placement.Devices, use);
    }

    private void UsesNoMore(InferenceReplica replica)
    {
        _timesChanged++;
        if (_ledgers.TryGetValue(replica.Placement.Node, out var ledger)) ledger.UsesNoMore(replica.Id);
    }

    // What one more does with its devices' time; null where that does not count.
    private DeviceUse? TimeOf(ModelOutlook way)
    {
        if (way.Time is null || way.Needs.Devices == 0 || !_observed.Can.HasFlag(Capabilities.ChooseNode)) return null;
        return UseOf(_outlookOf[way.Model.Id], way.Variant.Id);
    }

    private DeviceUse? UseOf(ModelOutlook outlook, VariantId variant)
    {
        var key = (outlook.Model.Id, variant);
        return _useOf.TryGetValue(key, out var use) ? use : _useOf[key] = NewUseOf(outlook, variant);
    }

    private static DeviceUse? NewUseOf(ModelOutlook outlook, VariantId variant)
    {
        // As many as carry what is forecast: that more are wanted to make up for neighbours does not make those that are there any less busy.
        var way = outlook.IndexOf(variant) is var at and >= 0 ? outlook.Ways[at] : outlook;
        outlook.Forecast.TryGetLast(out var forecast);
        return SharedDevices.UseOf(outlook, variant, Math.Max(outlook.Supply, Math.Min(WeightAllocator.NeededAlone(way, forecast), outlook.Most)));
    }

    private void Uses(NodeLedger ledger, ModelOutlook outlook, ReplicaId replica, ImmutableArray<DeviceId> devices)
    {
        _timesChanged++;
        if (TimeOf(outlook) is { } use) ledger.Uses(replica, devices, use);
    }

    // Whether a device that victims leave has the time, for who is not to start wherever there is room.
    private bool HasTimeAfter(ModelOutlook outlook, Eviction.Choice choice)
    {
        if (TimeOf(outlook) is not { } use || IsOwed(outlook)) return true;
        var ledger = _ledgers[choice.Node];
        return ledger.HasTimeWithout(outlook.Needs, outlook.Variant.DeviceKind, use, [.. choice.Victims.Select(one => (one.Replica.Id, NodeLedger.Release.Of(one.Replica, _knowledge.Of(one.Replica.Model))))]);
    }

    // There is room and no time: who comes after it on a device goes, as it would for the room.
    private bool StartInPlaceOfLower(ModelOutlook outlook, ReplicaId replica, DeviceUse use, Reason why)
    {
        if (!_spec.Settings.MakesTime || outlook.Model.Priority <= _lowestThere.Value) return false;
        NodeLedger[] nodes = [.. Preferred(outlook).Where(ledger => _disks.WayTo(ledger.Node, outlook, _going) is { MustGo.IsEmpty: true })];
        if (_eviction.Choose(outlook with { Load = outlook.LoadAnew }, nodes, _ => [], _going, MayPay(outlook), out _, full: true, use: use, lowerOnly: true) is not { } choice) return false;
        _verdicts.Remove(outlook.Model.Id);
        PlaceAfter(outlook, replica, choice, _disks.WayTo(_ledgers[choice.Node].Node, outlook, _going)!, why);
        return true;
    }

    // A model's first replica, and those that its file asks for whatever comes.
    private bool IsOwed(ModelOutlook outlook) => outlook.Supply + _starting.GetValueOrDefault(outlook.Model.Id) < Math.Max(1, outlook.Model.MinReplicas);

    private static Reason NoTime(ModelOutlook outlook, DeviceUse use, double excess) => new(Rule.HoldDeviceTime,
    [
        Fact.Of("needed", outlook.Needs.PerDevice?.Highest ?? Bytes.Zero), Fact.Fraction("busy", Math.Round(use.Busy, 2)),
        Fact.Quantity("most", Math.Round(use.SlowdownMost, 2)), Fact.Quantity("excess", Math.Round(excess, 2)),
    ]);

    private void StartOn(
        NodeLedger ledger, ModelOutlook outlook, ReplicaId replica, (ImmutableArray<StepId> After, ImmutableArray<DeviceId> Devices) room, DiskDraft.Way way, Reason why)
    {
        _order.Taken(ledger);
        Uses(ledger, outlook, replica, room.Devices);
        var fetches = _disks.Prepare(ledger.Node, outlook, way, _steps);
        Emit(outlook, replica, new Placement(ledger.Node.Id, room.Devices), [.. room.After, .. fetches], why);
    }

    // Nothing was started or let go since it was looked for in vain.
    private bool HadNoTime(ModelOutlook outlook) => _noTime.TryGetValue((outlook.Model.Id, outlook.Variant.Id), out var at) && at == _timesChanged;

    /// <summary>
    /// Where there is room in memory and no device has the time: a model's first replica, and those that its file asks for whatever comes, start
    /// where least is done, as late is better than never; a further one does not. Null where there is no room either.
    /// </summary>
    private bool? StartBeside(ModelOutlook outlook, ReplicaId replica, DeviceUse use, Reason why, bool makesRoom)
    {
        _noTime[(outlook.Model.Id, outlook.Variant.Id)] = _timesChanged;
        if (!makesRoom) return false;
        var first = IsOwed(outlook);
        var (least, chosen) = ((Busy: double.PositiveInfinity, Device: default(DeviceId)), ((NodeLedger Ledger, DiskDraft.Way Way)?)null);
        foreach (var ledger in Preferred(outlook))
        {
            if (_disks.WayTo(ledger.Node, outlook, _going) is not { MustGo.IsEmpty: true } way || ledger.LeastUsed(outlook.Needs, outlook.Variant.DeviceKind) is not { } used || used.Busy >= least.Busy) continue;
            (least, chosen) = (used, (ledger, way));
            if (!first) break;
        }

        if (chosen is not var (node, to)) return null;
        if (first && node.TryReserve(outlook.Needs, outlook.Variant.DeviceKind, use, least.Busy) is { } room)
        {
            StartOn(node, outlook, replica, room, to, why);
            return true;
        }

        _verdicts[outlook.Model.Id] = NoTime(outlook, use, node.ExcessOn(least.Device, use));
        return false;
    }
}
