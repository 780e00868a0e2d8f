using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>What one gateway counted of one model since it knew it: cumulative, but for what is held now.</summary>
internal sealed record GatewayCounts
{
    public static readonly GatewayCounts Zero = new();

    /// <summary>How long it has counted; null of a gateway that does not say.</summary>
    public double? Seconds { get; init; }

    public long Arrivals { get; init; }

    public long RequestBytes { get; init; }

    public long Completed { get; init; }

    public long Failed { get; init; }

    public long Abandoned { get; init; }

    public long Rejected { get; init; }

    /// <summary>Of the completed; null where the objective is more than a latency.</summary>
    public long? WithinSlo { get; init; } = 0;

    public double HeldSeconds { get; init; }

    public long HeldNow { get; init; }

    public double? OldestHeldSeconds { get; init; }

    public ServiceSample? Service { get; init; }

    /// <summary>Requests that neither ended nor left: held, or in a replica.</summary>
    public long InFlight => Math.Max(0, Arrivals - Completed - Failed - Abandoned - Rejected);

    /// <summary>Fewer than before: counted from anew in between.</summary>
    public bool IsBefore(GatewayCounts other) =>
        Arrivals < other.Arrivals || Completed < other.Completed || Failed < other.Failed || Abandoned < other.Abandoned || Rejected < other.Rejected;

    public static GatewayCounts Of(ModelTraffic row, bool isUntimed) => new()
    {
        Seconds = Math.Max(0, (row.To - row.From).TotalSeconds),
        Arrivals = row.Arrivals,
        RequestBytes = row.RequestBytes,
        Completed = row.Completed,
        Failed = row.Failed,
        Abandoned = row.Abandoned,
        Rejected = row.Rejected,
        WithinSlo = isUntimed ? null : row.WithinSlo,
        HeldSeconds = row.HeldRequestSeconds,
        HeldNow = row.HeldNow,
        OldestHeldSeconds = row.OldestHeld?.TotalSeconds,
        Service = row.Service,
    };

    public static long Inside(ModelTraffic row) => row.Arrivals - row.Completed - row.Failed - row.Abandoned - row.Rejected;
}

/// <summary>What a gateway says at /demand.</summary>
internal sealed record DemandSample
{
    // More than any cluster has; whoever says more is not a gateway of ours.
    private const int ModelsMax = 50_000;
    private const long CountMax = 1_000_000_000_000_000;

    /// <summary>Another one after each start.</summary>
    public required string Instance { get; init; }

    public required TimeSpan Uptime { get; init; }

    /// <summary>How often a request began to wait for a model at zero.</summary>
    public required long Wakes { get; init; }

    public required IReadOnlyDictionary<ModelId, GatewayCounts> Models { get; init; }

    public byte[] Write()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("instance", Instance);
            writer.WriteNumber("uptimeSeconds", Uptime.TotalSeconds);
            writer.WriteNumber("wakes", Wakes);
            writer.WriteStartObject("models");
            foreach (var (model, counts) in Models.OrderBy(one => one.Key))
            {
                writer.WriteStartObject(model.Value);
                Write(writer, counts);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads an answer.</summary>
    /// <exception cref="MetricsException">It is not what a gateway says.</exception>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static DemandSample Read(ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8 });
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("instance", out var instance) || instance.ValueKind != JsonValueKind.String
            || instance.GetString() is not { Length: > 0 and <= 64 } name || !root.TryGetProperty("models", out var models) || models.ValueKind != JsonValueKind.Object)
            throw Strange("an instance and its models are wanted");
        var read = new Dictionary<ModelId, GatewayCounts>();
        foreach (var model in models.EnumerateObject())
        {
            if (read.Count >= ModelsMax) throw Strange($"it has more than {ModelsMax} models");
            read[new ModelId(model.Name)] = Counts(model.Value);
        }

        return new DemandSample
        {
            Instance = name,
            Uptime = TimeSpan.FromSeconds(Number(root, "uptimeSeconds", 1e10)),
            Wakes = Whole(root, "wakes"),
            Models = read,
        };
    }

    private static void Write(Utf8JsonWriter writer, GatewayCounts counts)
    {
        if (counts.Seconds is { } seconds) writer.WriteNumber("seconds", seconds);
        writer.WriteNumber("arrivals", counts.Arrivals);
        writer.WriteNumber("requestBytes", counts.RequestBytes);
        writer.WriteNumber("completed", counts.Completed);
        writer.WriteNumber("failed", counts.Failed);
        writer.WriteNumber("abandoned", counts.Abandoned);
        writer.WriteNumber("rejected", counts.Rejected);
        if (counts.WithinSlo is { } within) writer.WriteNumber("withinSlo", within);
        writer.WriteNumber("heldSeconds", counts.HeldSeconds);
        writer.WriteNumber("heldNow", counts.HeldNow);
        if (counts.OldestHeldSeconds is { } oldest) writer.WriteNumber("oldestHeldSeconds", oldest);
        if (counts.Service is not { } service) return;
        writer.WriteStartObject("service");
        writer.WriteNumber("count", service.Count);
        writer.WriteNumber("sumN", service.SumN);
        writer.WriteNumber("sumL", service.SumL);
        writer.WriteNumber("sumNN", service.SumNN);
        writer.WriteNumber("sumNL", service.SumNL);
        writer.WriteNumber("maxN", service.MaxN);
        writer.WriteNumber("maxL", service.MaxLatencySeconds);
        writer.WriteEndObject();
    }

    private static GatewayCounts Counts(JsonElement model) => model.ValueKind != JsonValueKind.Object ? throw Strange("a model has no counts") : new GatewayCounts
    {
        Seconds = model.TryGetProperty("seconds", out _) ? Number(model, "seconds", 1e10) : null,
        Arrivals = Whole(model, "arrivals"),
        RequestBytes = Whole(model, "requestBytes"),
        Completed = Whole(model, "completed"),
        Failed = Whole(model, "failed"),
        Abandoned = Whole(model, "abandoned"),
        Rejected = Whole(model, "rejected"),
        WithinSlo = model.TryGetProperty("withinSlo", out _) ? Whole(model, "withinSlo") : null,
        HeldSeconds = Number(model, "heldSeconds"),
        HeldNow = Math.Min(Whole(model, "heldNow"), int.MaxValue),
        OldestHeldSeconds = model.TryGetProperty("oldestHeldSeconds", out _) ? Number(model, "oldestHeldSeconds", 1e6) : null,
        Service = model.TryGetProperty("service", out var service) && service.ValueKind == JsonValueKind.Object
            ? new ServiceSample(
                Whole(service, "count"), Number(service, "sumN"), Number(service, "sumL"), Number(service, "sumNN"), Number(service, "sumNL"),
                (int)Math.Min(Whole(service, "maxN"), int.MaxValue), Number(service, "maxL")) : null,
    };

    private static long Whole(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var whole) && whole is >= 0 and <= CountMax
            ? whole : throw Strange($"{name} is no count");

    private static double Number(JsonElement element, string name, double most = 1e18) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= 0 && number <= most
            ? number : throw Strange($"{name} is no number in bounds");

    private static MetricsException Strange(string what) =>
        new(string.Create(CultureInfo.InvariantCulture, $"its answer is not what a gateway says: {what}"));
}
