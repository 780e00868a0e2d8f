namespace Plimsoll;

/// <summary>
/// What a place is worth to a model among others that want it: requests that are served in time for having it. The devices are
/// paid for whoever holds them, so money has no part in it.
/// </summary>
/// <param name="settings">Width of a bucket of demand.</param>
/// <param name="at">Now.</param>
/// <param name="prices">What devices and memory cost, to compare sizes by.</param>
/// <param name="knowledge">What arrived lately, of every model.</param>
internal sealed class Worth(PlannerSettings settings, DateTimeOffset at, Prices prices, Knowledge knowledge)
{
    // Mean arrivals a second over the last 1, 2, 4, … buckets.
    private readonly Dictionary<ModelId, double[]> _rates = [];

    private readonly int _windows = 1 + (int)Math.Ceiling(Math.Log2(Math.Max(1, settings.DemandBuckets)));

    /// <summary>
    /// The times over which a claimant's want is weighed against what the others serve meanwhile, each twice the one before:
    /// what counts is the stretch, up to now, over which it lost most beyond them. Never more than what the heavier of the two remembers,
    /// so that an old want does not pay for ever.
    /// </summary>
    /// <param name="claimant">Who wants the place.</param>
    /// <param name="longest">The longest horizon of those concerned.</param>
    public IEnumerable<TimeSpan> Stretches(ModelOutlook claimant, TimeSpan longest)
    {
        var wanted = knowledge.Of(claimant.Model.Id).LackingSince is { } since ? Outlooks.Positive(at - since) : TimeSpan.Zero;
        var remembered = Outlooks.Lookback(longest);
        var most = wanted < remembered ? wanted : remembered;
        yield return settings.DemandBucket;
        for (var window = 1; window < _windows && settings.DemandBucket * (1 << window) <= most; window++) yield return settings.DemandBucket * (1 << window);
        if (most > settings.DemandBucket * (1 << (_windows - 1))) yield return most;
    }

    /// <summary>Requests a second that a claimant's next replica would carry.</summary>
    /// <param name="claimant">Who wants it.</param>
    /// <param name="have">Replicas it has, and others the plan starts.</param>
    /// <param name="over">The stretch its want is judged over; of one that has replicas never less than both loads take.</param>
    /// <param name="both">What its load and the other's take.</param>
    public double Gain(ModelOutlook claimant, int have, TimeSpan over, TimeSpan both)
    {
        var rate = Rate(claimant.Model.Id, have > 0 && both > over ? both : over);
        return Carried(claimant, rate, have + 1) - Carried(claimant, rate, have);
    }

    /// <summary>
    /// Requests that a model loses by letting go of some of its replicas: what they carry, over the stretch that the
    /// claimant's want is judged by and both loads; and where it rests, what would wait for its load if it is needed before it
    /// could be back, 1 + λ T, by how likely that is.
    /// </summary>
    /// <param name="owner">Whose replicas would go.</param>
    /// <param name="count">How many.</param>
    /// <param name="over">The stretch; nothing for what going itself costs.</param>
    /// <param name="claimant">For whom.</param>
    /// <param name="withWeights">Whether its weights leave the disk too, so that they must be fetched, as the claimant's must first.</param>
    public double Loss(ModelOutlook owner, int count, TimeSpan over, ModelOutlook claimant, bool withWeights)
    {
        var both = Both(owner, claimant, withWeights);
        var have = Math.Max(owner.Supply, count);
        var rate = Rate(owner.Model.Id, over > both ? over : both);
        var carried = Carried(owner, rate, have) - Carried(owner, rate, have - count);
        var share = owner.ActiveRate > 0
            ? (Carried(owner, owner.ActiveRate, have) - Carried(owner, owner.ActiveRate, have - count)) / owner.ActiveRate
            : have == count ? 1 : 0;
        var waiting = 1 + (owner.ActiveRate * Reload(owner, withWeights).TotalSeconds);
        // As many more as two that ask alike differ by chance.
        var chance = Math.Sqrt(2 * carried * over.TotalSeconds);
        return Math.Max((carried * (over + both).TotalSeconds) + chance, Returns(owner, both) * waiting * share);
    }

    /// <summary>Both loads, one after the other: what a place is out of use for when it changes hands and back.</summary>
    public static TimeSpan Both(ModelOutlook owner, ModelOutlook claimant, bool withWeights) => Reload(owner, withWeights) + Reload(claimant, withWeights);

    /// <summary>
    /// Requests a second and dollar of what it takes, or byte where not all has a price: whose claims come first among equals.
    /// </summary>
    public double Density(ModelOutlook claimant, int have, bool priced) => Next(claimant, have) / Math.Max(1e-9, Size(claimant, priced));

    /// <summary>Requests a second, of those of its last minute in use, that a claimant's next replica would carry.</summary>
    public static double Next(ModelOutlook claimant, int have) =>
        Carried(claimant, claimant.ActiveRate, have + 1) - Carried(claimant, claimant.ActiveRate, have);

    /// <summary>Whether everything that these take has a price.</summary>
    public bool Priced(IEnumerable<ModelOutlook> outlooks) => outlooks.All(outlook => Price(outlook) > 0);

    private double Size(ModelOutlook outlook, bool priced) => priced ? Price(outlook)
        : outlook.Needs.PerDevice is { } each ? outlook.Needs.Devices * (double)each.Highest.Value : outlook.Needs.Host.Highest.Value;

    private double Price(ModelOutlook outlook) => outlook.Needs.Devices > 0
        ? outlook.Needs.Devices * (double)prices.Devices.Where(price => price.Kind == outlook.Variant.DeviceKind).Select(price => price.PerDevice.Micro).FirstOrDefault()
        : (prices.HostMemoryPerGiB?.Micro ?? 0) * (outlook.Needs.Host.Steady.Value / (double)Bytes.GiB(1).Value);

    // Idle for long makes a return soon unlikely: by the gaps there were, else one return per idle time so far.
    private double Returns(ModelOutlook owner, TimeSpan within)
    {
        owner.Demand.TryGetLast(out var lately);
        if (lately > 0 || owner.Outstanding > 0 || owner.Held > 0) return 1;
        if (owner.Idle is not { } idle) return 0;
        return knowledge.Of(owner.Model.Id).IdleTimes is { Weight: >= IdleTimes.GapsLeast } gaps && gaps.ArrivesWithin(within, idle).TryGetKnown(out var learned)
            ? learned : 1 - Math.Exp(-within.TotalSeconds / Math.Max(idle.TotalSeconds, 1e-3));
    }

    private static TimeSpan Reload(ModelOutlook outlook, bool withWeights) => outlook.LoadFromDisk.P90 + (withWeights ? outlook.Fetch.P90 : TimeSpan.Zero);

    private static double Carried(ModelOutlook outlook, double rate, int replicas) =>
        replicas <= 0 ? 0 : outlook.CapacityOfEach(replicas) is { } each and > 0 ? Math.Min(rate, replicas * each) : rate;

    private double Rate(ModelId model, TimeSpan over)
    {
        if (!_rates.TryGetValue(model, out var rates))
        {
            var demand = knowledge.Of(model).Demand;
            rates = _rates[model] = [.. Enumerable.Range(0, _windows).Select(window =>
                demand.MeanRate(settings.DemandBucket * (1 << window), settings).TryGetLast(out var rate) ? rate : 0)];
        }

        var buckets = Math.Max(1, over / settings.DemandBucket);
        return rates[(int)Math.Clamp(Math.Ceiling(Math.Log2(buckets) - 1e-9), 0, _windows - 1)];
    }
}
