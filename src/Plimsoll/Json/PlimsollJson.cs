using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Plimsoll.Control;

namespace Plimsoll.Json;

/// <summary>
/// The one JSON form of the brain's values: camel case, enumerations by name, no indentation, members in the order they
/// are declared. Equal values give equal bytes; hashes and replay rest on that.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    AllowOutOfOrderMetadataProperties = true)]
[JsonSerializable(typeof(FleetSpec))]
[JsonSerializable(typeof(FleetSnapshot))]
[JsonSerializable(typeof(Knowledge))]
[JsonSerializable(typeof(Plan))]
[JsonSerializable(typeof(ApplyResult))]
[JsonSerializable(typeof(Footprint))]
[JsonSerializable(typeof(DemandForecast))]
[JsonSerializable(typeof(IdleTimes))]
[JsonSerializable(typeof(ShortageCost))]
[JsonSerializable(typeof(DemandCalendar))]
public sealed partial class PlimsollJson : JsonSerializerContext
{
    public static byte[] ToBytes<T>(T value, JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(value, type);

    /// <summary>SHA-256 of the canonical JSON, lower-case hex.</summary>
    public static string Hash<T>(T value, JsonTypeInfo<T> type)
    {
        // As it is written: a snapshot of a large cluster is tens of megabytes of JSON that nobody needs in one piece.
        using var hash = new HashStream();
        JsonSerializer.Serialize(hash, value, type);
        return Convert.ToHexStringLower(hash.Digest());
    }
}
