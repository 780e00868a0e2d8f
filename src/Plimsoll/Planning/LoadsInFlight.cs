namespace Plimsoll;

/// <summary>Loads and wakes under way: which are still counted on, and which take so long that they are ended.</summary>
internal sealed class LoadsInFlight
{
    // However many there are and however often it failed, what hangs is ended some time.
    private const int SharingMost = 64;
    private const int DoublingsMost = 4;

    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(30);

    private readonly PlannerSettings _settings;
    private readonly DateTimeOffset _at;
    private readonly Knowledge _knowledge;
    private readonly Dictionary<ReplicaId, WorkInFlight> _byReplica = [];
    private readonly Dictionary<ReplicaId, DateTimeOffset> _wakingSince = [];
    private readonly Capabilities _can;
    private readonly HashSet<NodeId> _away = [];
    private readonly Lazy<Dictionary<ModelId, ModelSpec>> _models;
    private readonly Lazy<UnseenLoads> _unseen;
    private readonly Lazy<LoadLine> _fetches;
    private readonly Lazy<ILookup<NodeId, InferenceReplica>> _onNode;

    public LoadsInFlight(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge)
    {
        (_settings, _at, _knowledge, _can) = (spec.Settings, observed.At, knowledge, observed.Can);
        foreach (var work in observed.InFlight)
        {
            if (work is { Kind: WorkKind.Loading, Replica: { } replica, ExpectedEnd: not null }) _byReplica.TryAdd(replica, work);
            if (work is { Kind: WorkKind.Waking, Replica: { } waking }) _wakingSince.TryAdd(waking, work.StartedAt);
        }

        _models = new(() => spec.Models.ToDictionary(model => model.Id));
        _unseen = new(() => new UnseenLoads(knowledge.FleetLoads.Samples, spec.Settings));
        _fetches = new(() => LoadLine.Of(knowledge.FleetFetches.Samples, spec.Settings));
        _onNode = new(() => observed.Replicas.SelectMany(replica => NodesOf(replica).Select(node => (node, replica))).ToLookup(one => one.node, one => one.replica));
        if (!_settings.LoadsAsLearned && !_settings.EndsLateWakes) return;
        foreach (var node in observed.Nodes)
        {
            if (node.Condition == NodeCondition.Unreachable) _away.Add(node.Id);
        }
    }

    /// <summary>
    /// Whether a load counts as a replica to come, and a wake. One that served before, or whose node cannot be reached, may be back at any moment: for
    /// as long as another would take to load, which is the break-even of waiting for it, it is waited for.
    /// </summary>
    public bool IsComing(InferenceReplica replica) => IsWaking(replica) ? !IsLateToWake(replica) : replica.State == ReplicaState.Loading
        && (MayReturn(replica) ? Waited(replica) <= Longer(Estimate(replica), Shortest) : !IsLate(replica));

    /// <summary>
    /// A load or a wake past its expected end by the settings' factor, and past half a minute. Never on a node that cannot be reached: whether it
    /// still serves nobody knows, and nothing is ended on what is not known.
    /// </summary>
    public bool Overdue(InferenceReplica replica) =>
        !IsAway(replica) && (IsWaking(replica) ? IsLateToWake(replica) : replica.State == ReplicaState.Loading && IsLate(replica));

    /// <summary>
    /// Neither counted on nor ended: its model may need another meanwhile, and it is there all the same.
    /// </summary>
    public bool IsLost(InferenceReplica replica) =>
        (replica.State == ReplicaState.Loading || IsWaking(replica)) && !IsComing(replica) && !Overdue(replica);

    /// <summary>Whether it is on its way from the node's memory back to its devices.</summary>
    public static bool IsWaking(InferenceReplica replica) => replica is { State: ReplicaState.Asleep, Turning: true };

    /// <summary>How long it has loaded so far, or been waking.</summary>
    public TimeSpan Waited(InferenceReplica replica) => _at - Since(replica);

    private DateTimeOffset Since(InferenceReplica replica) =>
        IsWaking(replica) ? _wakingSince.GetValueOrDefault(replica.Id, _at) : replica.StartedAt;

