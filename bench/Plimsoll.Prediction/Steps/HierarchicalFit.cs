using System.Collections.Immutable;
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
        ["model"] = 0.1,
        ["pair"] = 0.08,
    };

    /// <summary>The same of what an engine's host takes to start kernels: Python in one, compiled code in another.</summary>
    private const double HostStray = 1;

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

    /// <summary>A run's start is a trait of the benchmarks, not of steps: fitted beside the coefficients, for each engine.</summary>
    private static readonly int Burst = StepCoefficients.Count;

    private HierarchicalFit(IReadOnlyList<Observation> observations, StepCoefficients prior)
    {
        _observations = observations;
        _prior = [.. Enum.GetValues<StepCoefficient>().Select(one => Math.Log(prior[one])), Math.Log(0.1)];
        _rows = new int[observations.Count][];
        _which = new int[observations.Count][];
        for (var at = 0; at < observations.Count; at++)
        {
            var pairs = Parameters(observations[at]).ToList();
            _rows[at] = [.. pairs.Select(one => one.At)];
            _which[at] = [.. pairs.Select(one => one.Which)];
        }

        _x = new double[_stray.Count];
    }

    /// <summary>The calibration that explains the observations best, and the weight of a run's start by engine.</summary>
    public static (StepCalibration Calibration, Func<string, double> Burst) Of(
        IReadOnlyList<Observation> observations, StepCoefficients prior, string source, IReadOnlyDictionary<string, double>? spreads = null)
    {
        var fit = new HierarchicalFit([.. observations.Where(one => one.IsSteady)], prior);
        fit.Solve();
        return (fit.Result(source, spreads ?? new Dictionary<string, double>()), engine => fit.BurstOf(engine));
    }

    private IEnumerable<(int At, int Which)> Parameters(Observation one)
    {
        foreach (var level in StepCalibration.Levels)
        {
            var whole = level is "model" or "pair";
            if (whole && one.IsKernel) continue;
            for (var which = 0; which <= Burst; which++)
            {
                var scale = which is (int)StepCoefficient.DecodeScale or (int)StepCoefficient.PrefillScale;
                if (scale != whole || (which == Burst && level is not ("all" or "engine"))) continue;
                var name = (level, StepCalibration.KeyOf(one.Subject, level), which);
                if (!_index.TryGetValue(name, out var at))
                {
                    _index[name] = at = _stray.Count;
                    _stray.Add(level == "engine" && which == (int)StepCoefficient.PromptLaunchSeconds ? HostStray : Stray[level]);
                }

                yield return (at, which);
            }
        }
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
        var fitted = new StepCoefficients([.. logs.Take(Burst).Select(value => Math.Exp(Math.Clamp(value, -60, 60)))]);
        return one.LogError(fitted, Math.Exp(logs[Burst])) / one.Noise;
    }

    private double Cost()
    {
        double cost = 0;
        for (var at = 0; at < _observations.Count; at++)
        {
            var error = Error(at, Logs(at));
            cost += (Freedom + 1) / 2 * Math.Log(1 + (error * error / Freedom));
        }

        for (var i = 0; i < _x.Length; i++) cost += _x[i] * _x[i] / (2 * _stray[i] * _stray[i]);
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
            slope[i] = _x[i] / (_stray[i] * _stray[i]);
        }

        var gradient = new double[Burst + 1];
        for (var at = 0; at < _observations.Count; at++)
        {
            var logs = Logs(at);
            var error = Error(at, logs);
            for (var which = 0; which <= Burst; which++)
            {
                logs[which] += DerivativeStep;
                gradient[which] = (Error(at, logs) - error) / DerivativeStep;
                logs[which] -= DerivativeStep;
            }

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

    private double BurstOf(string engine) => Math.Exp(_prior[Burst]
        + (_index.TryGetValue(("all", "", Burst), out var all) ? _x[all] : 0)
        + (_index.TryGetValue(("engine", engine, Burst), out var own) ? _x[own] : 0));

    private StepCalibration Result(string source, IReadOnlyDictionary<string, double> spreads)
    {
        var factors = _index.Where(one => one.Key.Which < Burst).GroupBy(one => (one.Key.Level, one.Key.Key)).ToDictionary(
            group => group.Key,
            group =>
            {
                var values = Enumerable.Repeat(1.0, Burst).ToArray();
                if (group.Key.Level == "all") for (var i = 0; i < Burst; i++) values[i] = Math.Exp(_prior[i]);
                foreach (var (name, at) in group) values[name.Which] *= Math.Exp(_x[at]);
                return values.ToImmutableArray();
            });
        return new StepCalibration(factors, spreads, source);
    }
}
