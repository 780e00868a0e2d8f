namespace Plimsoll;

/// <summary>What a replica does with the time of its devices at the rate that is planned for it; looked at only where several have one.</summary>
/// <param name="time">What its requests take.</param>
/// <param name="expected">How many a second are expected of it: all on a device hardly have the most of theirs at once.</param>
/// <param name="covered">How many it is to carry.</param>
internal sealed class DeviceUse(ReplicaTime time, double expected, double covered)
{
    /// <summary>A member of a gang: it always has work, and is done later for whatever slows it.</summary>
    public static readonly DeviceUse Always = new DeviceUse(new ReplicaTime(_ => 1, _ => double.PositiveInfinity, oneByOne: true), 1, 0).Reckoned();

    private double? _busy;
    private double? _most;

    /// <summary>Share of the time in which it would have work were it alone.</summary>
    public double Busy => _busy ??= time.Busy(expected);

    /// <summary>How many times as long its work may take and it still carries that rate within the objective.</summary>
    public double SlowdownMost => _most ??= time.SlowdownMost(covered);

    /// <summary>The same, with both reckoned already, for several threads to read.</summary>
    public DeviceUse Reckoned()
    {
        (_busy, _most) = (Busy, SlowdownMost);
        return this;
    }

    // An estimate that is off by so little is not off.
    public const double Slack = 1.02;

    /// <summary>Whether it carries too little where its work takes so many times as long.</summary>
    public bool IsTooSlow(double slowdown) => slowdown > SlowdownMost * Slack;

    /// <summary>
    /// How many others with work there may be at a time on the mean, at the most: 1 - (1 - e^-u) / 2 is the largest part of the time that is
    /// left beside u of them.
    /// </summary>
    public double BesideMost => SlowdownMost * Slack < 2 ? -Math.Log((2 / (SlowdownMost * Slack)) - 1) : double.PositiveInfinity;

    /// <summary>
    /// By how much the one that suffers most is slower than it may be where these share a device; 1 where all carry what they are to.
    /// </summary>
    public static double Excess(ReadOnlySpan<DeviceUse> uses)
    {
        if (uses.Length < 2) return 1;
        Span<double> busy = uses.Length < 64 ? stackalloc double[uses.Length] : new double[uses.Length];
        Span<double> slowed = uses.Length < 64 ? stackalloc double[uses.Length] : new double[uses.Length];
        for (var i = 0; i < busy.Length; i++) busy[i] = uses[i].Busy;
        TakingTurns.Slowdowns(busy, slowed);
        var worst = 1.0;
        for (var i = 0; i < slowed.Length; i++)
        {
            var over = slowed[i] / (uses[i].SlowdownMost * Slack);
            if (over > worst) worst = over;
        }

        return worst;
    }
}
