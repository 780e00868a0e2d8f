using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation;
using Plimsoll.Simulation.Plans;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Scenarios;

/// <summary>The requests of a scenario's models, drawn anew for each seed. Traces are read once.</summary>
/// <param name="file">Where it is told.</param>
/// <param name="earlier">Whether traces are read before the part that is named, for what is tuned and judged later.</param>
internal sealed class ScenarioTraffic(ScenarioFile file, bool earlier = false)
{
    // Of a model that is asked no more often, a fluid run has the same requests as a detailed one.
    private const double KeptMost = 250_000;

    private const double DefaultPrompt = 1200;
    private const double DefaultAnswer = 220;
    private const double DefaultSpread = 0.9;
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly TimeSpan Trough = TimeSpan.FromHours(4);

    private readonly Dictionary<string, RequestTrace> _traces = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RatesOverTime> _overTime = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IReadOnlyList<ClientRates>> _rates = new(StringComparer.Ordinal);

    /// <summary>A model's requests; null where there is a problem.</summary>
    public RequestTrace? Of(ScenarioModelDocument model, string path, string name, int seed)
    {
        var length = file.Document.Length!.Value.TotalSeconds;
        var (traffic, random) = (model.Traffic!, Seeds.Of(seed, $"traffic of {name}"));
        var lengths = LengthsOf(model.Tokens);
        try
        {
            var parts = new List<RequestTrace>();
            if (traffic.Trace is { } trace)
            {
                if (FromTrace(traffic, trace, path, lengths, length, random) is not { } read) return null;
                parts.Add(read);
            }
            else
            {
                parts.Add(SyntheticTraffic.Of(CurveOf(traffic, length), lengths, traffic.Burstiness ?? 1, random));
            }

            foreach (var crowd in Crowds(traffic, length)) parts.Add(SyntheticTraffic.Of(crowd, lengths, 1, random));

            return parts.Count == 1 ? parts[0] : SyntheticTraffic.Merge(parts);
        }
        catch (TraceException unreadable)
        {
            file.Problems.Add($"{path}.traffic.trace", Show.Text(unreadable.Message, 400));
        }
        catch (ArgumentException tooMany)
        {
            file.Problems.Add($"{path}.traffic", Show.Text(tooMany.Message, 400));
        }

        return null;
    }

    /// <summary>A model's traffic as it is drawn while a fluid run goes; empty where it is little enough to be kept, or a trace's.</summary>
    public ImmutableArray<DrawnTraffic> Drawn(ScenarioModelDocument model, string path, string name, int seed)
    {
        var (traffic, length, lengths) = (model.Traffic!, file.Document.Length!.Value.TotalSeconds, LengthsOf(model.Tokens));
        var curves = new List<(RateCurve Curve, Func<double, TokenLengths> Lengths, double Variation)>();
        try
        {
            if (traffic.Trace is not { } trace) curves.Add((CurveOf(traffic, length), _ => lengths, traffic.Burstiness ?? 1));
            else
            {
                var at = Path.GetFullPath(trace, file.Folder);
                var from = (traffic.From?.TotalSeconds ?? 0) - (earlier ? length : 0);
                if (from < 0 || !Header(at).StartsWith(RateFile.Header, StringComparison.Ordinal) || Rates(traffic, at, path, lengths, (from, length)) is not { } rates) return [];
                curves.Add(rates);
            }
        }
        catch (TraceException unreadable)
        {
            file.Problems.Add($"{path}.traffic.trace", Show.Text(unreadable.Message, 400));
            return [];
        }

        curves.AddRange(Crowds(traffic, length).Select(crowd => (crowd, (Func<double, TokenLengths>)(_ => lengths), 1.0)));
        if (curves.Sum(one => one.Curve.Expected) <= KeptMost) return [];
        return [.. curves.Select((one, i) => new DrawnTraffic(one.Curve, one.Lengths, one.Variation, seed, $"traffic {i} of {name} as it goes"))];
    }

    /// <summary>
    /// A model's demand in two numbers: the mean, and the most, crowds among it. Of a trace the busiest minute is the most. Null
    /// where there is a problem.
    /// </summary>
    public KnownDemand? Known(ScenarioModelDocument model, string path, string name)
    {
        var traffic = model.Traffic!;
        var crowd = traffic.Crowds.Where(one => one.At < file.Document.Length).Select(one => one.Rate!.Value).DefaultIfEmpty(0).Max();
        if (traffic.Trace is null)
        {
            var (mean, most) = traffic.Wave is { } wave ? (((wave.Least ?? 0) + wave.Most!.Value) / 2, wave.Most.Value) : (traffic.Rate!.Value, traffic.Rate.Value);
            return new KnownDemand(mean, most + crowd);
        }

        if (Of(model, path, name, seed: 1) is not { } requests) return null;
        if (requests.Count == 0) return new KnownDemand(0, 0);
        var rate = requests.Count / requests.Length;
        var busiest = requests.Arrivals.CountBy(at => (long)(at / 60)).Max(minute => minute.Value) / Math.Min(60, requests.Length);
        return new KnownDemand(rate, Math.Max(rate, busiest));
    }

