namespace Plimsoll.Forecast.Rivals;

/// <summary>
/// One method with several sets of parameters: at each origin the set counts whose one-step squared error was least so
/// far, which is how the textbooks choose them.
/// </summary>
internal sealed class BestOf(params IPointForecaster[] sets) : IPointForecaster
{
    private readonly double[] errors = new double[sets.Length];

    public void Observe(double rate)
    {
        for (var i = 0; i < sets.Length; i++)
        {
            var error = rate - sets[i].MaximumAhead(1);
            errors[i] += error * error;
            sets[i].Observe(rate);
        }
    }

    public double MaximumAhead(int buckets) => sets[Array.IndexOf(errors, errors.Min())].MaximumAhead(buckets);
}
