using CsCheck;

namespace Plimsoll.Tests.Demand;

public class ForecastPartsTests
{
    [Fact]
    public void A_rate_reads_back_within_half_a_tenth_of_a_per_cent() =>
        Gen.Double[-3, 8].Select(log => Math.Pow(10, log)).Sample(rate => Math.Abs((RateCode.Rate(RateCode.Of(rate)) / rate) - 1) < 5e-4);

    [Fact]
    public void A_higher_rate_never_has_a_lower_code() =>
        Gen.Select(Gen.Double[0, 1e9], Gen.Double[0, 1]).Sample((rate, share) => RateCode.Of(rate * share) <= RateCode.Of(rate));

    [Fact]
    public void Nothing_is_a_rate_of_its_own_and_not_the_unknown()
    {
        Assert.Equal(0, RateCode.Rate(RateCode.Of(0)));
        Assert.Equal(-1, RateCode.Rate(RateCode.Of(-1)));
        Assert.Equal(-1, RateCode.Rate(RateCode.Of(double.NaN)));
    }

    private static Half[] Sketch(IEnumerable<double> errors)
    {
        var sketch = new Half[2 * ErrorSketch.Points];
        foreach (var error in errors) ErrorSketch.Add(sketch, error, 1);
        return sketch;
    }

    private static double Quantile(Half[] sketch, double independent, double quantile)
    {
        Span<double> errors = stackalloc double[1];
        ErrorSketch.Quantiles(sketch, independent, [quantile], errors);
        return errors[0];
    }

    [Fact]
    public void A_few_errors_are_kept_exactly()
    {
        var sketch = Sketch([3, 1, 2, 2]);
        Assert.Equal(4, ErrorSketch.Weight(sketch));

        // Of 1, 2, 2, 3 the middle of the twos' weight is the middle of all.
        Assert.Equal(2, Quantile(sketch, 1e9, 0.5), 6);
        Assert.Equal(3, Quantile(sketch, 1e9, 0.99), 6);
        Assert.Equal(1, Quantile(sketch, 1e9, 0.01), 6);
    }

    [Fact]
    public void A_handful_of_errors_does_not_show_the_tail() =>
        // (1 + 1/4) · 0.9 is beyond all of them: the largest counts.
        Assert.Equal(9, Quantile(Sketch([1, 2, 3, 9]), 4, 0.9), 6);

    [Fact]
    public void A_thousand_errors_keep_their_quantiles_to_three_points()
    {
        // 7 is a primitive root of 1009: its powers run through 1 to 1008 in no order.
        var (errors, power) = (new List<double>(), 1);
        for (var i = 0; i < 1008; i++) errors.Add((power = power * 7 % 1009) / 1009.0);
        var sketch = Sketch(errors);
        foreach (var quantile in (double[])[0.1, 0.5, 0.9, 0.95, 0.99])
            Assert.InRange(Quantile(sketch, 1e9, quantile), quantile - 0.03, quantile + 0.03);
    }

    [Fact]
    public void A_sketch_never_loses_weight_nor_order() =>
        Gen.Double[-100, 100].List[1, 100].Sample(errors =>
        {
            var sketch = Sketch(errors);
            var count = 0;
            while (count < ErrorSketch.Points && sketch[ErrorSketch.Points + count] > Half.Zero) count++;
            return Math.Abs(ErrorSketch.Weight(sketch) - errors.Count) < 0.01 * errors.Count
                && Enumerable.Range(1, count - 1).All(i => sketch[i - 1] <= sketch[i]);
        });

    [Fact]
    public void A_regression_finds_the_line_it_was_shown()
    {
        // 3 a + 1 after enough of it that a start of 1 a, worth one example, is forgotten.
        var products = new float[AgedRegression.Width(1)];
        for (var i = 0; i < 4000; i++)
        {
            var a = i % 5 / 4.0;
            AgedRegression.Learn(products, [a], (3 * a) + 1, (3 * a) + 1);
        }

        Span<double> coefficients = stackalloc double[2];
        AgedRegression.Solve(products, [1.0, 0], coefficients);
        Assert.Equal(3, coefficients[0], 1);
        Assert.Equal(1, coefficients[1], 1);
    }

    [Fact]
    public void A_regression_of_nothing_is_its_start()
    {
        Span<double> coefficients = stackalloc double[3];
        AgedRegression.Solve(new float[AgedRegression.Width(2)], [0.25, 0.75, 0], coefficients);
        Assert.Equal([0.25, 0.75, 0], coefficients.ToArray());
    }

    [Fact]
    public void A_root_error_gives_back_what_came() =>
        Gen.Select(Gen.Double[0, 100], Gen.Double[0, 100], Gen.Bool).Sample((predicted, came, roots) =>
        {
            var expert = new Expert(0, roots);
            return Math.Abs(expert.Given(predicted, expert.Error(predicted, came, 0.5, 7), 0.5, 7) - came) < 1e-9;
        });
}
