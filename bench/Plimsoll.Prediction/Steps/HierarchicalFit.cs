using System.Collections.Immutable;
using System.Runtime.InteropServices;
using MathNet.Numerics.LinearAlgebra;

namespace Plimsoll.Prediction.Steps;

/// <summary>
/// Levenberg-Marquardt on logarithms: log coefficient = a prior + the sum of every level's deviation, each held towards
/// zero by how much its level is expected to vary (maximum a posteriori; Gelman and Hill 2007, chapter 12). Residuals are
/// taken for Student's (Lange et al. 1989): rows far off, whose configuration must have been another, hardly weigh.
/// </summary>
internal sealed class HierarchicalFit
{
    /// <summary>How far, in logarithms, a level's factors stray; the last two are of a model as a whole.</summary>
    private static readonly Dictionary<string, double> Stray = new(StringComparer.Ordinal)
    {
        ["all"] = 0.5,
        ["engine"] = 0.25,
        ["generation"] = 0.15,
        ["device"] = 0.12,
        ["table"] = 0.12,
        ["model"] = 0.1,
        ["pair"] = 0.08,
    };

    private const double Freedom = 3;
    private const double DerivativeStep = 1e-4;
    private const int Iterations = 25;

    private readonly Dictionary<(string Level, string Key, int Which), int> _index = [];
    private readonly List<double> _stray = [];
    private readonly double[] _prior;
    private readonly int[][] _rows;
    private readonly int[][] _which;
    private readonly IReadOnlyList<Observation> _observations;
    private double[] _x;

    /// <summary>Coefficients of steps come first, then what is a benchmark's: see <see cref="MeasuringTraits"/>.</summary>
    private static readonly int Steps = StepCoefficients.Count;

    private static readonly string[] TraitLevels = ["all", "benchmark"];

    /// <summary>
    /// How far what a kernel's table says may be moved by whole runs, as a part of the level's stray: shares of experts, whose
    /// load is uneven in runs in another way, and what ranks wait for each other move more.
    /// </summary>
    private const double Held = 0.1, LooselyHeld = 1;

    private readonly IReadOnlyDictionary<(string Level, string Key, int Which), double> _known;
    private readonly List<double> _center = [];

    private HierarchicalFit(
        IReadOnlyList<Observation> observations, StepCoefficients prior, IReadOnlyDictionary<(string Level, string Key, int Which), double> known)
    {
        (_observations, _known) = (observations, known);
        _prior = [.. Enum.GetValues<StepCoefficient>().Select(one => Math.Log(prior[one])), .. MeasuringTraits.Prior.Logs];
        _rows = new int[observations.Count][];
        _which = new int[observations.Count][];
        for (var at = 0; at < observations.Count; at++)
        {
            var pairs = Parameters(observations[at]).ToList();
            _rows[at] = [.. pairs.Select(one => one.At)];
            _which[at] = [.. pairs.Select(one => one.Which)];
        }

        _x = [.. _center];
    }

    /// <summary>What the kernels say by themselves: deviations of each level, which whole runs then start from.</summary>
    public static IReadOnlyDictionary<(string Level, string Key, int Which), double> OfKernels(IEnumerable<Observation> observations, StepCoefficients prior)
    {
        var fit = new HierarchicalFit([.. observations.Where(one => one.IsKernel)], prior, new Dictionary<(string, string, int), double>());
        fit.Solve();

        // Where nothing depends on it (no table is of four bits) a deviation stays exactly what it was, and nothing is known.
        return fit._index.Where(one => fit._x[one.Value] != 0).ToDictionary(one => one.Key, one => fit._x[one.Value]);
    }

