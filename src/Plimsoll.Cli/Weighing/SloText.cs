using System.Globalization;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>An objective on the command line: <c>ttft-p95=1s,tpot-p99=60ms,e2e-p90=20s</c>.</summary>
internal static class SloText
{
    private const int TermsMax = 12;
    private const double SecondsMax = 86_400;

    /// <exception cref="CommandException">A term is not one; the sentence names it.</exception>
    public static IReadOnlyList<LatencyTarget> Parse(string text)
    {
        var terms = text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (terms.Length is 0 or > TermsMax) throw Refuse(text);
        return [.. terms.Select(Term)];
    }

    /// <summary>The text that <see cref="Parse"/> reads back.</summary>
    public static string Of(LatencyTarget target)
    {
        var metric = target.Metric switch { LatencyMetric.Ttft => "ttft", LatencyMetric.Tpot => "tpot", _ => "e2e" };
        var limit = target.Seconds < 1
            ? string.Create(CultureInfo.InvariantCulture, $"{target.Seconds * 1000:0.###}ms")
            : string.Create(CultureInfo.InvariantCulture, $"{target.Seconds:0.###}s");
        return string.Create(CultureInfo.InvariantCulture, $"{metric}-p{target.Share * 100:0.##########}={limit}");
    }

    private static LatencyTarget Term(string term)
    {
        var (dash, equals) = (term.IndexOf("-p", StringComparison.Ordinal), term.IndexOf('=', StringComparison.Ordinal));
        if (dash < 0 || equals < dash + 2) throw Refuse(term);
        LatencyMetric? metric = term[..dash] switch
        {
            "ttft" => LatencyMetric.Ttft,
            "tpot" => LatencyMetric.Tpot,
            "e2e" => LatencyMetric.EndToEnd,
            _ => null,
        };
        if (metric is null || Number(term[(dash + 2)..equals]) is not (>= 1 and < 100 and var percent)) throw Refuse(term);
        var limit = term[(equals + 1)..];
        var (digits, unit) = limit.EndsWith("ms", StringComparison.Ordinal) ? (limit[..^2], 0.001)
            : limit.EndsWith('s') ? (limit[..^1], 1.0) : ("", 0);
        if (Number(digits) is not (> 0 and var amount) || amount * unit > SecondsMax) throw Refuse(term);
        return new LatencyTarget(metric.Value, percent / 100, amount * unit);
    }

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) ? value : null;

    private static CommandException Refuse(string found) => new(ExitCode.BadInput,
        $"--slo has '{Show.Text(found, 60)}'; expected terms of ttft, tpot or e2e with a percentile and a limit, such as ttft-p95=1s,tpot-p99=60ms");
}