    /// <summary>
    /// How long the load takes, as its body expects (which may know that images or nodes come first), or as its model's loads so far say
    /// where that is longer; by what it weighs where the body says nothing. Of a wake, how long its model's take.
    /// </summary>
    public TimeSpan Expected(InferenceReplica replica)
    {
        if (IsWaking(replica)) return WakeOf(replica) ?? Assumed(replica);
        if (!_settings.LoadsAsLearned) return Told(replica) ?? Assumed(replica);
        return Told(replica) is { } told ? Longer(told, Estimate(replica)) : Estimate(replica);
    }

    private bool MayReturn(InferenceReplica replica) => _settings.LoadsAsLearned && (replica.HasServed || IsAway(replica));

    // Estimating is not for nothing, and most loads are not nearly as old as their bodies expect.
    private bool IsLate(InferenceReplica replica)
    {
        var waited = Waited(replica);
        if (waited <= Shortest || Told(replica) is { } told && waited <= Outlooks.OverdueAfter(told, _settings)) return false;
        return waited > Outlooks.OverdueAfter(Expected(replica), _settings) && waited > Allowed(replica);
    }

    // A server that took the call to wake and then never serves is no supply. Where nobody says since when it wakes nothing is known.
    private bool IsLateToWake(InferenceReplica replica)
    {
        if (!_settings.EndsLateWakes) return false;
        var waited = Waited(replica);
        return waited > Shortest && waited > Allowed(replica);
    }

    private TimeSpan? WakeOf(InferenceReplica replica)
    {
        if (!_models.Value.TryGetValue(replica.Model, out var model)) return null;
        return Sleeping.Wake(VariantOf(replica, model), _knowledge.Of(model.Id), model.Footprint.Weights, _can)?.P90;
    }

    /// <summary>
    /// How long the load may take, or the wake: the settings' factor times what is expected, for each that loads or loaded on its node meanwhile, as they
    /// share its link and disk; and twice as long after each failure, since what is ended shortly before its end is all to be done again.
    /// </summary>
    public TimeSpan Allowed(InferenceReplica replica)
    {
        var alone = Outlooks.OverdueAfter(Expected(replica), _settings);
        if (!_settings.LoadsShareLinks) return alone;
        var since = Since(replica);
        var beside = NodesOf(replica).Select(node => _onNode.Value[node].Count(other => other.State == ReplicaState.Loading
                || other.State == ReplicaState.Ready && other.StateSince > since || _settings.EndsLateWakes && IsWaking(other)))
            .DefaultIfEmpty(1).Max();
        return alone * Math.Clamp(beside, 1, SharingMost) * (1 << Math.Min(_knowledge.Of(replica.Model).Failures.Count, DoublingsMost));
    }

    // A replica that has no place yet shares no link.
    private static IEnumerable<NodeId> NodesOf(InferenceReplica replica) =>
        Parts.Pods(replica).Select(pod => pod.Placement).Where(place => place != Placement.Pending).Select(place => place.Node).Distinct();

    private bool IsAway(InferenceReplica replica) => _away.Count > 0 && (_away.Contains(replica.Placement.Node)
        || !replica.Members.IsDefaultOrEmpty && replica.Members.Any(member => _away.Contains(member.Placement.Node)));

    private TimeSpan? Told(InferenceReplica replica) =>
        _byReplica.TryGetValue(replica.Id, out var work) ? Outlooks.Positive(work.ExpectedEnd!.Value - work.StartedAt) : null;

    private TimeSpan Estimate(InferenceReplica replica)
    {
        if (!_models.Value.TryGetValue(replica.Model, out var model)) return Assumed(replica);
        var variant = VariantOf(replica, model);
        var load = _knowledge.Of(model.Id).LoadsOf(variant.Id).Estimate() ?? _unseen.Value.Estimate(variant, model.Footprint.Weights);
        if (model.Cached) load += _fetches.Value.Estimate(model.Footprint.OnDisk);
        return load.P90;
    }

    private static VariantSpec VariantOf(InferenceReplica replica, ModelSpec model) =>
        model.Variants.FirstOrDefault(one => one.Id == replica.Variant) ?? model.Variants[0];

    private TimeSpan Assumed(InferenceReplica replica) => _settings.AssumedLoadFixed + (replica.Reserved.Host.Highest / _settings.AssumedLoadBandwidth);

    private static TimeSpan Longer(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
