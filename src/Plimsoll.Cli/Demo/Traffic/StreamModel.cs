using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Load.Traces;

namespace Plimsoll.Cli.Demo.Traffic;

/// <summary>
/// A request stream in few numbers: a Gamma renewal process whose rate wanders, with silences between bursts where the
/// stream has them, and a distribution of lengths. Two shapes come out of it: bursts of lognormally varying pace with
/// long silences (people's tools), and a steady stream whose rate drifts over minutes (many people at once).
/// </summary>
public sealed record StreamModel
{
    /// <summary>Silences longer than this part bursts, in trace seconds.</summary>
    public const double SilenceSeconds = 2;

    /// <summary>The step in which a drifting rate moves, in trace seconds.</summary>
    public const double StepSeconds = 10;

    public required string Name { get; init; }

    /// <summary>Requests a second over all the time it was fitted on, silences included.</summary>
    public required double MeanPerSecond { get; init; }

    /// <summary>Requests a second within bursts; equal to the mean for a stream without silences.</summary>
    public required double BurstPerSecond { get; init; }

    /// <summary>Shape of the Gamma gaps: 1 is Poisson, below 1 clumps.</summary>
    public required double GapShape { get; init; }

    /// <summary>Standard deviation of the rate's logarithm.</summary>
    public required double RateSigma { get; init; }

    /// <summary>Correlation of the rate's logarithm from one step to the next; 0 where each burst draws its own.</summary>
    public required double RateMemory { get; init; }

    /// <summary>Requests per burst; null for a stream without silences.</summary>
    public QuantileTable? BurstSizes { get; init; }

    /// <summary>Seconds between bursts; null for a stream without silences.</summary>
    public QuantileTable? Silences { get; init; }

    public required QuantileTable ContextTokens { get; init; }

    /// <summary>Requests without end, in trace time; the same for the same seed.</summary>
    public IEnumerable<TraceRequest> Requests(ulong seed)
    {
        var random = new SeededRandom(SeededRandom.Derive(seed, "stream/" + Name));
        var times = BurstSizes is { } sizes && Silences is { } silences ? Bursts(random, sizes, silences) : Drifting(random);
        return times.Select(seconds => new TraceRequest(
            TimeSpan.FromSeconds(seconds), null, (int)Math.Round(ContextTokens.Draw(random))));
    }

    private IEnumerable<double> Bursts(SeededRandom random, QuantileTable sizes, QuantileTable silences)
    {
        for (var at = silences.Draw(random) * random.NextUnit(); ;)
        {
            var requests = Math.Max(1, (int)Math.Round(sizes.Draw(random)));
            // The mean gap over bursts, not the mean rate, is what was measured: exp(σN − σ²/2) has mean 1.
            var gap = Math.Exp(RateSigma * random.NextNormal() - RateSigma * RateSigma / 2) / BurstPerSecond;
            yield return at;
            for (var i = 1; i < requests; i++) yield return at += gap * random.NextGamma(GapShape);
            at += silences.Draw(random);
        }
    }

    private IEnumerable<double> Drifting(SeededRandom random)
    {
        var drift = random.NextNormal();
        var fresh = Math.Sqrt(1 - RateMemory * RateMemory);
        var left = random.NextGamma(GapShape);
        for (var step = 0L; ; step++)
        {
            var rate = BurstPerSecond * Math.Exp(RateSigma * drift - RateSigma * RateSigma / 2);
            var at = 0.0;
            while (left <= rate * (StepSeconds - at))
            {
                at += left / rate;
                yield return step * StepSeconds + at;
                left = random.NextGamma(GapShape);
            }

            left -= rate * (StepSeconds - at);
            drift = RateMemory * drift + fresh * random.NextNormal();
        }
    }
}

/// <summary>Where the fitted streams come from, and the streams.</summary>
public sealed record TrafficFitFile
{
    public required string Source { get; init; }

    public required string Licence { get; init; }

    /// <summary>The day it was fitted.</summary>
    public required string Fitted { get; init; }

    public required string Note { get; init; }

    public required ImmutableArray<FittedStream> Streams { get; init; }

    /// <summary>The streams this program carries.</summary>
    public static TrafficFitFile Embedded { get; } = Load();

    public StreamModel Stream(string name) => Streams.Single(stream => stream.Model.Name == name).Model;

    private static TrafficFitFile Load()
    {
        using var data = typeof(TrafficFitFile).Assembly.GetManifestResourceStream("azure-llm-2023-traffic.json")
            ?? throw new InvalidOperationException("the fitted traffic is not in the program");
        return JsonSerializer.Deserialize(data, TrafficJson.Default.TrafficFitFile)
            ?? throw new InvalidOperationException("the fitted traffic is empty");
    }
}

/// <summary>A stream with what was measured on the half hour it was fitted on and on the one it was checked on.</summary>
public sealed record FittedStream(StreamModel Model, StreamMoments FittedOn, StreamMoments CheckedOn);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(TrafficFitFile))]
public sealed partial class TrafficJson : JsonSerializerContext;
