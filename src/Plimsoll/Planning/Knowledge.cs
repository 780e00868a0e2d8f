using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Plimsoll.Json;

namespace Plimsoll;

/// <summary>
/// Everything the planner remembers, as a value: it is checkpointed after each tick, and a restarted controller
/// that has it has forgotten nothing. Learned from observations only (<see cref="Fold"/>).
/// </summary>
public sealed partial record Knowledge
{
    public static readonly Knowledge Empty = new();

    /// <summary>When the last snapshot was folded in; null before the first.</summary>
    public DateTimeOffset? FoldedAt { get; init; }

    /// <summary>Ordered by model.</summary>
    public ImmutableSortedDictionary<ModelId, ModelKnowledge> Models { get; init; } =
        ImmutableSortedDictionary<ModelId, ModelKnowledge>.Empty;

    /// <summary>Bandwidth and fixed cost of loads over all models: the prior of a model that never loaded.</summary>
    public LoadStatistics FleetLoads { get; init; } = LoadStatistics.None;

    /// <summary>Bandwidth of fetches into the model cache, over all models.</summary>
    public LoadStatistics FleetFetches { get; init; } = LoadStatistics.None;

    /// <summary>How long nodes took to come, by pool; null before any did, so that older journals read and hash as they did.</summary>
    public ImmutableSortedDictionary<string, LoadStatistics>? NodeBoots { get; init; }

    /// <summary>What is known of training; null before any job was seen, so that older journals read and hash as they did.</summary>
    public TrainingKnowledge? Training { get; init; }

    /// <summary>From asking for a node of the pool to its being ready: stated, or the p90 of what was observed, or assumed.</summary>
    public TimeSpan BootTime(NodePool pool)
    {
        ArgumentNullException.ThrowIfNull(pool);
        return pool.BootTime ?? NodeBoots?.GetValueOrDefault(pool.Name)?.Estimate()?.P90 ?? NodePool.BootTimeAssumed;
    }

    public ModelKnowledge Of(ModelId model) => (_lookup.Of == Models ? _lookup : _lookup = new Lookup(Models)).By.GetValueOrDefault(model, ModelKnowledge.Nothing);

    // The same by hash: a turn asks of each model several times, and to find one of ten thousand in a tree takes a microsecond. Made when it
    // is first asked for, and no part of the value: any two are equal.
    private Lookup _lookup = Lookup.Nothing;

    private sealed class Lookup(ImmutableSortedDictionary<ModelId, ModelKnowledge> of) : IEquatable<Lookup>
    {
        public static readonly Lookup Nothing = new(ImmutableSortedDictionary<ModelId, ModelKnowledge>.Empty);

        public ImmutableSortedDictionary<ModelId, ModelKnowledge> Of { get; } = of;

        public Dictionary<ModelId, ModelKnowledge> By { get; } = new(of);

        public bool Equals(Lookup? other) => other is not null;

        public override bool Equals(object? obj) => obj is Lookup;

        public override int GetHashCode() => 0;
    }
}

/// <summary>What is known of one model.</summary>
public sealed record ModelKnowledge
{
    public static readonly ModelKnowledge Nothing = new();

    /// <summary>One more than the highest ordinal ever observed on a replica of it.</summary>
    public int NextOrdinal { get; init; } = 1;

    public DemandHistory Demand { get; init; } = DemandHistory.None;

    /// <summary>
    /// What is learned of the largest rate over windows ahead, in the planner's compact form; null where the settings do not
    /// forecast, so that older journals read and hash as they did.
    /// </summary>
    [JsonConverter(typeof(CompactForecastConverter))]
    public DemandForecast? Forecast { get; init; }

    /// <summary>
    /// What the days before say of hours ahead; null where nobody looks further ahead than <see cref="Forecast"/> does, or where the
    /// settings do not forecast seasons.
    /// </summary>
    [JsonConverter(typeof(SeasonalForecastConverter))]
    public SeasonalForecast? Seasons { get; init; }

    /// <summary>How long it lay idle between uses; null before it was used, or where the settings do not forecast.</summary>
    [JsonConverter(typeof(IdleTimesConverter))]
    public IdleTimes? IdleTimes { get; init; }

