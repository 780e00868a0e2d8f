using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>Whose replicas stand on devices that others' do too, or members of gangs, and what is left of what they carry.</summary>
internal static class SharedDevices
{
    /// <param name="Replicas">Those on one device that count.</param>
    /// <param name="Gangs">Members of gangs on it, who always have work.</param>
    private readonly record struct OnDevice(InferenceReplica[] Replicas, int Gangs);

    /// <summary>Tells each outlook what is left of what its replicas carry, at the rates that are forecast for all.</summary>
    /// <param name="observed">What is there. Where another scheduler places it is not known which pod has which of the devices that are handed out several times.</param>
    /// <param name="outlooks">Of all models; those with replicas that share are replaced.</param>
    /// <param name="isSupply">Whether a model counts on a replica.</param>
    /// <param name="settings">Of the fleet.</param>
    public static void Weigh(FleetSnapshot observed, ModelOutlook[] outlooks, Func<InferenceReplica, ModelSpec, bool> isSupply, PlannerSettings settings)
    {
        var at = new Dictionary<ModelId, int>(outlooks.Length);
        for (var i = 0; i < outlooks.Length; i++) at[outlooks[i].Model.Id] = i;

        // Who is of another version, or drains, goes.
        bool Stays(InferenceReplica replica) => replica.State != ReplicaState.Draining && at.TryGetValue(replica.Model, out var of) && replica.Version == outlooks[of].Model.Version;
        var shared = Shared(observed, Stays, gang => settings.GangsUseTime && UsesTime(gang));
        if (shared.Length == 0) return;
        var (slowdowns, uses) = (new Dictionary<ReplicaId, double>(), new Dictionary<(ModelId, VariantId), DeviceUse?>());
        var tooSlow = new SortedDictionary<int, ReplicaId>();
        foreach (var (on, gangs) in shared)
        {
            var (busy, slowed) = (new double[on.Length + gangs], new double[on.Length + gangs]);
            for (var i = 0; i < busy.Length; i++) busy[i] = i >= on.Length ? DeviceUse.Always.Busy : UseAt(on[i])?.Busy ?? 0;
            TakingTurns.Slowdowns(busy, slowed);
            Yield(on, busy, slowed);

            // One that has several devices goes at the pace of its slowest.
            for (var i = 0; i < on.Length; i++) slowdowns[on[i].Id] = Math.Max(slowed[i], slowdowns.GetValueOrDefault(on[i].Id, 1));
        }

        foreach (var (of, replica) in tooSlow) outlooks[of] = outlooks[of] with { TooSlow = replica };
        var models = shared.SelectMany(on => on.Replicas).Select(replica => replica.Model).ToHashSet();
        foreach (var mine in observed.Replicas.Where(replica => models.Contains(replica.Model)).GroupBy(replica => replica.Model))
        {
            var of = at[mine.Key];
            outlooks[of] = Weighed(outlooks[of], [.. mine.Where(replica => Stays(replica) && isSupply(replica, outlooks[of].Model))], slowdowns);
        }

        DeviceUse? UseAt(InferenceReplica replica)
        {
            if (!uses.TryGetValue((replica.Model, replica.Variant), out var use)) uses[(replica.Model, replica.Variant)] = use = UseOf(outlooks[at[replica.Model]], replica.Variant);
            return use;
        }

        // Of those that may move the one that loads soonest; -1 where none may.
        int Quickest(InferenceReplica[] on, Func<int, ModelOutlook, bool> may)
        {
            var quickest = -1;
            for (var i = 0; i < on.Length; i++)
            {
                var outlook = outlooks[at[on[i].Model]];
                if (!outlook.Model.Acts || !may(i, outlook)) continue;
                if (quickest < 0 || (outlook.Load.P90, on[i].Model).CompareTo((outlooks[at[on[quickest].Model]].Load.P90, on[quickest].Model)) < 0) quickest = i;
            }

            return quickest;
        }

        // Where somebody is too slow one of these gets a further replica elsewhere, the quickest to load; the others only if they are too slow with
        // what that one then leaves here.
        void Yield(InferenceReplica[] on, double[] busy, double[] slowed)
        {
            var mover = Quickest(on, (i, outlook) => outlook.Supply < outlook.Most && UseAt(on[i])?.IsTooSlow(slowed[i]) == true);
            if (settings.MovesForTime) Mark(on, slowed);
            if (mover < 0) return;
            var (own, there) = (slowed[mover], Math.Max(1, outlooks[at[on[mover].Model]].Supply));
            busy[mover] *= there / (there + 1.0);
            TakingTurns.Slowdowns(busy, slowed);
            slowed[mover] = own;
        }

        // Where none gets a further one, one that may have none is to have a successor elsewhere: of those that could not carry what comes now either,
        // as a load for a moment's burst is lost.
        void Mark(InferenceReplica[] on, double[] slowed)
        {
            // A successor of one of them is under way.
            if (Array.Exists(on, one => outlooks[at[one.Model]] is var its && its.Model.Acts && its.Supply == its.Most + 1)) return;
            var mover = Quickest(on, (i, outlook) => outlook.Supply == outlook.Most && on[i].State == ReplicaState.Ready && !tooSlow.ContainsKey(at[on[i].Model])
                && UseAt(on[i])?.IsTooSlow(slowed[i]) == true && UseOf(outlook, on[i].Variant, lately: true)?.IsTooSlow(slowed[i]) == true);
            if (mover >= 0) tooSlow[at[on[mover].Model]] = on[mover].Id;
        }
    }

