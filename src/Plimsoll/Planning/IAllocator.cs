using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// How many replicas each model should have and keep: the planner's replaceable part (a rule, an exact solver, a rival).
/// Pure, like the planner.
/// </summary>
public interface IAllocator
{
    /// <summary>The name it is chosen and journalled by.</summary>
    string Name { get; }

    /// <summary>One allocation per outlook, in the same order.</summary>
    ImmutableArray<Allocation> Allocate(
        FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, ImmutableArray<ModelOutlook> outlooks);
}

/// <summary>What an allocator wants for one model.</summary>
public sealed record Allocation
{
    public required ModelId Model { get; init; }

    /// <summary>Replicas by variant, in the variants' order; the counts add up to <see cref="Wanted"/>.</summary>
    public required ImmutableArray<VariantCount> Mix { get; init; }

    /// <summary>Replicas that stay although fewer are wanted; at least <see cref="Wanted"/>.</summary>
    public required int Keep { get; init; }

    /// <summary>Why replicas beyond <see cref="Keep"/> go, or why all stay.</summary>
    public required Reason Why { get; init; }

    /// <summary>Replicas that stay awake where the others can sleep; null where all that stay do.</summary>
    public int? Awake { get; init; }

    /// <summary>Why those beyond <see cref="Awake"/> sleep.</summary>
    public Reason? WhySleep { get; init; }

    /// <summary>Whether it may take memory that another model holds.</summary>
    public bool MayClaim { get; init; }

    /// <summary>What the allocator must find again at the next tick.</summary>
    public ImmutableArray<Recommendation> Remember { get; init; } = [];

    /// <summary>Requests a second that the mix carries; only that many replicas are wanted where it is 0.</summary>
    internal double PerSecond { get; init; }

    /// <summary>
    /// Replicas that what comes needs, and requests a second that these carry, where more are wanted only to work off what waits: for those
    /// nobody goes. Null where all that are wanted may have others go.
    /// </summary>
    internal (int Replicas, double PerSecond)? Firm { get; init; }

    public int Wanted
    {
        get
        {
            var sum = 0;
            foreach (var part in Mix) sum += part.Replicas;
            return sum;
        }
    }

    /// <summary>Replicas that are wanted beyond those that are there.</summary>
    internal int Missing(ModelOutlook outlook)
    {
        var missing = MissingOf(outlook);

        // Who may be back counts towards the most that may be there, or both would be there together.
        return outlook.Lost == 0 ? missing : Math.Min(missing, outlook.Most - outlook.Supply - outlook.Lost);
    }

    private int MissingOf(ModelOutlook outlook)
    {
        if (outlook.Mix is null) return Wanted - outlook.Supply;
        var missing = 0;
        foreach (var part in Mix)
        {
            if (outlook.IndexOf(part.Variant) is var at and >= 0) missing += Math.Max(0, part.Replicas - outlook.There[at]);
        }

        return missing;
    }
}

public sealed record VariantCount(VariantId Variant, int Replicas);

/// <summary>What is known of a model's near future, before anyone decides.</summary>
public sealed record ModelOutlook
{
    public required ModelSpec Model { get; init; }

    /// <summary>The variant new replicas run as.</summary>
    public required VariantSpec Variant { get; init; }

    public required ReplicaNeeds Needs { get; init; }

    /// <summary>Time from deciding to serving, fetch included where the weights are not on the node; of waking, where one sleeps.</summary>
    public required LoadEstimate Load { get; init; }

    /// <summary>The same of one that is started, whether another sleeps or not.</summary>
    public required LoadEstimate LoadAnew { get; init; }

    /// <summary>Time from deciding to serving with the weights on the node's disk.</summary>
    public required LoadEstimate LoadFromDisk { get; init; }

    /// <summary>Time to bring the weights onto a node's disk; nothing where they are used where they lie.</summary>
    public required LoadEstimate Fetch { get; init; }

    /// <summary>Time from deciding to serving for a replica that sleeps; null where none can.</summary>
    public LoadEstimate? Wake { get; init; }

    /// <summary>Replicas that sleep, of the wanted version; those that are waking are <see cref="Loading"/>.</summary>
    public int Asleep { get; init; }

    /// <summary>How long an idle replica is kept awake before it sleeps, if it can; null where its memory is owned.</summary>
    public TimeSpan? HoldAwake { get; init; }