    /// <summary>Times of day at which it is asked for after a pause; null before it was, or where the settings do not wake ahead.</summary>
    [JsonConverter(typeof(DailyStartsConverter))]
    public DailyStarts? Daily { get; init; }

    /// <summary>
    /// How long its further replicas were not wanted while others were; null before any was, or where the settings do not forecast.
    /// </summary>
    [JsonConverter(typeof(SurplusTimesConverter))]
    public SurplusTimes? Surplus { get; init; }

    /// <summary>What late requests add to the quantile that is covered; null while none asked for more.</summary>
    public ShortageCost? Shortage { get; init; }

    /// <summary>
    /// Requests that came while no replica served and were late for its load, less those that the target allows; 0, and not in
    /// JSON, while there are none.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public double LoadDebt { get; init; }

    /// <summary>Load times of the version <see cref="Version"/>.</summary>
    public LoadStatistics Loads { get; init; } = LoadStatistics.None;

    /// <summary>
    /// The same by variant, and so by kind of device, where the model has several; null before any of those loaded, so that
    /// older journals read and hash as they did.
    /// </summary>
    public ImmutableSortedDictionary<VariantId, LoadStatistics>? VariantLoads { get; init; }

    /// <summary>Times it took to wake, of the version <see cref="Version"/>; null before any did, so that older journals read and hash as they did.</summary>
    public LoadStatistics? Wakes { get; init; }

    /// <summary>Measured memory by variant, of the version <see cref="Version"/>; ordered by variant.</summary>
    public ImmutableSortedDictionary<VariantId, MeasuredMemory> Memory { get; init; } =
        ImmutableSortedDictionary<VariantId, MeasuredMemory>.Empty;

    /// <summary>Service time against requests in the replica; decayed.</summary>
    public ServiceFit Service { get; init; } = ServiceFit.None;

    /// <summary>
    /// The same by variant, where the model has several, of intervals in which replicas of that one alone served; null before any
    /// did, so that older journals read and hash as they did.
    /// </summary>
    public ImmutableSortedDictionary<VariantId, ServiceFit>? VariantServices { get; init; }

    /// <summary>
    /// How many times as long as predicted its steps take, by variant, of the version <see cref="Version"/>; null before any with a
    /// prediction was seen at work, so that older journals read and hash as they did.
    /// </summary>
    public ImmutableSortedDictionary<VariantId, Slowness>? Paces { get; init; }

    /// <summary>How long its requests are; null before any server counted tokens.</summary>
    public TokenMeans? Tokens { get; init; }

    /// <summary>The version the measurements are of; another version starts afresh.</summary>
    public string? Version { get; init; }

    public DateTimeOffset? LastArrival { get; init; }

    /// <summary>
    /// Arrivals a second over the minute that ended with the last arrival: what a return would meet. Idling does not
    /// wear it down, or a model would look less worth holding the longer it is held.
    /// </summary>
    public double ActiveRate { get; init; }

    /// <summary>
    /// While what is seen only bounds demand from below: arrivals a second in the minute before that began, which the
    /// demand is not taken to have fallen under. Null while all is counted.
    /// </summary>
    public double? RateBeforeCensored { get; init; }

    /// <summary>
    /// Element k is when at least k + 1 replicas were last wanted: how long each rank has been surplus. At most as
    /// long as the model's largest number of replicas.
    /// </summary>
    public ImmutableArray<DateTimeOffset> LastWanted { get; init; } = [];

    /// <summary>
    /// Request-seconds held since the model last served without anybody waiting. Requests whose time ran out leave what
    /// they lost behind, or a model with few of them could never pay for a place.
    /// </summary>
    public double HeldDebt { get; init; }

    /// <summary>
    /// What it has cost more than other hardware that is free would have; null while it runs on the cheapest, or where the settings do not
    /// move it, so that older journals read and hash as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Overpaid? Overpaid { get; init; }

    /// <summary>Since when more is wanted than there is, without a pause; null while there is enough. Left out of JSON then.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? ShortSince { get; init; }

    public FailureRecord Failures { get; init; } = FailureRecord.None;

    /// <summary>Loads that tell of the variant: its own, or all of the model's before it has any.</summary>
    public LoadStatistics LoadsOf(VariantId variant) => VariantLoads?.GetValueOrDefault(variant) ?? Loads;

