using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Plimsoll;

/// <summary>What a step's time is predicted for: all that coefficients were fitted by.</summary>
/// <param name="Device">The catalogue's name ("h100-80gb").</param>
/// <param name="Generation">See <see cref="StepCalibration.GenerationOf"/>.</param>
/// <param name="Engine">"vllm", "sglang", "trtllm".</param>
/// <param name="Model">See <see cref="StepCalibration.ModelKey"/>.</param>
public sealed record StepSubject(string Device, string Generation, string Engine, string Model)
{
    public string Pair => $"{Model} {Device} {Engine}";

    /// <summary>The whole device of which <see cref="Device"/> is a slice, whose efficiency it shares; null for a whole one.</summary>
    public string? SliceOf { get; init; }

    public static StepSubject Of(ModelShape shape, string engine, Accelerator device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return new(device.Name, StepCalibration.GenerationOf(device), engine, StepCalibration.ModelKey(shape)) { SliceOf = device.SliceOf };
    }
}

/// <summary>The nearest thing to a subject that was measured, from near to far.</summary>
public enum StepNearness
{
    /// <summary>The model on this device under this engine.</summary>
    Pair,

    /// <summary>Other models, or single kernels, on this device under an engine that was measured.</summary>
    Device,

    /// <summary>Other devices that compute in the same widths; or another engine, or the whole of which it is a slice.</summary>
    Generation,

    /// <summary>Nothing alike.</summary>
    None,
}

/// <summary>A predicted time and how far off it may be.</summary>
/// <param name="Seconds">The median.</param>
/// <param name="LogSpread">
/// Standard deviation of the logarithm of measured over predicted: nine in ten lie within Seconds × or ÷ exp(1.645 × this).
/// </param>
public sealed record StepEstimate(double Seconds, double LogSpread)
{
    public double LowSeconds => Seconds * Math.Exp(-1.645 * LogSpread);

    public double HighSeconds => Seconds * Math.Exp(1.645 * LogSpread);
}

/// <summary>
/// Fitted coefficients: one of all measurements, times a factor for the engine, the generation and the device, and for
/// the model and the model on the device as a whole. Where something was never measured its factor is 1, so a new device
/// is the roofline at the efficiency of those that were.
/// </summary>
public sealed class StepCalibration
{
    /// <summary>The levels, from the widest to the narrowest.</summary>
    public static readonly ImmutableArray<string> Levels = ["all", "engine", "generation", "device", "model", "pair"];

    private static readonly Lazy<StepCalibration> Ours = new(() => Parse(Resource()));

    private readonly FrozenDictionary<(string Level, string Key), ImmutableArray<double>> _factors;
    private readonly FrozenDictionary<string, double> _spreads;

    /// <param name="factors">For each level and name, a factor for each coefficient; all must have ("all", "").</param>
    /// <param name="spreads">Log spreads by how near the data is: "pair", "device", "generation", "none".</param>
    /// <param name="source">What it was fitted on, with a date.</param>
    public StepCalibration(
        IReadOnlyDictionary<(string Level, string Key), ImmutableArray<double>> factors, IReadOnlyDictionary<string, double> spreads, string source)
    {
        ArgumentNullException.ThrowIfNull(factors);
        ArgumentNullException.ThrowIfNull(spreads);
        (_factors, _spreads, Source) = (factors.ToFrozenDictionary(), spreads.ToFrozenDictionary(StringComparer.Ordinal), source);
        _ = new StepCoefficients(_factors[("all", "")]);
    }

    /// <summary>The project's own, fitted by bench/Plimsoll.Prediction.</summary>
    public static StepCalibration BuiltIn => Ours.Value;

    /// <summary>What it was fitted on, with a date.</summary>
    public string Source { get; }

    public IReadOnlyDictionary<(string Level, string Key), ImmutableArray<double>> Factors => _factors;

    public IReadOnlyDictionary<string, double> Spreads => _spreads;

    /// <summary>The narrowest operands a device computes in, which go with its generation: "float4", "float8" or "wide".</summary>
    public static string GenerationOf(Accelerator device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return device.FlopsPerSecond.ContainsKey("float4") ? "float4" : device.FlopsPerSecond.ContainsKey("float8") ? "float8" : "wide";
    }

    /// <summary>The same for every copy of a model: its architecture, width, depth and how its weights are stored.</summary>
    public static string ModelKey(ModelShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return $"{shape.Architecture}-{shape.HiddenSize}x{shape.LayerCount}-{shape.Quantization ?? shape.ComputeDtype}";
    }

