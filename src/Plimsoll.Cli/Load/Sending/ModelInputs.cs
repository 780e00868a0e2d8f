using System.Collections.Immutable;
using System.Text.Json;

namespace Plimsoll.Cli.Load.Sending;

/// <summary>One input of a model as its metadata describes it; -1 in the shape is a free dimension.</summary>
public sealed record ModelInput(string Name, string Datatype, ImmutableArray<long> Shape);

/// <summary>
/// What a model wants to be sent, and bodies made for it in the Open Inference Protocol v2. A free first dimension is
/// the batch, 1; every other free one is the sequence length.
/// </summary>
public sealed record ModelInputs(ImmutableArray<ModelInput> Inputs)
{
    /// <summary>Token ids stay below this, which every text model's vocabulary exceeds.</summary>
    public const int LargestTokenId = 1000;

    private const long MostElements = 4_000_000;

    /// <summary>What our sample models and most text encoders take.</summary>
    public static readonly ModelInputs TokenIds = new([new ModelInput("input_ids", "INT64", [-1, -1])]);

    /// <summary>Reads the answer to <c>GET /v2/models/NAME</c>.</summary>
    /// <returns>Null when it is no such metadata or asks for something that cannot be made up, and why.</returns>
    public static (ModelInputs? Inputs, string? Why) FromMetadata(JsonElement metadata)
    {
        if (metadata.ValueKind != JsonValueKind.Object
            || !metadata.TryGetProperty("inputs", out var inputs) || inputs.ValueKind != JsonValueKind.Array)
            return (null, "its metadata names no inputs");
        var found = ImmutableArray.CreateBuilder<ModelInput>();
        foreach (var input in inputs.EnumerateArray().Take(64))
        {
            if (Text(input, "name") is not { } name || Text(input, "datatype") is not { } datatype
                || !input.TryGetProperty("shape", out var shape) || shape.ValueKind != JsonValueKind.Array
                || shape.GetArrayLength() > 16
                || !shape.EnumerateArray().All(d => d.ValueKind == JsonValueKind.Number && d.TryGetInt64(out _)))
                return (null, "its metadata has an input without name, datatype or shape");
            if (!IsMakeable(datatype)) return (null, $"its input '{name}' is {datatype}, which cannot be made up");
            found.Add(new ModelInput(name, datatype, [.. shape.EnumerateArray().Select(d => d.GetInt64())]));
        }

        return found.Count == 0 ? (null, "its metadata names no inputs") : (new ModelInputs(found.ToImmutable()), null);
    }

    /// <summary>Why no body of this sequence length can be made, in one sentence; null when it can.</summary>
    public string? Problem(int sequenceLength)
    {
        foreach (var input in Inputs)
        {
            if (Elements(Resolve(input.Shape, sequenceLength)) > MostElements)
                return $"its input '{input.Name}' would have more than {MostElements} elements; give a smaller --sequence-length.";
        }

        return null;
    }

    /// <summary>A request's body; the seed decides its numbers.</summary>
    public byte[] Body(int sequenceLength, ulong seed)
    {
        var random = new SeededRandom(seed);
        using var buffer = new MemoryStream(64 + sequenceLength * 5);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("inputs");
            foreach (var input in Inputs) Write(json, input, sequenceLength, random);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void Write(Utf8JsonWriter json, ModelInput input, int sequenceLength, SeededRandom random)
    {
        var shape = Resolve(input.Shape, sequenceLength);
        json.WriteStartObject();
        json.WriteString("name", input.Name);
        json.WriteString("datatype", input.Datatype);
        json.WriteStartArray("shape");
        foreach (var dimension in shape) json.WriteNumberValue(dimension);
        json.WriteEndArray();
        json.WriteStartArray("data");
        var count = Elements(shape);
        if (count > MostElements) throw new InvalidOperationException($"input '{input.Name}' has too many elements");
        for (var i = 0L; i < count; i++) WriteElement(json, input, random);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteElement(Utf8JsonWriter json, ModelInput input, SeededRandom random)
    {
        if (input.Datatype == "BOOL") json.WriteBooleanValue(true);
        else if (input.Datatype.StartsWith("FP", StringComparison.Ordinal) || input.Datatype == "BF16")
            json.WriteNumberValue(Math.Round(random.NextUnit(), 4));
        else if (input.Name.Contains("mask", StringComparison.OrdinalIgnoreCase)) json.WriteNumberValue(1);
        else if (input.Name.Contains("type", StringComparison.OrdinalIgnoreCase)) json.WriteNumberValue(0);
        else json.WriteNumberValue((int)(random.NextBits() % (input.Datatype is "INT8" or "UINT8" ? 100UL : LargestTokenId)));
    }

    private static long Elements(long[] shape) =>
        shape.Aggregate(1L, (product, d) => product > MostElements ? product : product * Math.Min(d, MostElements + 1));

    private static long[] Resolve(ImmutableArray<long> shape, int sequenceLength) =>
        [.. shape.Select((dimension, place) => dimension >= 0 ? dimension : place == 0 ? 1 : sequenceLength)];

    private static bool IsMakeable(string datatype) => datatype is "BOOL" or "INT8" or "INT16" or "INT32" or "INT64"
        or "UINT8" or "UINT16" or "UINT32" or "UINT64" or "FP16" or "FP32" or "FP64" or "BF16";

    private static string? Text(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value)
        && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
