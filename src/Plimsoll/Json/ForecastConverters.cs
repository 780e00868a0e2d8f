using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Json;

/// <summary>A forecast in the planner's form, as base64 of its bytes: a kilobyte and a half where members would take five.</summary>
public sealed class CompactForecastConverter : JsonConverter<DemandForecast>
{
    public override DemandForecast Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Base64.Read(ref reader, "a forecast", CompactForecast.Read);

    public override void Write(Utf8JsonWriter writer, DemandForecast value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        Span<byte> bytes = stackalloc byte[CompactForecast.MostBytes];
        writer.WriteBase64StringValue(bytes[..CompactForecast.Write(value, bytes)]);
    }
}

/// <summary>Idle times as base64 of the buckets in use.</summary>
public sealed class IdleTimesConverter : JsonConverter<IdleTimes>
{
    public override IdleTimes Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Base64.Read(ref reader, "idle times", CompactForecast.ReadIdleTimes);

    public override void Write(Utf8JsonWriter writer, IdleTimes value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        Span<byte> bytes = stackalloc byte[CompactForecast.MostIdleBytes];
        writer.WriteBase64StringValue(bytes[..CompactForecast.WriteIdleTimes(value, bytes)]);
    }
}

/// <summary>Times of surplus as base64 of the buckets in use.</summary>
public sealed class SurplusTimesConverter : JsonConverter<SurplusTimes>
{
    public override SurplusTimes Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        Base64.Read(ref reader, "times of surplus", CompactForecast.ReadSurplus);

    public override void Write(Utf8JsonWriter writer, SurplusTimes value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        Span<byte> bytes = stackalloc byte[CompactForecast.MostSurplusBytes];
        writer.WriteBase64StringValue(bytes[..CompactForecast.WriteSurplus(value, bytes)]);
    }
}

internal static class Base64
{
    public static T Read<T>(ref Utf8JsonReader reader, string what, Func<byte[], T> from)
    {
        if (reader.TokenType != JsonTokenType.String || !reader.TryGetBytesFromBase64(out var bytes)) throw new JsonException($"{what} must be base64");
        try
        {
            return from(bytes);
        }
        catch (Exception damage) when (damage is ArgumentOutOfRangeException or FormatException or OverflowException)
        {
            throw new JsonException($"{what} cannot be read: {damage.Message}", damage);
        }
    }
}
