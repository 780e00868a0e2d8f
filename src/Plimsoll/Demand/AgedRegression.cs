namespace Plimsoll;

/// <summary>
/// Least squares with forgetting and a ridge towards a start. Kept as the aged products of the inputs, which no rounding
/// makes indefinite, and solved by Cholesky's factors when asked: nine inputs take less than a microsecond. Works in
/// place on a span: the lower triangle of the inputs' products row by row, the intercept's last, then their products
/// with what came.
/// </summary>
internal static class AgedRegression
{
    // About two thousand examples are kept in mind.
    private const double Forgetting = 0.9995;

    // How many examples the start is worth in each direction: a ridge against inputs that say the same.
    private const double StartWorth = 1;

    // Far beyond what units near 1 come to, and far below where a float ends.
    private const float ProductMost = 1e20f;

    // One monstrous error moves the coefficients no more than one of two units does.
    private const double ErrorMost = 2;

    /// <summary>Length of the products of as many inputs and the intercept.</summary>
    public static int Width(int inputs) => ((inputs + 1) * (inputs + 2) / 2) + inputs + 1;

    /// <summary>Coefficients, one for each input and the intercept last.</summary>
    /// <param name="products">What was learned.</param>
    /// <param name="start">Coefficients to start from, as many.</param>
    /// <param name="coefficients">Out.</param>
    public static void Solve(ReadOnlySpan<float> products, ReadOnlySpan<double> start, Span<double> coefficients)
    {
        var (size, at) = (start.Length, 0);
        Span<double> factor = stackalloc double[size * size];
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = products[at++] + (i == j ? StartWorth : 0);
                for (var k = 0; k < j; k++) sum -= factor[(i * size) + k] * factor[(j * size) + k];
                factor[(i * size) + j] = i == j ? Math.Sqrt(Math.Max(sum, 1e-9)) : sum / factor[(j * size) + j];
            }
        }

        for (var i = 0; i < size; i++)
        {
            var sum = products[at + i] + (StartWorth * start[i]);
            for (var k = 0; k < i; k++) sum -= factor[(i * size) + k] * coefficients[k];
            coefficients[i] = sum / factor[(i * size) + i];
        }

        for (var i = size - 1; i >= 0; i--)
        {
            var sum = coefficients[i];
            for (var k = i + 1; k < size; k++) sum -= factor[(k * size) + i] * coefficients[k];
            coefficients[i] = sum / factor[(i * size) + i];
        }
    }

    /// <summary>The coefficients' sum of the inputs, and the intercept.</summary>
    public static double Predict(ReadOnlySpan<double> coefficients, ReadOnlySpan<double> inputs)
    {
        var sum = coefficients[^1];
        for (var i = 0; i < inputs.Length; i++) sum += coefficients[i] * inputs[i];
        return sum;
    }

    /// <summary>One example more.</summary>
    /// <param name="products">What was learned; changed in place.</param>
    /// <param name="inputs">In units near 1.</param>
    /// <param name="came">What came, in the same unit.</param>
    /// <param name="expected">What had been expected of it.</param>
    public static void Learn(Span<float> products, ReadOnlySpan<double> inputs, double came, double expected)
    {
        if (!double.IsFinite(expected) || !IsSane(products)) products.Clear();
        came = double.IsFinite(expected) ? Math.Clamp(came, expected - ErrorMost, expected + ErrorMost) : Math.Clamp(came, 0, ErrorMost);
        var at = 0;
        for (var i = 0; i <= inputs.Length; i++)
        {
            var input = i < inputs.Length ? inputs[i] : 1;
            for (var j = 0; j <= i; j++, at++)
                products[at] = (float)((Forgetting * products[at]) + (input * (j < inputs.Length ? inputs[j] : 1)));
        }

        for (var i = 0; i <= inputs.Length; i++, at++)
            products[at] = (float)((Forgetting * products[at]) + ((i < inputs.Length ? inputs[i] : 1) * came));
    }

    // What overflowed is not learned from, and what is left of it is forgotten.
    private static bool IsSane(ReadOnlySpan<float> products)
    {
        foreach (var product in products)
            if (!(Math.Abs(product) < ProductMost)) return false;
        return true;
    }

    /// <summary>The same products in another unit of inputs and outcome.</summary>
    /// <param name="products">What was learned; changed in place.</param>
    /// <param name="inputs">Their number.</param>
    /// <param name="ratio">Old unit over new.</param>
    public static void Resize(Span<float> products, int inputs, double ratio)
    {
        var at = 0;
        for (var i = 0; i <= inputs; i++)
            for (var j = 0; j <= i; j++, at++) products[at] = (float)(products[at] * Of(i) * Of(j));
        for (var i = 0; i <= inputs; i++, at++) products[at] = (float)(products[at] * Of(i) * ratio);

        double Of(int input) => input < inputs ? ratio : 1;
    }
}