    private RequestTrace? FromTrace(TrafficDocument traffic, string trace, string path, TokenLengths lengths, double length, Random random)
    {
        var at = Path.GetFullPath(trace, file.Folder);
        var (from, scale) = ((traffic.From?.TotalSeconds ?? 0) - (earlier ? length : 0), traffic.Scale ?? 1);
        if (from < 0)
        {
            file.Problems.Add($"{path}.traffic.from", $"there is no earlier part of the trace to tune on; from {Durations.Show(file.Document.Length!.Value)} on there is one");
            return null;
        }

        var header = Header(at);
        if (header.StartsWith(RateFile.Header, StringComparison.Ordinal)) return FromRates(traffic, at, path, lengths, (from, length), random);
        if (!header.StartsWith("client,window_start_s", StringComparison.Ordinal))
        {
            // The trace's own requests come when they came; only rates leave that open.
            if (traffic.Burstiness is not null) file.Problems.Add($"{path}.traffic.burstiness", "the trace tells when each request comes; leave this out");
            NoClients(traffic, path);
            if (!_traces.TryGetValue(at, out var requests)) requests = _traces[at] = TraceFile.Read(at);
            ReachesTo(from + length, requests.Length, path);
            return file.Problems.Any ? null : requests.Part(from, length).Scaled(scale, random);
        }

        if (!_rates.TryGetValue(at, out var clients)) clients = _rates[at] = ServeGenRates.Read(at);
        var chosen = traffic.Client is { } one ? clients.Where(client => client.Client == one).ToList() : [.. clients];
        if (chosen.Count == 0) file.Problems.Add($"{path}.traffic.client", "the trace has no such client");
        else ReachesTo(from + length, chosen.Max(client => client.Curve.Length), path);
        if (file.Problems.Any) return null;
        return SyntheticTraffic.Merge([.. chosen.Select(client => SyntheticTraffic.Of(client.Curve.Part(from, length).Times(scale), lengths, traffic.Burstiness ?? client.Variation, random))]);
    }

    private RequestTrace? FromRates(TrafficDocument traffic, string at, string path, TokenLengths lengths, (double From, double Length) part, Random random)
    {
        if (Rates(traffic, at, path, lengths, part) is not { } rates) return null;
        return SyntheticTraffic.Of(rates.Curve, rates.Lengths, rates.Variation, random);
    }

    private (RateCurve Curve, Func<double, TokenLengths> Lengths, double Variation)? Rates(
        TrafficDocument traffic, string at, string path, TokenLengths lengths, (double From, double Length) part)
    {
        NoClients(traffic, path);
        if (!_overTime.TryGetValue(at, out var rates)) rates = _overTime[at] = RateFile.Read(at);
        ReachesTo(part.From + part.Length, rates.Curve.Length, path);
        if (file.Problems.Any) return null;
        return (
            rates.Curve.Part(part.From, part.Length).Times(traffic.Scale ?? 1),
            second => rates.TokensAt(part.From + second) is { } told ? lengths.WithMeans(told.Prompt, told.Answer) : lengths,
            traffic.Burstiness ?? 1);
    }

    private void NoClients(TrafficDocument traffic, string path)
    {
        if (traffic.Client is not null) file.Problems.Add($"{path}.traffic.client", "the trace tells of no clients; leave this out");
    }

    private static RateCurve CurveOf(TrafficDocument traffic, double length) => traffic.Wave is { } wave
        ? RateCurve.Wave(wave.Least ?? 0, wave.Most!.Value, (wave.Period ?? Day).TotalSeconds, length, (wave.Trough ?? Trough).TotalSeconds)
        : RateCurve.Constant(traffic.Rate!.Value, length);

    private static IEnumerable<RateCurve> Crowds(TrafficDocument traffic, double length)
    {
        foreach (var crowd in traffic.Crowds)
        {
            var (from, to) = (crowd.At!.Value.TotalSeconds, Math.Min(length, (crowd.At + crowd.For)!.Value.TotalSeconds));
            if (from >= to) continue;
            yield return from > 0 ? new RateCurve([0, from, to], [0, crowd.Rate!.Value, 0], length) : new RateCurve([0, to], [crowd.Rate!.Value, 0], length);
        }
    }

    private void ReachesTo(double needed, double ends, string path)
    {
        if (ends < needed) file.Problems.Add($"{path}.traffic.trace", $"the trace ends after {Durations.Show(TimeSpan.FromSeconds(ends))}, which is before the scenario does");
    }

    /// <summary>Seconds of a trace's file, whichever format it has.</summary>
    /// <exception cref="TraceException">It cannot be read.</exception>
    public static double LengthOf(string path) => Header(path) switch
    {
        var rates when rates.StartsWith(RateFile.Header, StringComparison.Ordinal) => RateFile.Read(path).Curve.Length,
        var clients when clients.StartsWith("client,window_start_s", StringComparison.Ordinal) => ServeGenRates.Read(path).Max(client => client.Curve.Length),
        _ => TraceFile.Read(path).Length,
    };

    private static string Header(string path) => (BoundedLines.Read(path, 1 << 18).FirstOrDefault().Text ?? "").TrimStart('\uFEFF');

    private static TokenLengths LengthsOf(ScenarioTokensDocument? tokens)
    {
        var (prompt, answer, spread) = (tokens?.Input ?? DefaultPrompt, tokens?.Output ?? DefaultAnswer, tokens?.Spread ?? DefaultSpread);
        return spread == 0
            ? new TokenLengths.Fixed((int)Math.Round(prompt), (int)Math.Round(answer))
            : new TokenLengths.LogNormal(prompt, spread, answer, spread);
    }
}
