using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>
/// Reads the values of a GGUF header's keys. Kept as text are those that describe the model: short texts, numbers, and
/// arrays with a number for each block. A vocabulary is counted and passed over, as is everything long.
/// </summary>
internal sealed class GgufValues(HeaderFile file)
{
    private const int ArrayDepthMax = 4;
    private const long ArrayElementsMax = 64L << 20;
    private const int KeptMax = 1000;
    private const int KeptArrayMax = 1024;
    private const int KeptTextBytesMax = 512;
    private const string TokensKey = "tokenizer.ggml.tokens";
    private readonly ImmutableDictionary<string, string>.Builder _kept = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
    private long _arrayElements;

    public ImmutableDictionary<string, string> Kept => _kept.ToImmutable();

    public void Keep(string key, string text)
    {
        if (_kept.Count < KeptMax)
            _kept[key] = text;
    }

    /// <summary>Reads a value and keeps it where it is wanted.</summary>
    /// <returns>A number as such, the largest of an array of numbers; null for anything else.</returns>
    public long? Read(string key, uint type)
    {
        var wanted = !key.StartsWith("tokenizer.", StringComparison.Ordinal);
        switch (type)
        {
            case 9:
                return ReadArray(key, wanted, 1);
            case 8:
                ReadText(key, wanted);
                return null;
            default:
                var (number, text) = ReadScalar(type);
                if (wanted)
                    Keep(key, text);
                return number;
        }
    }

    private void ReadText(string key, bool wanted)
    {
        var bytes = file.ReadUInt64();
        if (bytes > (ulong)file.Length)
            throw file.Truncated($"the text at byte {file.Position} claims {bytes} bytes");
        if (wanted && bytes <= KeptTextBytesMax)
            Keep(key, file.ReadText((long)bytes, KeptTextBytesMax, $"the value of '{Messages.Shown(key)}'"));
        else
            Skip((long)bytes);
    }

    // 0 u8, 1 i8, 2 u16, 3 i16, 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 9 array, 10 u64, 11 i64, 12 f64.
    private (long? Number, string Text) ReadScalar(uint type)
    {
        switch (type)
        {
            case 6:
                return (null, BitConverter.UInt32BitsToSingle(file.ReadUInt32()).ToString(CultureInfo.InvariantCulture));
            case 12:
                return (null, BitConverter.UInt64BitsToDouble(file.ReadUInt64()).ToString(CultureInfo.InvariantCulture));
            case 7:
                var flag = file.ReadByte();
                return (flag, flag == 0 ? "false" : "true");
            default:
                var number = ReadInteger(type);
                return (number, number.ToString(CultureInfo.InvariantCulture));
        }
    }

    private long ReadInteger(uint type) => unchecked(type switch
    {
        0 => file.ReadByte(),
        1 => (sbyte)file.ReadByte(),
        2 => (ushort)(file.ReadByte() | file.ReadByte() << 8),
        3 => (short)(file.ReadByte() | file.ReadByte() << 8),
        4 => file.ReadUInt32(),
        5 => (int)file.ReadUInt32(),
        10 or 11 => (long)file.ReadUInt64(),
        _ => throw file.Broken($"the value at byte {file.Position} has the unknown type {type}"),
    });

    // Some keys (head_count_kv of hybrid models) hold one number per block: the largest stands for all.
    private long? ReadArray(string key, bool wanted, int depth)
    {
        if (depth > ArrayDepthMax)
            throw file.Broken($"its arrays are nested deeper than {ArrayDepthMax}");
        var type = file.ReadUInt32();
        var count = file.ReadUInt64();
        if (count > (ulong)ArrayElementsMax || (_arrayElements += (long)count) > ArrayElementsMax)
            throw file.Broken($"its arrays hold more than {ArrayElementsMax} values");
        if (depth == 1 && key == TokensKey)
            Keep(TokensKey + ".count", count.ToString(CultureInfo.InvariantCulture));
        var bytesEach = type switch { 0 or 1 or 7 => 1, 2 or 3 => 2, 4 or 5 or 6 => 4, 10 or 11 or 12 => 8, _ => 0 };
        if (bytesEach == 0)
        {
            SkipElements(key, type, (long)count, depth);
            return null;
        }

        if (!wanted || depth > 1 || count is 0 or > KeptArrayMax)
        {
            Skip(bytesEach * (long)count);
            return null;
        }

        return ReadNumbers(key, type, (int)count);
    }

    private long? ReadNumbers(string key, uint type, int count)
    {
        long? largest = null;
        var texts = new string[count];
        for (var i = 0; i < count; i++)
        {
            (var number, texts[i]) = ReadScalar(type);
            if (number is { } value && !(value <= largest))
                largest = value;
        }

        Keep(key, string.Join(',', texts));
        return largest;
    }

    private void SkipElements(string key, uint type, long count, int depth)
    {
        for (var i = 0L; i < count; i++)
        {
            switch (type)
            {
                case 8: ReadText(key, wanted: false); break;
                case 9: ReadArray(key, wanted: false, depth + 1); break;
                default: throw file.Broken($"the value at byte {file.Position} has the unknown type {type}");
            }
        }
    }

    private void Skip(long bytes)
    {
        if (bytes > file.Length - file.Position)
            throw file.Truncated($"its header goes on to byte {file.Position + bytes}");
        file.Position += bytes;
    }
}
