using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// A fixed part and seconds for each byte, as loads of several models show them: the prior of a model that never loaded here.
/// Neither is ever negative, so more bytes never load faster.
/// </summary>
internal readonly record struct LoadLine(double FixedSeconds, double SecondsPerByte)
{
    // What is assumed counts as a tenth of a load: enough to settle what the loads leave open (one size shows no slope).
    private const double AssumedSay = 0.1;

    // A load that is off the line by more than half pulls no harder than one that is off by half (Huber's weight).
    private const double Far = 0.5;
    private const int Passes = 8;

    // Nominal bandwidth under-predicts measured loads by 19 to 31 % (design §5).
    private const double LeastSpread = 1.3;

    /// <summary>How much longer than the line nine of ten loads stay below.</summary>
    public double P90Factor { get; init; } = LeastSpread;

    public LoadEstimate Estimate(Bytes size)
    {
        var median = FixedSeconds + (Math.Max(0, size.Value) * SecondsPerByte);
        return LoadEstimate.Of(median, median * P90Factor, 0);
    }

    /// <summary>
    /// Least squares of relative errors. A load whose server told how long it read shows both parts; any other their sum.
    /// </summary>
    public static LoadLine Of(ImmutableArray<LoadSample> loads, PlannerSettings settings)
    {
        var assumed = new LoadLine(settings.AssumedLoadFixed.TotalSeconds, 1.0 / Math.Max(1, settings.AssumedLoadBandwidth.Value));
        if (loads.IsEmpty) return assumed;
        var line = assumed;
        for (var pass = 0; pass < Passes; pass++) line = line.Refitted(loads, assumed);
        return line with { P90Factor = line.Spread(loads) };
    }

    private LoadLine Refitted(ImmutableArray<LoadSample> loads, LoadLine assumed)
    {
        // Unknowns are the two parts in units of what is assumed, which keeps the sums near one.
        var sums = new Sums();
        sums.Add(1, 0, 1, AssumedSay);
        sums.Add(0, 1, 1, AssumedSay);
        foreach (var load in loads)
        {
            double took = load.Took.TotalSeconds, size = load.Size.Value;
            if (load.Read is { } read && read > TimeSpan.Zero && read < load.Took && size > 0)
            {
                Observe(sums, assumed, 0, size, read.TotalSeconds, 0.5);
                Observe(sums, assumed, 1, 0, took - read.TotalSeconds, 0.5);
            }
            else
                Observe(sums, assumed, 1, size, took, 1);
        }

        var (start, slope) = sums.Solved();
        return new LoadLine(start * assumed.FixedSeconds, slope * assumed.SecondsPerByte);
    }

    private void Observe(Sums sums, LoadLine assumed, double starts, double bytes, double seconds, double weight)
    {
        // Of what was observed and what the line says the larger is the measure, so that neither a tiny nor a huge one rules.
        var said = (starts * FixedSeconds) + (bytes * SecondsPerByte);
        var measure = Math.Max(Math.Max(said, seconds), 1e-6);
        var off = Math.Abs(said - seconds) / measure;
        sums.Add(
            starts * assumed.FixedSeconds / measure, bytes * assumed.SecondsPerByte / measure, seconds / measure,
            weight * Math.Min(1, Far / Math.Max(off, 1e-9)));
    }

    private double Spread(ImmutableArray<LoadSample> loads)
    {
        Span<double> logs = stackalloc double[loads.Length];
        for (var i = 0; i < logs.Length; i++)
        {
            var said = FixedSeconds + (loads[i].Size.Value * SecondsPerByte);
            logs[i] = Math.Log(loads[i].Took.TotalSeconds / Math.Max(said, 1e-6));
        }

        return Math.Max(LeastSpread, Math.Exp(LoadQuantiles.Of(logs, 1).P90));
    }

    // Normal equations of two unknowns.
    private sealed class Sums
    {
        private double _aa, _ab, _bb, _ay, _by;

        public void Add(double a, double b, double y, double weight)
        {
            _aa += weight * a * a;
            _ab += weight * a * b;
            _bb += weight * b * b;
            _ay += weight * a * y;
            _by += weight * b * y;
        }

        public (double A, double B) Solved()
        {
            var determinant = (_aa * _bb) - (_ab * _ab);
            var a = ((_ay * _bb) - (_by * _ab)) / determinant;
            var b = ((_by * _aa) - (_ay * _ab)) / determinant;
            return (a, b) switch
            {
                ( < 0, _) => (0, _by / _bb),
                (_, < 0) => (_ay / _aa, 0),
                _ => (a, b),
            };
        }
    }
}
