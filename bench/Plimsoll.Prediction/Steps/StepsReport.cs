using System.Globalization;
using System.Text;

namespace Plimsoll.Prediction.Steps;

/// <summary>The page's section on step times.</summary>
internal sealed class StepsReport(IReadOnlyList<Observation> all, StepCalibration fitted, Func<string, double> burst)
{
    private const double RooflineBurst = 0.1;
    private readonly StringBuilder _text = new();

    public string Text => _text.ToString();

    public void Line(string line) => _text.Append(line).Append('\n');

    /// <summary>Steps alone and client times, each row predicted by a fit that did not see its cell.</summary>
    public void Calibration(IReadOnlyList<HeldOut> rows)
    {
        Line("| calibration, cells held out | n | median % | p95 % | target | bare roofline: median | p95 | interpolation answers | median | p95 |");
        Line("| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |");
        foreach (var group in rows.GroupBy(one => one.Row.Kind).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var ours = Errors.Of(group.Select(one => one.Error));
            var bare = Errors.Of(group.Select(one => Bare(one.Row)));
            var table = Errors.Of(group.Where(one => one.Interpolated is not null).Select(one => Errors.Relative(one.Interpolated!.Value, one.Row.Seconds)));
            var target = group.Key switch { "decode step" => "4, 10", "prefill step" => "6, 15", _ => "" };
            Line(Invariant($"| {group.Key} | {ours.Count} | {Percent(ours, 0.5)} | {Percent(ours, 0.95)} | {target} | {Percent(bare, 0.5)} | {Percent(bare, 0.95)} | {table.Count} | {Percent(table, 0.5)} | {Percent(table, 0.95)} |"));
        }
    }

    /// <summary>Models on devices that were never fitted, by stratum.</summary>
    public void Validation()
    {
        var known = all.Where(one => one.Calibration && !one.IsKernel).ToList();
        var table = new Interpolation(known);
        var seen = known.Select(one => (one.Kind, one.Seconds)).ToHashSet();
        Line("| validation | n | median % | p95 % | target | within the 90 % bar | bare roofline: median | p95 | interpolation answers |");
        Line("| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |");
        foreach (var group in all.Where(one => !one.Calibration).GroupBy(one => (one.Stratum, one.Kind)).OrderBy(group => group.Key))
        {
            // The same measurement is in both splits where one model has two names: those rows show nothing.
            var rows = group.Where(one => !seen.Contains((one.Kind, one.Seconds))).ToList();
            var ours = Errors.Of(rows.Select(one => Errors.Relative(Ours(one), one.Seconds)));
            var bare = Errors.Of(rows.Select(Bare));
            var within = rows.Count(Within) / (double)Math.Max(1, rows.Count);
            var target = group.Key.Kind is "TPOT" or "TTFT" && group.Key.Stratum.StartsWith("with tables", StringComparison.Ordinal) ? "10, 30" : "";
            Line(Invariant($"| {group.Key.Stratum}: {group.Key.Kind} | {ours.Count} | {Percent(ours, 0.5)} | {Percent(ours, 0.95)} | {target} | {within * 100:F0} % | {Percent(bare, 0.5)} | {Percent(bare, 0.95)} | {rows.Count(one => table.Seconds(one) is not null)} |"));
        }
    }

    /// <summary>Spreads of what was held out, as the error bar takes them.</summary>
    public static double Spread(IReadOnlyList<HeldOut> rows) => Errors.Of(rows.Select(one => one.LogError)).Quantile(0.9) / 1.645;

    /// <summary>Errors of rows held out in larger and larger parts: the error bar's steps.</summary>
    public void Distance(string name, IReadOnlyList<HeldOut> rows)
    {
        var errors = Errors.Of(rows.Select(one => one.Error));
        Line(Invariant($"| {name} | {errors.Count} | {Percent(errors, 0.5)} | {Percent(errors, 0.95)} | {Spread(rows):F2} |"));
    }

    private double Ours(Observation one) => one.Predict(fitted.For(one.Subject), burst(one.Subject.Engine));

    private bool Within(Observation one) =>
        Math.Abs(Math.Log(Ours(one) / one.Seconds)) <= 1.645 * fitted.LogSpread(one.Subject);

    private static double Bare(Observation one) => Errors.Relative(one.Predict(StepCoefficients.Roofline, RooflineBurst), one.Seconds);

    private static string Percent(Errors errors, double share) => errors.Count == 0 ? "–" : Invariant($"{errors.Quantile(share) * 100:F1}");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