    /// <summary>How many times as long as alone requests lately took beside others on the same devices, by how many each model had; of models that share alone.</summary>
    public static IReadOnlyDictionary<ModelId, double> Slowed(FleetSnapshot observed, PlannerSettings settings)
    {
        var shared = Shared(observed, Serves, gang => settings.GangsUseTime && gang.State == GangState.Running);
        var slowed = new Dictionary<ModelId, double>();
        if (shared.Length == 0) return slowed;
        var serving = new Dictionary<ModelId, List<InferenceReplica>>();
        foreach (var (on, _) in shared)
        {
            foreach (var replica in on) serving.TryAdd(replica.Model, []);
        }

        foreach (var replica in observed.Replicas)
        {
            if (Serves(replica) && serving.TryGetValue(replica.Model, out var mine)) mine.Add(replica);
        }

        var busy = new Dictionary<ModelId, double>(serving.Count);
        foreach (var row in observed.Traffic)
        {
            // Requests in its replicas by Little's law.
            var seconds = (row.To - row.From).TotalSeconds;
            if (row.Service is not { Count: > 0 } sample || !(seconds > 0) || !serving.TryGetValue(row.Model, out var mine)) continue;
            var there = Math.Max(0, sample.SumL) / seconds / mine.Count;
            busy[row.Model] = mine.TrueForAll(replica => replica.Concurrency == 1) ? Math.Min(1, there) : 1 - Math.Exp(-there);
        }

        var slowdowns = new Dictionary<ReplicaId, double>();
        foreach (var (on, gangs) in shared)
        {
            for (var i = 0; i < on.Length; i++)
            {
                double[] others = [.. on.Where((_, k) => k != i).Select(other => busy.GetValueOrDefault(other.Model)), .. Enumerable.Repeat(DeviceUse.Always.Busy, gangs)];
                slowdowns[on[i].Id] = Math.Max(TakingTurns.SlowdownBeside(others), slowdowns.GetValueOrDefault(on[i].Id, 1));
            }
        }

        foreach (var (model, mine) in serving)
        {
            if (mine.Average(replica => slowdowns.GetValueOrDefault(replica.Id, 1)) is > 1 and var mean) slowed[model] = mean;
        }

        return slowed;

        static bool Serves(InferenceReplica replica) => replica.State is ReplicaState.Ready or ReplicaState.Draining;
    }

    /// <summary>What a replica of a model as one of its variants does with its devices' time, as its model's replicas share what is forecast; null where nobody knows.</summary>
    /// <param name="outlook">The model's.</param>
    /// <param name="variant">The variant.</param>
    /// <param name="replicas">How many share it; those that are there where none are given.</param>
    /// <param name="lately">No more than what came lately, whatever is forecast.</param>
    public static DeviceUse? UseOf(ModelOutlook outlook, VariantId variant, int? replicas = null, bool lately = false)
    {
        var way = outlook.Mix is not null && outlook.IndexOf(variant) is var at and >= 0 ? outlook.Ways[at] : outlook;
        if (way.Time is not { } time) return null;
        outlook.Forecast.TryGetLast(out var forecast);
        outlook.Demand.TryGetLast(out var demand);
        if (lately) forecast = Math.Min(forecast, demand);
        var expected = outlook.Ahead.IsEmpty ? forecast : Math.Min(forecast, Math.Max(demand, WindowForecast.Between(outlook.Ahead.AsSpan(), 0.5)));
        var share = 1.0 / Math.Max(1, replicas ?? outlook.Supply);
        return new DeviceUse(time, expected * share, forecast * share);
    }