    /// <summary>
    /// The calibration that explains whole runs best beside what the kernels said (see <see cref="OfKernels"/>), and the
    /// traits of each one's benchmark.
    /// </summary>
    public static (StepCalibration Calibration, Func<Observation, MeasuringTraits> Traits) Of(
        IReadOnlyList<Observation> observations, IReadOnlyDictionary<(string Level, string Key, int Which), double> kernels,
        StepCoefficients prior, string source, IReadOnlyDictionary<string, double>? spreads = null)
    {
        var fit = new HierarchicalFit([.. observations.Where(one => one.IsSteady && !one.IsKernel)], prior, kernels);
        foreach (var (level, key, which) in kernels.Keys.Where(one => one.Which < Steps)) fit.Index(level, key, which);
        fit._x = [.. fit._center];
        fit.Solve();
        return (fit.Result(source, spreads ?? new Dictionary<string, double>()), fit.TraitsOf);
    }

    private IEnumerable<(int At, int Which)> Parameters(Observation one)
    {
        foreach (var level in StepCalibration.Levels)
        {
            var whole = level is "model" or "pair";
            if (whole && one.IsKernel) continue;
            for (var which = 0; which < Steps; which++)
            {
                var scale = which is (int)StepCoefficient.DecodeScale or (int)StepCoefficient.PrefillScale;
                if (scale != whole || (one.IsKernel && !IsOfKernels((StepCoefficient)which))) continue;
                yield return (Index(level, StepCalibration.KeyOf(one.Subject, level), which), which);
            }
        }

        for (var trait = 0; trait < MeasuringTraits.Count; trait++)
            foreach (var level in TraitLevels)
                if (TraitKey(one, level, trait) is { } key) yield return (Index(level, key, Steps + trait), Steps + trait);
    }

    /// <summary>Null where the trait is none of that row's.</summary>
    private static string? TraitKey(Observation one, string level, int trait)
    {
        if (one.IsKernel != trait >= MeasuringTraits.FirstOfKernels || (trait == MeasuringTraits.OfCampaign && !one.Repeats)) return null;
        if (trait == MeasuringTraits.OfDisaggregated && !one.IsDisaggregated) return null;
        return level == "all" ? "" : one.Benchmark;
    }

    private static bool IsOfKernels(StepCoefficient which) => StepCoefficients.IsShare(which)
        || which is StepCoefficient.AttentionPasses or StepCoefficient.MatrixTokens or StepCoefficient.CollectiveSeconds;

    private int Index(string level, string key, int which)
    {
        if (_index.TryGetValue((level, key, which), out var at)) return at;
        var known = _known.TryGetValue((level, key, which), out var center);
        _center.Add(center);
        _stray.Add(which >= Steps ? MeasuringTraits.Strays[which - Steps] : Stray[level] * (!known ? 1
            : (StepCoefficient)which is StepCoefficient.ExpertCompute or StepCoefficient.ExpertBandwidth or StepCoefficient.CollectiveSeconds ? LooselyHeld : Held));
        return _index[(level, key, which)] = _stray.Count - 1;
    }

    private double[] Logs(int observation)
    {
        var logs = (double[])_prior.Clone();
        var (rows, which) = (_rows[observation], _which[observation]);
        for (var i = 0; i < rows.Length; i++) logs[which[i]] += _x[rows[i]];
        return logs;
    }

    private double Error(int observation, double[] logs)
    {
        var one = _observations[observation];
        var values = new double[Steps];
        for (var i = 0; i < Steps; i++) values[i] = Math.Exp(Math.Clamp(logs[i], -60, 60));
        var fitted = new StepCoefficients(ImmutableCollectionsMarshal.AsImmutableArray(values)).WithinPeaks();
        return one.LogError(fitted, MeasuringTraits.OfLogs(logs.AsSpan(Steps))) / one.Noise;
    }

    private double Cost()
    {
        var costs = new double[_observations.Count];
        Parallel.For(0, costs.Length, at =>
        {
            var error = Error(at, Logs(at));
            costs[at] = (Freedom + 1) / 2 * Math.Log(1 + (error * error / Freedom));
        });
        var cost = costs.Sum();
        for (var i = 0; i < _x.Length; i++) cost += Square((_x[i] - _center[i]) / _stray[i]) / 2;
        return cost;
    }

