using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Plimsoll.Json;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>What a source weighed when it was last read.</summary>
/// <param name="Key">Of the source; an address may have a secret in it, and is not written down.</param>
/// <param name="Shown">The source as it may be shown.</param>
/// <param name="Footprint">What it weighed.</param>
public sealed record KeptFootprint(string Key, string Shown, Footprint Footprint)
{
    /// <summary>The key of a source.</summary>
    public static string KeyOf(string source) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source)));

    internal static void Write(Stream stream, IEnumerable<KeptFootprint> kept)
    {
        using var writer = new Utf8JsonWriter(stream);
        writer.WriteStartArray();
        foreach (var one in kept)
        {
            writer.WriteStartObject();
            writer.WriteString("source", one.Key);
            writer.WriteString("shown", one.Shown);
            writer.WritePropertyName("footprint");
            JsonSerializer.Serialize(writer, one.Footprint, PlimsollJson.Default.Footprint);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    /// <exception cref="JsonException">It is not what was written.</exception>
    internal static List<KeptFootprint> Read(Stream stream)
    {
        using var json = JsonDocument.Parse(stream);
        if (json.RootElement.ValueKind != JsonValueKind.Array) throw new JsonException("a list was expected");
        var kept = new List<KeptFootprint>();
        foreach (var one in json.RootElement.EnumerateArray())
        {
            if (one.Text("source") is { } key && one.At("footprint") is { } footprint
                && footprint.Deserialize(PlimsollJson.Default.Footprint) is { } read) kept.Add(new KeptFootprint(key, one.Text("shown") ?? "", read));
        }

        return kept;
    }
}
