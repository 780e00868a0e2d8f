using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>An instant query's answer: its time, and one value a series.</summary>
internal sealed record PrometheusAnswer(DateTimeOffset At, ImmutableArray<ExpositionSample> Samples)
{
    private const int MostSeries = 2_000_000;

    /// <summary>Reads the JSON of /api/v1/query.</summary>
    /// <exception cref="MetricsException">The server refused the query, or answered with something else.</exception>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static PrometheusAnswer Read(ReadOnlyMemory<byte> json, DateTimeOffset now)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 16 });
        var result = Result(document.RootElement, out var type);
        switch (type)
        {
            case "scalar":
                var (time, value) = Point(result);
                return new PrometheusAnswer(time, [new ExpositionSample("", [], value)]);
            case "vector":
                if (result.GetArrayLength() > MostSeries)
                    throw new MetricsException($"its answer has {result.GetArrayLength()} series, more than the {MostSeries} that are read");
                var samples = ImmutableArray.CreateBuilder<ExpositionSample>(result.GetArrayLength());
                var at = now;
                foreach (var series in result.EnumerateArray())
                {
                    if (series.ValueKind != JsonValueKind.Object || !series.TryGetProperty("value", out var point)) throw Strange("a series has no value");
                    (at, value) = Point(point);
                    samples.Add(Sample(series, value));
                }

                return new PrometheusAnswer(at, samples.ToImmutable());
            default:
                throw new MetricsException($"the query gives a {type}, where a value of this moment is wanted");
        }
    }

    /// <summary>The result of an answer, and what it is.</summary>
    public static JsonElement Result(JsonElement root, out string type)
    {
        if (Text(root, "status") != "success")
            throw new MetricsException($"it refused the query: {OneLine(Text(root, "error") ?? "it does not say why")}");
        if (!root.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Object
            || !data.TryGetProperty("result", out var result) || result.ValueKind != JsonValueKind.Array)
            throw Strange("it has no result");
        type = OneLine(Text(data, "resultType") ?? "nothing");
        return result;
    }

    private static ExpositionSample Sample(JsonElement series, double value)
    {
        var name = "";
        var labels = ImmutableArray.CreateBuilder<ExpositionLabel>();
        if (series.TryGetProperty("metric", out var metric) && metric.ValueKind == JsonValueKind.Object)
        {
            foreach (var label in metric.EnumerateObject())
            {
                if (label.Value.ValueKind != JsonValueKind.String) throw Strange("a label is no text");
                if (label.NameEquals("__name__")) name = label.Value.GetString()!;
                else labels.Add(new ExpositionLabel(label.Name, label.Value.GetString()!));
            }
        }

        return new ExpositionSample(name, labels.ToImmutable(), value);
    }

    /// <summary>A time and a value, as all its answers write them.</summary>
    public static (DateTimeOffset At, double Value) Point(JsonElement point)
    {
        if (point.ValueKind != JsonValueKind.Array || point.GetArrayLength() != 2
            || point[0].ValueKind != JsonValueKind.Number || point[1].ValueKind != JsonValueKind.String)
            throw Strange("a value is not a time and a text");
        var text = point[1].GetString()!;
        var value = text switch
        {
            "+Inf" => double.PositiveInfinity,
            "-Inf" => double.NegativeInfinity,
            _ => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
                ? number : throw Strange("a value is no number"),
        };
        return (Moment(point[0].GetDouble()), value);
    }

    /// <summary>Unix seconds as a time.</summary>
    public static DateTimeOffset Moment(double seconds) => seconds is >= 0 and < 2e11
        ? DateTimeOffset.UnixEpoch.AddMilliseconds(Math.Round(seconds * 1000))
        : throw Strange("a time is out of range");

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
        && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static string OneLine(string text) =>
        new([.. text.Take(200).Select(letter => char.IsControl(letter) ? ' ' : letter)]);

    public static MetricsException Strange(string what) => new($"its answer is not what Prometheus gives: {what}");
}