    /// <summary>How far ahead this model looks: T_load + review.</summary>
    public required TimeSpan Horizon { get; init; }

    /// <summary>Arrivals a second lately.</summary>
    public required Signal<double> Demand { get; init; }

    /// <summary>Arrivals a second when it was last in use: what a return would meet.</summary>
    public required double ActiveRate { get; init; }

    /// <summary>Arrivals a second to cover over the horizon.</summary>
    public required Signal<double> Forecast { get; init; }

    /// <summary>The quantile the forecast is taken at: c_under / (c_under + c_over).</summary>
    public required double Quantile { get; init; }

    /// <summary>What the forecast rests on; null where the recent past alone was looked at.</summary>
    public ForecastBasis? Basis { get; init; }

    /// <summary>What known events make of it; null where they change nothing within the horizon.</summary>
    public EventAhead? Event { get; init; }

    /// <summary>A use at about its time of day that a replica is to be there for; null where none is near, or waiting for it does not pay.</summary>
    internal UseExpected? Use { get; init; }

    /// <summary>Now.</summary>
    internal DateTimeOffset At { get; init; }

    /// <summary>What the forecast rests on, as a clause: windows that were seen, events that are known; null where neither does.</summary>
    internal string? Grounds => (Basis?.Shown, Event?.Shown(At)) switch
    {
        ({ } basis, { } known) => $"{basis}; {known}",
        var (basis, known) => basis ?? known,
    };

    /// <summary>Quantiles of the largest rate over the horizon, at <see cref="WindowForecast.Grid"/>; empty without a forecast.</summary>
    internal ImmutableArray<double> Ahead { get; init; } = [];

    /// <summary>Requests a second one replica carries inside the SLO; null before anything was observed.</summary>
    public required double? Capacity { get; init; }

    /// <summary>The same predicted from size and hardware and corrected by what was seen; null where they say nothing.</summary>
    public CapacityEstimate? CapacityExpected { get; init; }

    /// <summary>What each of several replicas carries over that, at each of <see cref="ServicePrior.Together"/>; default where nothing is expected.</summary>
    public ImmutableArray<double> Pooled { get; init; }

    /// <summary>What its requests take of a device's time; null where nobody knows.</summary>
    internal ReplicaTime? Time { get; init; }

    /// <summary>
    /// Of what each of the variant's replicas that are there carries alone, what is left beside others on its devices, the most first; default where all is.
    /// </summary>
    internal ImmutableArray<double> Left { get; init; }

    /// <summary>The same of each replica that is not alone on its devices; null where all are.</summary>
    internal IReadOnlyDictionary<ReplicaId, double>? LeftOf { get; init; }

    /// <summary>One that carries too little beside others on its devices, where there are as many as may be; null where none does, or another makes room for it.</summary>
    internal ReplicaId? TooSlow { get; init; }

    /// <summary>What so many replicas of the variant are worth of such that have their devices for themselves, those first that are there and least slowed.</summary>
    internal double Worth(int replicas)
    {
        if (Left.IsDefault) return replicas;
        var worth = (double)Math.Max(0, replicas - Left.Length);
        for (var i = 0; i < Left.Length && i < replicas; i++) worth += Left[i];
        return worth;
    }

    /// <summary>What a replica of the variant costs; null where nothing has a price, or nobody chooses by it.</summary>
    public UsdPerHour? PricePerHour { get; init; }

    /// <summary>0 for a way that is chosen by price; the more, the later it is thought of, whatever the others cost.</summary>
    internal int Preference { get; init; }

    /// <summary>
    /// The outlook as each way that the model may run in, in its order of preference, where the cheapest is chosen; empty where the
    /// order decides. <see cref="Variant"/> is then the cheapest for all of the demand by itself.
    /// </summary>
    public ImmutableArray<ModelOutlook> Ways { get; init; } = [];

    /// <summary>Replicas of each of <see cref="Ways"/> that serve or load, of the wanted version.</summary>
    public ImmutableArray<int> There { get; init; } = [];

    /// <summary>Of <see cref="There"/> those that serve.</summary>
    internal ImmutableArray<int> Ready { get; init; } = [];

    /// <summary>How <see cref="Ways"/> are mixed; null where there are none.</summary>
    internal VariantMix? Mix { get; init; }

    /// <summary>Replicas that are ready, of the wanted version.</summary>
    public required int Serving { get; init; }