    public StepCoefficients For(StepSubject subject)
    {
        ArgumentNullException.ThrowIfNull(subject);
        var values = _factors[("all", "")].ToArray();
        foreach (var level in Levels.Skip(1))
            if (_factors.TryGetValue((level, KeyOf(subject, level)), out var factors))
                for (var i = 0; i < values.Length; i++) values[i] *= factors[i];
        return new StepCoefficients([.. values]);
    }

    /// <summary>What was measured nearest to it.</summary>
    public StepNearness NearestTo(StepSubject subject)
    {
        ArgumentNullException.ThrowIfNull(subject);
        if (_factors.ContainsKey(("pair", subject.Pair))) return StepNearness.Pair;
        var device = subject.SliceOf is null && _factors.ContainsKey(("device", subject.Device)) && _factors.ContainsKey(("engine", subject.Engine));
        return device ? StepNearness.Device
            : _factors.ContainsKey(("generation", subject.Generation)) ? StepNearness.Generation : StepNearness.None;
    }

    /// <summary>
    /// Spread of predictions for it, by the nearest thing measured. Each batch size beyond what was measured widens it by
    /// a tenth for each factor of e.
    /// </summary>
    /// <param name="subject">What is predicted.</param>
    /// <param name="beyond">How many times larger (or smaller) the batch is than any measured one; 1 within.</param>
    public double LogSpread(StepSubject subject, double beyond = 1)
    {
        var spread = _spreads.GetValueOrDefault(SpreadName(NearestTo(subject)), 1);
        var distance = 0.1 * Math.Log(Math.Max(1, double.IsFinite(beyond) ? beyond : double.MaxValue));
        return Math.Sqrt((spread * spread) + (distance * distance));
    }

    private static string SpreadName(StepNearness nearest) => nearest switch
    {
        StepNearness.Pair => "pair",
        StepNearness.Device => "device",
        StepNearness.Generation => "generation",
        _ => "none",
    };

    public static string KeyOf(StepSubject subject, string level)
    {
        ArgumentNullException.ThrowIfNull(subject);
        return level switch
        {
            "engine" => subject.Engine,
            "generation" => subject.Generation,
            "device" => subject.SliceOf ?? subject.Device,
            "model" => subject.Model,
            "pair" => subject.Pair,
            _ => "",
        };
    }

    /// <summary>Reads the file that <see cref="Write"/> writes.</summary>
    /// <exception cref="JsonException">It is no JSON.</exception>
    /// <exception cref="ArgumentException">A coefficient is missing or not positive.</exception>
    public static StepCalibration Parse(ReadOnlyMemory<byte> file)
    {
        using var json = JsonDocument.Parse(file);
        var factors = new Dictionary<(string, string), ImmutableArray<double>>();
        foreach (var level in json.RootElement.GetProperty("factors").EnumerateObject())
            foreach (var key in level.Value.EnumerateObject())
            {
                var values = Enumerable.Repeat(1.0, StepCoefficients.Count).ToArray();
                foreach (var one in key.Value.EnumerateObject()) values[(int)Enum.Parse<StepCoefficient>(one.Name)] = one.Value.GetDouble();
                factors[(level.Name, key.Name)] = [.. values];
            }

        var spreads = json.RootElement.GetProperty("spreads").EnumerateObject()
            .ToDictionary(one => one.Name, one => one.Value.GetDouble(), StringComparer.Ordinal);
        return new StepCalibration(factors, spreads, json.RootElement.GetProperty("source").GetString() ?? "");
    }

    /// <summary>As JSON; factors of 1 are left out.</summary>
    public void Write(Stream stream)
    {
        using var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        writer.WriteStartObject();
        writer.WriteString("source", Source);
        writer.WriteStartObject("factors");
        foreach (var level in Levels)
        {
            writer.WriteStartObject(level);
            foreach (var (key, values) in _factors.Where(one => one.Key.Level == level).OrderBy(one => one.Key.Key, StringComparer.Ordinal))
            {
                writer.WriteStartObject(key.Key);
                foreach (var which in Enum.GetValues<StepCoefficient>())
                    if (level == "all" || Math.Abs(values[(int)which] - 1) > 5e-5)
                        writer.WriteNumber(which.ToString(), Significant(values[(int)which]));
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        writer.WriteEndObject();
        writer.WriteStartObject("spreads");
        foreach (var (name, spread) in _spreads.OrderBy(one => one.Key, StringComparer.Ordinal)) writer.WriteNumber(name, Significant(spread));
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static double Significant(double value) =>
        double.Parse(value.ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static byte[] Resource()
    {
        using var stream = typeof(StepCalibration).Assembly.GetManifestResourceStream("step-times.json")
            ?? throw new InvalidOperationException("the resource step-times.json is not in this build");
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }
}