    /// <summary>Whether a replica has work on its devices, or will have.</summary>
    public static bool UsesTime(InferenceReplica replica) =>
        replica.State is ReplicaState.Ready or ReplicaState.Draining or ReplicaState.Loading || replica is { State: ReplicaState.Asleep, Turning: true };

    private static ModelOutlook Weighed(ModelOutlook outlook, InferenceReplica[] there, Dictionary<ReplicaId, double> slowdowns)
    {
        var left = new Dictionary<ReplicaId, double>();
        if (outlook.Mix is null) return outlook with { Left = Of(outlook, _ => true), LeftOf = left };
        ImmutableArray<ModelOutlook> ways = [.. outlook.Ways.Select(way => way with { Left = Of(way, replica => way.Model.Has(replica.Variant)) })];
        return outlook with { Ways = ways, Mix = new VariantMix(ways, outlook.Mix.KeepsCheapest), LeftOf = left };

        ImmutableArray<double> Of(ModelOutlook way, Func<InferenceReplica, bool> isOf)
        {
            if (way.Time is not { } time) return default;
            InferenceReplica[] mine = [.. there.Where(isOf)];
            foreach (var replica in mine)
            {
                if (slowdowns.TryGetValue(replica.Id, out var slowdown)) left[replica.Id] = time.ShareCarried(slowdown);
            }

            double[] shares = [.. mine.Select(replica => left.GetValueOrDefault(replica.Id, 1)).OrderDescending()];
            return shares.Length == 0 || shares[^1] >= 1 ? default : [.. shares];
        }
    }

    /// <summary>Whether members of a gang have work on their devices, or will have.</summary>
    public static bool UsesTime(TrainingGang gang) => gang.State is GangState.Starting or GangState.Running or GangState.Checkpointing;

    // The replicas of each device that several have, of those that count; ordered by node and device.
    private static OnDevice[] Shared(FleetSnapshot observed, Func<InferenceReplica, bool> counts, Func<TrainingGang, bool> trains)
    {
        if (!observed.Can.HasFlag(Capabilities.ChooseNode)) return [];
        var (at, nodes) = (new Dictionary<NodeId, int>(observed.Nodes.Length), new List<(NodeId Node, List<InferenceReplica> There)>(observed.Nodes.Length));
        foreach (var replica in observed.Replicas)
        {
            if (at.TryAdd(replica.Placement.Node, nodes.Count)) nodes.Add((replica.Placement.Node, [replica]));
            else nodes[at[replica.Placement.Node]].There.Add(replica);
        }

        var members = observed.Training.Where(trains).SelectMany(gang => gang.Members).Where(member => !member.Devices.IsDefaultOrEmpty).ToLookup(member => member.Node, member => member.Devices);
        var shared = new OnDevice[nodes.Count][];
        OfEach.Do(shared.Length, i => shared[i] = OnNode(nodes[i].There, counts, [.. members[nodes[i].Node].SelectMany(devices => devices)]));
        return [.. nodes.Zip(shared).Where(one => one.Second.Length > 0).OrderBy(one => one.First.Node).SelectMany(one => one.Second)];
    }

    private static OnDevice[] OnNode(List<InferenceReplica> there, Func<InferenceReplica, bool> counts, DeviceId[] gangs)
    {
        if (there.Count + gangs.Length < 2) return [];
        var has = new List<(DeviceId Device, int Of)>(there.Count);
        for (var i = 0; i < there.Count; i++)
        {
            var replica = there[i];
            if (!UsesTime(replica) || replica.Placement.Devices.IsDefaultOrEmpty || replica.Placement == Placement.Pending || !counts(replica)) continue;
            foreach (var device in replica.Placement.Devices) has.Add((device, i));
        }

        has.Sort();
        var shared = new List<OnDevice>();
        for (var (from, to) = (0, 0); from < has.Count; from = to)
        {
            var device = has[from].Device;
            while (to < has.Count && has[to].Device == device) to++;
            var train = gangs.Count(taken => taken == device);
            if (to - from + train > 1) shared.Add(new OnDevice([.. has.GetRange(from, to - from).Select(one => there[one.Of])], train));
        }

        return [.. shared];
    }
}
