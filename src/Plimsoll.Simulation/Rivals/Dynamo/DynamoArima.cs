using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <param name="Ar">Lags of the value, 0 or 1.</param>
/// <param name="Differences">Taken before the fit.</param>
/// <param name="Ma">Lags of the error, 0 or 1.</param>
/// <param name="Constant">Whether the differenced series has a mean.</param>
public readonly record struct ArimaOrder(int Ar, int Differences, int Ma, bool Constant);

/// <summary>
/// The planner's default predictor: an order found once, on the first five values, and coefficients that follow (rivals-rules
/// §8.1; components/src/dynamo/planner/core/load/predictors.py, which calls pmdarima.auto_arima with its defaults). That search
/// takes differences by KPSS and p and q by AIC; both go up to a third of the values, so to 1 for five. Where more values were
/// equal at first, the peer may find orders above 1: here they stay at 1. Coefficients are those of the exact likelihood, as the
/// peer's, which however stops its optimiser early.
/// </summary>
public sealed record DynamoArima(ImmutableArray<double> Values, ArimaOrder? Order, bool Log, double Ar, double Ma, double Next)
{
    private const int MinValues = 5;
    private const double RefitStep = 0.005;

    public static DynamoArima Fresh { get; } = new([], null, false, 0, 0, 0);

    /// <summary>A value and the forecast of the next, which is never below 0.</summary>
    public DynamoArima Observe(double value)
    {
        value = Math.Max(0, value);
        var seen = this with { Values = Values.Add(value) };
        // Until there is something to fit, the next is as the last.
        if (seen.Values.Length < MinValues || (Order is null && seen.Values.All(v => v == seen.Values[0]))) return seen with { Next = value };
        var fitted = Order is null ? seen.Choose() : seen.Refit();
        var forecast = fitted.Forecast();
        return fitted with { Next = double.IsFinite(forecast) ? Math.Max(0, forecast) : value };
    }

    private double[] Series(bool log)
    {
        var series = Values.ToArray();
        if (log)
            for (var i = 0; i < series.Length; i++) series[i] = Math.Log(1 + series[i]);
        return series;
    }

    /// <summary>In the values themselves; where that finds neither lag, in their logarithms, for series that spike.</summary>
    private DynamoArima Choose()
    {
        var (order, fit) = ArimaSearch.Best(Series(false));
        var log = order is { Ar: 0, Ma: 0 };
        if (log) (order, fit) = ArimaSearch.Best(Series(true));
        return this with { Order = order, Log = log, Ar = fit.Ar, Ma = fit.Ma };
    }

    private DynamoArima Refit()
    {
        var fit = ArimaFit.Near(ArimaSearch.Difference(Series(Log), Order!.Value.Differences), Order.Value, Ar, Ma, RefitStep);
        return this with { Ar = fit.Ar, Ma = fit.Ma };
    }

    private double Forecast()
    {
        var series = Series(Log);
        var next = ArimaFit.At(ArimaSearch.Difference(series, Order!.Value.Differences), Order.Value, Ar, Ma).Next;
        // Undo the differences from the innermost out: the last value of each level is added back.
        for (var level = Order.Value.Differences - 1; level >= 0; level--) next += ArimaSearch.Difference(series, level)[^1];
        return Log ? Math.Exp(next) - 1 : next;
    }
}