    private void Solve()
    {
        var (cost, damping) = (Cost(), 1e-3);
        for (var iteration = 0; iteration < Iterations; iteration++)
        {
            var (curvature, slope) = Normal();
            var before = cost;
            var old = _x;
            for (var attempt = 0; attempt < 6; attempt++)
            {
                var damped = curvature.Clone();
                for (var i = 0; i < _x.Length; i++) damped[i, i] *= 1 + damping;
                var step = damped.Cholesky().Solve(slope);
                _x = [.. old.Select((value, i) => value - Math.Clamp(step[i], -1, 1))];
                cost = Cost();
                if (cost < before) break;
                (_x, cost, damping) = (old, before, damping * 8);
            }

            if (before - cost < 1e-5 * before) return;
            damping = Math.Max(1e-9, damping / 4);
        }
    }

    private (Matrix<double> Curvature, Vector<double> Slope) Normal()
    {
        var curvature = Matrix<double>.Build.Dense(_x.Length, _x.Length);
        var slope = Vector<double>.Build.Dense(_x.Length);
        for (var i = 0; i < _x.Length; i++)
        {
            curvature[i, i] = 1 / (_stray[i] * _stray[i]);
            slope[i] = (_x[i] - _center[i]) / (_stray[i] * _stray[i]);
        }

        var gradients = new (double Error, double[] Of)[_observations.Count];
        Parallel.For(0, gradients.Length, at => gradients[at] = Gradient(at));
        for (var at = 0; at < _observations.Count; at++)
        {
            var (error, gradient) = gradients[at];
            var weight = (Freedom + 1) / (Freedom + (error * error));
            var (rows, kinds) = (_rows[at], _which[at]);
            for (var i = 0; i < rows.Length; i++)
            {
                var left = weight * gradient[kinds[i]];
                if (left == 0) continue;
                slope[rows[i]] += left * error;
                for (var j = 0; j < rows.Length; j++) curvature[rows[i], rows[j]] += left * gradient[kinds[j]];
            }
        }

        return (curvature, slope);
    }

    private (double Error, double[] Gradient) Gradient(int observation)
    {
        var logs = Logs(observation);
        var error = Error(observation, logs);
        var gradient = new double[logs.Length];
        foreach (var which in _which[observation].Distinct())
        {
            logs[which] += DerivativeStep;
            gradient[which] = (Error(observation, logs) - error) / DerivativeStep;
            logs[which] -= DerivativeStep;
        }

        return (error, gradient);
    }

    private static double Square(double value) => value * value;

    public static MeasuringTraits KernelTraits(IReadOnlyDictionary<(string Level, string Key, int Which), double> kernels, Observation one) =>
        Traits(one, kernels.GetValueOrDefault);

    private MeasuringTraits TraitsOf(Observation one) => Traits(one, name => _index.TryGetValue(name, out var at) ? _x[at] : 0);

    private static MeasuringTraits Traits(Observation one, Func<(string Level, string Key, int Which), double> deviation)
    {
        var logs = MeasuringTraits.Prior.Logs;
        for (var trait = 0; trait < logs.Length; trait++)
            foreach (var level in TraitLevels)
                if (TraitKey(one, level, trait) is { } key) logs[trait] += deviation((level, key, Steps + trait));
        return MeasuringTraits.OfLogs(logs);
    }

    private StepCalibration Result(string source, IReadOnlyDictionary<string, double> spreads)
    {
        var factors = _index.Where(one => one.Key.Which < Steps).GroupBy(one => (one.Key.Level, one.Key.Key)).ToDictionary(
            group => group.Key,
            group =>
            {
                var values = Enumerable.Repeat(1.0, Steps).ToArray();
                if (group.Key.Level == "all") for (var i = 0; i < Steps; i++) values[i] = Math.Exp(_prior[i]);
                foreach (var (name, at) in group) values[name.Which] *= Math.Exp(_x[at]);
                return values.ToImmutableArray();
            });
        return new StepCalibration(factors, spreads, source);
    }
}
