using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll;

/// <summary>
/// Recursive least squares with forgetting (Haykin, Adaptive Filter Theory) of what came on what simple rules said and
/// on the last buckets: a level and a slower level make a damped trend, the buckets an autoregression, a profile and a
/// level a season that counts as far as it has proved itself. The coefficients start at the mean of the inputs.
/// </summary>
/// <param name="Coefficients">One for each input, the intercept last.</param>
/// <param name="Covariance">Inverse of the aged input products, row by row.</param>
public sealed record OnlineRegression(ImmutableArray<double> Coefficients, ImmutableArray<double> Covariance)
{
    private const double Forgetting = 0.9995;

    // How far a coefficient may be from its start before evidence has come: a ridge against inputs that say the same.
    private const double PriorVariance = 20;
    private const double VarianceMax = 1000;

    public static OnlineRegression Start(int inputs)
    {
        var size = inputs + 1;
        var coefficients = new double[size];
        Array.Fill(coefficients, 1.0 / inputs, 0, inputs);
        var covariance = new double[size * size];
        for (var i = 0; i < size; i++) covariance[(i * size) + i] = PriorVariance;
        return new OnlineRegression([.. coefficients], [.. covariance]);
    }

    /// <summary>What is expected, never further than 0.2 beyond what any input says.</summary>
    public double Predict(ReadOnlySpan<double> inputs)
    {
        var (sum, low, high) = (Coefficients[^1], double.MaxValue, double.MinValue);
        for (var i = 0; i < inputs.Length; i++)
        {
            sum += Coefficients[i] * inputs[i];
            low = Math.Min(low, inputs[i]);
            high = Math.Max(high, inputs[i]);
        }

        return Math.Clamp(sum, low - 0.2, high + 0.2);
    }

    public OnlineRegression Learn(ReadOnlySpan<double> inputs, double came)
    {
        var size = Coefficients.Length;
        Span<double> input = stackalloc double[size];
        inputs.CopyTo(input);
        input[^1] = 1;
        Span<double> gain = stackalloc double[size];
        var (norm, error) = (Forgetting, came);
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j < size; j++) gain[i] += Covariance[(i * size) + j] * input[j];
            norm += gain[i] * input[i];
            error -= Coefficients[i] * input[i];
        }

        // One monstrous error moves the coefficients no more than a large one does.
        error = Math.Clamp(error, -2, 2);
        var coefficients = new double[size];
        for (var i = 0; i < size; i++) coefficients[i] = Coefficients[i] + (gain[i] / norm * error);
        var (covariance, largest) = (new double[size * size], 0.0);
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j < size; j++)
                covariance[(i * size) + j] = Covariance[(i * size) + j] - (gain[i] * gain[j] / norm);
            largest = Math.Max(largest, covariance[(i * size) + i]);
        }

        // Inputs that stand still teach nothing; forgetting them all the same would let the covariance run away.
        if (largest < VarianceMax * Forgetting)
        {
            for (var i = 0; i < covariance.Length; i++) covariance[i] /= Forgetting;
        }

        return new OnlineRegression(
            ImmutableCollectionsMarshal.AsImmutableArray(coefficients), ImmutableCollectionsMarshal.AsImmutableArray(covariance));
    }
}