    /// <summary>Replicas loading and not overdue, of the wanted version.</summary>
    public required int Loading { get; init; }

    public required int Held { get; init; }

    public required int Outstanding { get; init; }

    /// <summary>
    /// Requests that wait, at the gateway or in replicas that are full; 0 where demand is not forecast, and, where starts must pay, of a
    /// queue that those that serve work off before a further replica could have loaded.
    /// </summary>
    public double Backlog { get; init; }

    /// <summary>How long nothing has arrived; null when nothing ever did.</summary>
    public required TimeSpan? Idle { get; init; }

    /// <summary>Where nothing ever arrived, how long no replica has been wanted; null where one never was, or something did.</summary>
    public TimeSpan? Unasked { get; init; }

    /// <summary>How long an idle replica is held: break-even, or least cost by its idle gaps; null on owned hardware.</summary>
    public required TimeSpan? Hold { get; init; }

    /// <summary>Idle gaps the hold was learned from; 0 at break-even.</summary>
    public int HoldGaps { get; init; }

    /// <summary>Late requests a return would cost.</summary>
    public required double MissesOnReturn { get; init; }

    /// <summary>False when the body could not say what arrived: then nothing is removed.</summary>
    public required bool TrafficSeen { get; init; }

    public int Supply => Serving + Loading;

    /// <summary>Replicas that may be back and are not waited for any more; they are not counted as supply.</summary>
    public int Lost { get; init; }

    /// <summary>Replicas that may be there at once.</summary>
    internal int Most => Math.Max(Model.MinReplicas, Model.MaxReplicas);

    /// <summary>Share of what a rank adds to the capacity that is expected to be used at the busiest moment of the horizon; all where nobody knows.</summary>
    /// <param name="rank">1 for the first replica.</param>
    internal double ExpectedShare(int rank)
    {
        if (CapacityOfEach(rank) is not { } each || CapacityOfEach(Math.Max(1, rank - 1)) is not { } before) return 1;
        var (from, width) = ((rank - 1) * before, (rank * each) - ((rank - 1) * before));
        if (!(width > 0)) return 1;
        Demand.TryGetLast(out var lately);
        if (Ahead.IsEmpty) return Math.Clamp((lately - from) / width, 0, 1);
        const int Slices = 50;
        var sum = 0.0;
        for (var i = 0; i < Slices; i++)
            sum += Math.Clamp((Math.Max(lately, WindowForecast.Between(Ahead.AsSpan(), (i + 0.5) / Slices)) - from) / width, 0, 1);
        return sum / Slices;
    }

    /// <summary>
    /// What each of so many replicas carries that share the requests; null where nobody knows what one does. The mean where those that
    /// are there are of several variants.
    /// </summary>
    public double? CapacityOfEach(int replicas)
    {
        if (Mix is null || replicas < 1) return replicas < 1 || Left.IsDefault ? CapacityOfOneAmong(replicas) : CapacityOfOneAmong(replicas) * Worth(replicas) / replicas;
        var counts = Mix.First(There.AsSpan(), replicas, IndexOf(Variant.Id));
        return Mix.CapacityOf(counts) is var all && double.IsFinite(all) ? all / replicas : null;
    }

    /// <summary>The position among <see cref="Ways"/> of the one that a replica of the variant runs in; -1 where it is none of them.</summary>
    internal int IndexOf(VariantId variant)
    {
        for (var i = 0; i < Ways.Length; i++)
            if (Ways[i].Model.Has(variant)) return i;
        return -1;
    }

    /// <summary>What one of the variant carries among so many that share the requests; null where nobody knows.</summary>
    internal double? CapacityOfOneAmong(int replicas) =>
        Capacity is { } one && !Pooled.IsDefault ? one * ServicePrior.PooledAt(Pooled.AsSpan(), replicas) : Capacity;

    /// <summary>
    /// Where a replica of the variant comes among those that are kept, 0 for the first: those that are cheapest for what they carry;
    /// by the order of targets where no prices decide.
    /// </summary>
    internal int RankOf(VariantId variant)
    {
        if (Mix is null) return Parts.Rank(Model, variant);
        var at = IndexOf(variant);
        for (var rank = 0; rank < Mix.Order.Length; rank++)
            if (Mix.Order[rank] == at) return rank;
        return int.MaxValue;
    }
}