    /// <summary>Service times that tell of the variant: its own, or all of the model's before it has any.</summary>
    public ServiceFit ServiceOf(VariantId variant) => VariantServices?.GetValueOrDefault(variant) ?? Service;

    /// <summary>What the size-blind rule recommended lately; empty under our own rules.</summary>
    public ImmutableArray<Recommendation> Recommendations { get; init; } = [];
}

/// <summary>What a model has cost more than it would have elsewhere.</summary>
/// <param name="Since">From when on.</param>
/// <param name="At">Until when that was looked at.</param>
/// <param name="Usd">Dollars, all together.</param>
/// <param name="Settled">That it is to be there has been decided: of what runs the cheapest is kept.</param>
public sealed record Overpaid(
    DateTimeOffset Since, DateTimeOffset At, double Usd, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool Settled = false);

/// <summary>A replica count that was recommended, and when.</summary>
public sealed record Recommendation(DateTimeOffset At, int Replicas);

/// <summary>Failures in a row; cleared by a load that ends well and a replica that serves.</summary>
/// <param name="Count">How many in a row.</param>
/// <param name="NotBefore">No start before this moment; null with no failure.</param>
/// <param name="Why">What the last one said.</param>
public sealed record FailureRecord(int Count, DateTimeOffset? NotBefore, string Why)
{
    public static readonly FailureRecord None = new(0, null, "");

    /// <summary>Of these, how often one that sleeps was not to be woken, in a row; 0, and not in JSON, while none was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int Wakes { get; init; }

    /// <summary>How long to wait after so many in a row: from the first backoff on twice as long each time, to the largest.</summary>
    internal static TimeSpan Wait(int count, PlannerSettings settings)
    {
        var doubled = settings.CrashBackoff.Ticks * Math.Pow(2, Math.Min(count - 1, 30));
        return TimeSpan.FromTicks((long)Math.Min(doubled, settings.CrashBackoffMax.Ticks));
    }

    /// <summary>
    /// Whether the last one was before a replica came to serve, which then is a load that ended well: one that has served all along says
    /// nothing of how the next one loads.
    /// </summary>
    internal bool IsBefore(DateTimeOffset servesSince, PlannerSettings settings) => NotBefore is not { } moment || servesSince >= moment - Wait(Count, settings);

    /// <summary>
    /// The moment before which nothing is started; null where there is none, or it is over. One further ahead than the longest wait was set before
    /// the clock was put back, and is none.
    /// </summary>
    internal DateTimeOffset? HoldsUntil(DateTimeOffset at, PlannerSettings settings) =>
        NotBefore is { } moment && moment > at && moment - at <= settings.CrashBackoffMax ? moment : null;
}

/// <summary>The largest values measured so far, over loads of one variant.</summary>
public sealed record MeasuredMemory(Bytes? LoadPeak, Bytes Steady, int Samples)
{
    /// <summary>On the device where it used most; null on the processor, or where no driver told.</summary>
    public Bytes? PerDevice { get; init; }

    /// <summary>
    /// Nobody has seen it at work yet: what a replica takes grows with its first requests, so that no less than was expected is charged until
    /// then. Left out of JSON when false.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Unworked { get; init; }

    /// <summary>The same while it slept; null before any was seen to, so that older journals read and hash as they did.</summary>
    public Bytes? PerDeviceAsleep { get; init; }

    /// <summary>What was expected of each device as it was measured; null where nobody notes it. Left out of JSON then.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Bytes? Expected { get; init; }

    /// <summary>Replicas that started before this take what was asked for then, and say nothing. Left out of JSON where there was no such moment.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Since { get; init; }

    // Devices of a kind differ by as much, and whoever is the smallest of them comes and goes.
    private const double AboutSame = 0.98;

    /// <summary>
    /// With what is expected now: where that is less, as with a smaller share of the device's memory, what was measured of devices is
    /// another thing's.
    /// </summary>
    internal MeasuredMemory Expecting(Bytes? perDevice, DateTimeOffset at)
    {
        if (perDevice == Expected || (perDevice < Expected && perDevice >= Expected.Value.Scale(AboutSame))) return this;
        return perDevice is null || perDevice < Expected
            ? this with { Expected = perDevice, PerDevice = null, PerDeviceAsleep = null, Since = at } : this with { Expected = perDevice };
    }
}
