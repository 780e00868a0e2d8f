namespace Plimsoll.Forecast.Rivals;

/// <summary>
/// AR(p) of the series, or of its differences: an ARIMA(p, d, 0) whose coefficients are the least squares over all that
/// was seen, updated with each bucket (recursive least squares).
/// </summary>
internal sealed class Autoregression(int order, bool differenced) : IPointForecaster
{
    private readonly double[] coefficients = new double[order + 1];
    private readonly double[,] covariance = Identity(order + 1, 100);
    private readonly List<double> past = [];
    private double last;
    private bool any;

    public void Observe(double rate)
    {
        var value = differenced ? rate - last : rate;
        last = rate;
        if (differenced && !any)
        {
            any = true;
            return;
        }

        if (past.Count >= order) Learn(value);
        past.Add(value);
    }

    public double MaximumAhead(int buckets)
    {
        if (past.Count < 4 * order) return last;
        var lags = new double[order];
        for (var i = 0; i < order; i++) lags[i] = past[past.Count - 1 - i];
        var (most, level) = (0.0, last);

        // A path that runs away is cut at ten times the most seen, so that an unstable fit costs no infinity.
        var bound = 10 * past.Max(Math.Abs);
        for (var h = 0; h < buckets; h++)
        {
            var next = coefficients[order];
            for (var i = 0; i < order; i++) next += coefficients[i] * lags[i];
            next = Math.Clamp(next, -bound, bound);
            Array.Copy(lags, 0, lags, 1, order - 1);
            lags[0] = next;
            level = differenced ? level + next : next;
            most = Math.Max(most, level);
        }

        return most;
    }

    private void Learn(double value)
    {
        var size = order + 1;
        var input = new double[size];
        for (var i = 0; i < order; i++) input[i] = past[past.Count - 1 - i];
        input[order] = 1;
        var gain = new double[size];
        var (norm, error) = (1.0, value);
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j < size; j++) gain[i] += covariance[i, j] * input[j];
            norm += gain[i] * input[i];
            error -= coefficients[i] * input[i];
        }

        for (var i = 0; i < size; i++) coefficients[i] += gain[i] / norm * error;
        for (var i = 0; i < size; i++)
            for (var j = 0; j < size; j++) covariance[i, j] -= gain[i] * gain[j] / norm;
    }

    private static double[,] Identity(int size, double scale)
    {
        var matrix = new double[size, size];
        for (var i = 0; i < size; i++) matrix[i, i] = scale;
        return matrix;
    }
}
