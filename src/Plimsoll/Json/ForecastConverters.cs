using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plimsoll.Json;

/// <summary>A forecast in the planner's form, as base64 of its bytes: a kilobyte and a half where members would take five.</summary>
public sealed class CompactForecastConverter()
    : CompactConverter<DemandForecast>("a forecast", CompactForecast.MostBytes, CompactForecast.Read, CompactForecast.Write);

/// <summary>Idle times as base64 of the buckets in use.</summary>
public sealed class IdleTimesConverter()
    : CompactConverter<IdleTimes>("idle times", CompactForecast.MostIdleBytes, CompactForecast.ReadIdleTimes, CompactForecast.WriteIdleTimes);

/// <summary>Times of surplus as base64 of the buckets in use.</summary>
public sealed class SurplusTimesConverter()
    : CompactConverter<SurplusTimes>("times of surplus", CompactForecast.MostSurplusBytes, CompactForecast.ReadSurplus, CompactForecast.WriteSurplus);

/// <summary>Times of day as base64 of those there are.</summary>
public sealed class DailyStartsConverter()
    : CompactConverter<DailyStarts>("times of day", CompactForecast.MostDailyBytes, CompactForecast.ReadDaily, CompactForecast.WriteDaily);

/// <summary>What the days before say, as base64 of its bytes.</summary>
public sealed class SeasonalForecastConverter()
    : CompactConverter<SeasonalForecast>("a forecast by the days", CompactForecast.MostSeasonalBytes, CompactForecast.ReadSeasonal, CompactForecast.WriteSeasonal);

/// <summary>A value as base64 of its bytes.</summary>
public abstract class CompactConverter<T> : JsonConverter<T>
{
    private readonly string _what;
    private readonly int _most;
    private readonly Func<byte[], T> _read;
    private readonly ToBytes _write;

    /// <param name="what">What an error calls it.</param>
    /// <param name="most">Bytes at the most.</param>
    /// <param name="read">From its bytes.</param>
    /// <param name="write">Into bytes; how many.</param>
    private protected CompactConverter(string what, int most, Func<byte[], T> read, ToBytes write) => (_what, _most, _read, _write) = (what, most, read, write);

    private protected delegate int ToBytes(T value, Span<byte> bytes);

    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.String || !reader.TryGetBytesFromBase64(out var bytes)) throw new JsonException($"{_what} must be base64");
        try
        {
            return _read(bytes);
        }
        catch (Exception damage) when (damage is ArgumentOutOfRangeException or FormatException or OverflowException)
        {
            throw new JsonException($"{_what} cannot be read: {damage.Message}", damage);
        }
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
    {
        ArgumentNullException.ThrowIfNull(writer);
        Span<byte> bytes = stackalloc byte[_most];
        writer.WriteBase64StringValue(bytes[.._write(value, bytes)]);
    }
}
