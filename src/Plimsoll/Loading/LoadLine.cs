using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// A fixed part and seconds for each byte, as loads of several models show them: the prior of a model that never loaded here.
/// Neither is ever negative, so more bytes never load faster.
/// </summary>
internal readonly record struct LoadLine(double FixedSeconds, double SecondsPerByte)
{
    // What is assumed of either part counts as a tenth of a load: enough to settle what the loads leave open (one size shows no slope).
    private const double AssumedSay = 0.1;

    // In logarithms; a load that is further off the line pulls no harder (Huber), or one wild load would bend it.
    private const double Far = 0.5;
    private const double StepMax = 1;
    private const int Steps = 25;

    // Nominal bandwidth under-predicts measured loads by 19 to 31 % (design §5).
    private const double LeastSpread = 1.3;

    /// <summary>How much longer than the line nine of ten loads stay below.</summary>
    public double P90Factor { get; init; } = LeastSpread;

    public LoadEstimate Estimate(Bytes size)
    {
        var median = Seconds(1, Math.Max(0, size.Value));
        return LoadEstimate.Of(median, median * P90Factor, 0);
    }

    /// <summary>
    /// Least squares of the logarithms, by Gauss's and Newton's steps in the logarithms of both parts. A load whose server told
    /// how long it read shows each part by itself; any other shows their sum.
    /// </summary>
    public static LoadLine Of(ImmutableArray<LoadSample> loads, LoadLine assumed)
    {
        if (loads.IsEmpty) return assumed;
        assumed = new LoadLine(Math.Max(1e-3, assumed.FixedSeconds), Math.Max(1e-15, assumed.SecondsPerByte));
        var line = assumed;
        for (var step = 0; step < Steps; step++) line = line.Nearer(loads, assumed);
        return line with { P90Factor = line.Spread(loads) };
    }

    /// <summary>From what the settings assume.</summary>
    public static LoadLine Of(ImmutableArray<LoadSample> loads, PlannerSettings settings) =>
        Of(loads, Declared(settings.AssumedLoadBandwidth, settings));

    /// <summary>The assumed fixed part, and a bandwidth that is stated.</summary>
    public static LoadLine Declared(BytesPerSecond bandwidth, PlannerSettings settings) =>
        new(settings.AssumedLoadFixed.TotalSeconds, 1.0 / Math.Max(1, bandwidth.Value));

    private double Seconds(double starts, double bytes) => (starts * FixedSeconds) + (bytes * SecondsPerByte);

    private LoadLine Nearer(ImmutableArray<LoadSample> loads, LoadLine assumed)
    {
        var sums = new Sums(AssumedSay, Math.Log(assumed.FixedSeconds / FixedSeconds), Math.Log(assumed.SecondsPerByte / SecondsPerByte));
        foreach (var load in loads)
        {
            if (load.Read is { } read && read > TimeSpan.Zero && read < load.Took && load.Size.Value > 0)
            {
                sums.Add(0, Off(0, load.Size.Value, read.TotalSeconds));
                sums.Add(1, Off(1, 0, (load.Took - read).TotalSeconds));
            }
            else
                sums.Add(FixedSeconds / Seconds(1, load.Size.Value), Off(1, load.Size.Value, load.Took.TotalSeconds));
        }

        var (start, slope) = sums.Solved();
        return new LoadLine(
            FixedSeconds * Math.Exp(Math.Clamp(start, -StepMax, StepMax)), SecondsPerByte * Math.Exp(Math.Clamp(slope, -StepMax, StepMax)));
    }

    private double Off(double starts, double bytes, double took) => Math.Clamp(Math.Log(took / Seconds(starts, bytes)), -Far, Far);

    private double Spread(ImmutableArray<LoadSample> loads)
    {
        Span<double> logs = stackalloc double[loads.Length];
        for (var i = 0; i < logs.Length; i++) logs[i] = Math.Log(loads[i].Took.TotalSeconds / Seconds(1, loads[i].Size.Value));
        return Math.Max(LeastSpread, Math.Exp(LoadQuantiles.Of(logs, 1).P90));
    }

    // Normal equations of the two logarithms; what is assumed keeps them from ever being singular.
    private struct Sums(double assumedSay, double start, double slope)
    {
        private double _aa = assumedSay;
        private double _ab;
        private double _bb = assumedSay;
        private double _ay = assumedSay * start;
        private double _by = assumedSay * slope;

        /// <param name="share">What the fixed part is of the time that the line says; the rest is bytes.</param>
        /// <param name="off">How far the load is above it, as a logarithm.</param>
        public void Add(double share, double off)
        {
            _aa += share * share;
            _ab += share * (1 - share);
            _bb += (1 - share) * (1 - share);
            _ay += share * off;
            _by += (1 - share) * off;
        }

        public readonly (double Start, double Slope) Solved()
        {
            var determinant = (_aa * _bb) - (_ab * _ab);
            return (((_ay * _bb) - (_by * _ab)) / determinant, ((_by * _aa) - (_ay * _ab)) / determinant);
        }
    }
}
