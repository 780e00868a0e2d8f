using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// The clockwork of planning. These are time scales of the loop, not utilisation targets: what to hold and how much
/// to keep follow from weights, prices and demand.
/// </summary>
public sealed record PlannerSettings
{
    /// <summary>A tenth of a contended place's time goes into loads.</summary>
    public const int LoadsPerTurnUsual = 10;

    /// <summary>
    /// With every rule in force that journals of before do not know: what fleet files, clusters, scenarios and the demo run under.
    /// </summary>
    public static readonly PlannerSettings Latest = new()
    {
        ForecastDemand = true,
        WakeAhead = true,
        ForecastSeasons = true,
        DrainAsLongAsSeen = true,
        CheapestVariant = true,
        LoadsPerTurn = LoadsPerTurnUsual,
        CorrectBothWays = true,
        StartsMustPay = true,
        MoveWhereCheaper = true,
        ClaimantsShare = true,
        TriesNeighbours = true,
        LoadsAsLearned = true,
        CountsOnlyActing = true,
        NodesByWay = true,
        LoadsShareLinks = true,
        SuccessorsWait = true,
        PaysWhereOthersCannot = true,
        CopiesWhereItRuns = true,
        PriorUntilWorked = true,
        LeavingNodesFirst = true,
        LoadsWorkOff = true,
        ShortagesLast = true,
        LearnsSoberly = true,
        LooksPastSleepers = true,
        LossesTogether = true,
        CountsWindowsBetween = true,
        CoversLess = true,
        IdleIsSeen = true,
        ReplacedByQuarters = true,
        AsksWithinReach = true,
        SharesTime = true,
        MovesForTime = true,
        HeedsStuckGangs = true,
        GangsUseTime = true,
        MakesTime = true,
        EndsLateWakes = true,
        MovesWhole = true,
    };

