using System.Globalization;
using System.Text.RegularExpressions;

namespace Plimsoll.ModelServer.Tests;

internal sealed record PrometheusSample(string Name, string Labels, double Value);

/// <summary>A strict reader of the text format: every sample must follow the HELP and TYPE of its name.</summary>
internal static partial class PrometheusText
{
    public static List<PrometheusSample> Parse(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var samples = new List<PrometheusSample>();
        var (help, type) = ("", "");
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                help = line.Split(' ')[2];
            }
            else if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                type = line.Split(' ')[2];
                Assert.Equal(help, type);
                Assert.Matches("^(counter|gauge)$", line.Split(' ')[3]);
                Assert.DoesNotContain(samples, sample => sample.Name == type);
            }
            else
            {
                var match = Sample().Match(line);
                Assert.True(match.Success, line);
                Assert.Equal(type, match.Groups[1].Value);
                samples.Add(new PrometheusSample(type, match.Groups[2].Value,
                    double.Parse(match.Groups[3].Value, CultureInfo.InvariantCulture)));
            }
        }

        return samples;
    }

    [GeneratedRegex("""^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)+\})? (\S+)$""")]
    private static partial Regex Sample();
}