    /// <summary>Time between two regular ticks.</summary>
    public TimeSpan Review { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Width of one bucket of remembered demand.</summary>
    public TimeSpan DemandBucket { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>What counts as lately: five reviews, in whole buckets of demand. A model that nobody asked for as long rests.</summary>
    internal TimeSpan Lately => TimeSpan.FromTicks(Math.Max(1, (long)Math.Ceiling(5.0 * Review.Ticks / DemandBucket.Ticks)) * DemandBucket.Ticks);

    /// <summary>Buckets remembered per model.</summary>
    public int DemandBuckets { get; init; } = 600;

    /// <summary>
    /// Whether demand ahead is forecast (<see cref="DemandForecast"/>) where enough was seen, and not only judged by the most of
    /// the recent past. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ForecastDemand { get; init; }

    /// <summary>
    /// Whether a model at zero is loaded ahead of a use that comes at about the same time of day, where that costs less than the cold start
    /// (<see cref="DailyStarts"/>); with <see cref="ForecastDemand"/> alone. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool WakeAhead { get; init; }

    /// <summary>
    /// Whether a model that is looked ahead for by more than ten minutes is forecast by the days and weeks before
    /// (<see cref="SeasonalForecast"/>); with <see cref="ForecastDemand"/> alone. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ForecastSeasons { get; init; }

    /// <summary>How long a draining replica may finish what it holds before it is stopped.</summary>
    public TimeSpan DrainDeadline { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether it may take longer where the model's requests do: a quarter over the longest that was seen, an answer of minutes
    /// being worth no less than one of seconds. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool DrainAsLongAsSeen { get; init; }

    /// <summary>
    /// Whether the cheapest way to run a model is chosen where prices are known, and not the first that some node has the devices for: of
    /// its variants where the body places replicas, of its targets where a scheduler does. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool CheapestVariant { get; init; }

    /// <summary>
    /// How many loads long equals that contend for a place keep it, where they take turns: loads take one part in so many of its time. 0 for
    /// one load, and for requests that wait however long: left out of JSON then, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int LoadsPerTurn { get; init; }

    /// <summary>
    /// Whether requests in time lower the quantile that demand is covered at, and late ones do not only raise it. Left out of JSON when
    /// false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool CorrectBothWays { get; init; }

    /// <summary>
    /// Whether a further replica beside others that serve is started only where it is wanted with a probability that pays for its start
    /// too, not for a queue that is gone before it could have loaded, and stays twenty loads at the least, or a minute. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool StartsMustPay { get; init; }

    /// <summary>
    /// Whether what runs is replaced by what carries the same for less, in ways that a model is known to run in and room that is free, once the
    /// difference has come to what the change costs. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool MoveWhereCheaper { get; init; }

    /// <summary>
    /// Whether equals that wait and find room in one place pay together for whom they push out, and not each alone. Left out of JSON when
    /// false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ClaimantsShare { get; init; }

    /// <summary>
    /// Whether, where few claim rooms of a small fleet, orders are tried in which one of them stands elsewhere than in the best so far. Left out
    /// of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool TriesNeighbours { get; init; }

    /// <summary>
    /// Whether a load is overdue by what is learned of its model, or known of its weight, where its body expects it to end sooner, and one
    /// that may return is waited for as long as another would take to load. Left out of JSON when false, so that older journals read, hash
    /// and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LoadsAsLearned { get; init; }

    /// <summary>
    /// Whether what is only shown is planned after all that is done, nodes that are asked for too: what only would go makes no room, and what
    /// only would come takes none.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool CountsOnlyActing { get; init; }

    /// <summary>
    /// Whether a model that may run in several ways is asked nodes for way by way, all that it lacks at once, and looked ahead for so.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool NodesByWay { get; init; }

    /// <summary>
    /// Whether a load is given the time of all that load beside it on its node, and twice as long after each that was ended for being overdue.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LoadsShareLinks { get; init; }

    /// <summary>
    /// Whether replicas of the version before go for their successors only where nobody else can, and no more at once than leave the model one
    /// fewer than it wants.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool SuccessorsWait { get; init; }

    /// <summary>
    /// Whether who was refused room keeps those of lower priority from buying only what it could run on itself.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool PaysWhereOthersCannot { get; init; }

    /// <summary>
    /// Whether weights on a disk count where their model could run, and nowhere else.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool CopiesWhereItRuns { get; init; }

    /// <summary>
    /// Whether what a replica takes is no less than was expected until it has worked, and of one that is stopped while it loads the load's.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool PriorUntilWorked { get; init; }

    /// <summary>
    /// Whether of a surplus those on nodes that are told to go, or are not ready, go first.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LeavingNodesFirst { get; init; }

    /// <summary>
    /// Whether of what waits only that is worked off by a further replica which those that serve and load will not have worked off before it
    /// could serve. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LoadsWorkOff { get; init; }

    /// <summary>
    /// Whether who serves and lacks a further replica pushes out others of lower priority that are in use only once it was short for a tenth
    /// of its load. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ShortagesLast { get; init; }

    /// <summary>
    /// Whether one request that took absurdly long, replicas of another version, a clock that was set back and the edge of what was counted
    /// teach nothing, and memory that was measured is forgotten where less is asked for now.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LearnsSoberly { get; init; }

    /// <summary>
    /// Whether demand is looked ahead for by the time of a load, and not of a wake, where those that sleep would not be enough for it.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LooksPastSleepers { get; init; }

    /// <summary>
    /// Whether what is lost by letting several replicas of a model go is weighed together, and not for each as if all others stayed.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LossesTogether { get; init; }

    /// <summary>
    /// Whether for a time ahead between two lengths of learned windows so many windows count as were seen as long as that time, and not those
    /// of the longer length alone. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool CountsWindowsBetween { get; init; }

    /// <summary>
    /// Whether requests in time may lower the quantile of demand that is covered to a hundredth, drawn on below what is learned, and not to a
    /// twentieth alone. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool CoversLess { get; init; }

    /// <summary>
    /// Whether a model is idle only as far as its requests were counted: one whose counts are missing keeps its places, one that matters more
    /// than who claims them keeps them between two requests, one that nobody ever asked is idle since it was last wanted, and what arrives now is
    /// the mean of the time that was seen. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IdleIsSeen { get; init; }

    /// <summary>
    /// Whether replicas of a version that is replaced go only as far as those that are wanted go on serving, and another goes in place of a
    /// surplus one that may not. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool ReplacedByQuarters { get; init; }

    /// <summary>
    /// Whether who waits to wake does so only where that comes sooner than a load elsewhere, copies of weights are worth what lately was asked
    /// of them, and no more nodes are asked for than a quota lets all together use.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool AsksWithinReach { get; init; }

    /// <summary>
    /// Whether replicas share a device only where all of them then carry what they are to, and what one carries is what is left of it beside the others.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool SharesTime { get; init; }

    /// <summary>
    /// Whether who is too slow beside others on its device moves to one with the time even where its model has as many replicas as it may, and
    /// the orders that are tried for claims heed devices' time.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool MovesForTime { get; init; }

    /// <summary>
    /// Whether a gang that could not be told to go is let be for waits that double, so that others may go in its place, and one of which a part finds
    /// no place gives all back even where it gives way to nobody: nothing of it trains.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool HeedsStuckGangs { get; init; }

    /// <summary>
    /// Whether members of gangs use the time of the devices that they are on, where that of replicas counts (<see cref="SharesTime"/>).
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool GangsUseTime { get; init; }

    /// <summary>
    /// Whether those of lower priority go for a replica that finds room and no time on any device, and who goes where room is made is chosen so
    /// that there is time too.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool MakesTime { get; init; }

    /// <summary>
    /// Whether a wake past its expected end by <see cref="OverdueFactor"/> is ended as a load is, and no longer counted on.
    /// Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool EndsLateWakes { get; init; }

    /// <summary>
    /// Whether what is to replace dearer replicas together begins only where all of it finds room, disk, time and quota, and nothing is fetched or
    /// evicted for a part of it. Left out of JSON when false, so that older journals read, hash and replay as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool MovesWhole { get; init; }

    /// <summary>Waiting time after a replica's first failure; doubles with each further one.</summary>
    public TimeSpan CrashBackoff { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan CrashBackoffMax { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A load that takes this many times its expected p90 is overdue: it no longer counts as supply.</summary>
    public double OverdueFactor { get; init; } = 3;

    /// <summary>Bandwidth assumed for reading weights before any load was seen.</summary>
    public BytesPerSecond AssumedLoadBandwidth { get; init; } = BytesPerSecond.MiB(200);

    /// <summary>Fixed part of a load before any was seen: process start and first inference.</summary>
    public TimeSpan AssumedLoadFixed { get; init; } = TimeSpan.FromSeconds(2);
}
