using System.Text;
using System.Text.Json;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Damages JSON where it stays JSON: values that lie, fields dropped, doubled, or taken from another configuration.</summary>
internal static class ConfigMutator
{
    private static readonly byte[][] Values =
    [
        .. new[]
        {
            "0", "1", "2", "3", "5", "7", "64", "4096", "65536", "16777216", "268435455", "268435456", "2147483647", "2147483648", "4611686018427387904", "-1", "-0", "1e308",
            "1e400", "0.5", "1e-9", "2.0", "NaN", "Infinity", "-Infinity", "true", "false", "null", "\"\"", "\"64\"", "\"\\ud800\"", "\"float32\"", "\"no such\"",
            "\"full_attention\"", "\"auto\"", "[]", "[0]", "[1,0,4]", "[null,\"a\",{}]", "[[1,2],[3]]", "{}", "{\"a\":1}", "{\"\\udc00\":1}", Deep(10), Deep(200), Long(5), Long(5000),
            "\"re:(a|b)*c\"", "[\"re:(\"]", "[\"re:\\\\p{L}{9}\"]", "[\"*\"]",
        }.Select(Encoding.UTF8.GetBytes),
    ];

    private readonly record struct Member(int Key, int Value, int End);

    /// <summary>A damaged copy; fields and values of <paramref name="other"/> may get into it.</summary>
    public static byte[] Mutate(byte[] original, byte[] other, SplitMix random)
    {
        var bytes = original;
        for (var i = random.Below(5); i >= 0; i--)
        {
            // A text that is no JSON any more keeps what was done to it so far.
            if (random.Below(24) == 0 || Members(bytes) is not { Count: > 0 } members)
                return HeaderMutator.Mutate(bytes, other, random);
            bytes = Once(bytes, members[random.Below(members.Count)], other, random);
        }

        return bytes;
    }

    private static byte[] Once(byte[] bytes, Member at, byte[] other, SplitMix random)
    {
        var foreign = Members(other);
        var theirs = foreign.Count == 0 ? default : foreign[random.Below(foreign.Count)];
        switch (random.Below(8))
        {
            case 0: return Replaced(bytes, at.Key, at.Value, "\"dropped\":"u8);
            case 1: return Replaced(bytes, at.Key, at.Key, [.. bytes.AsSpan(at.Key..at.Value), .. Values[random.Below(Values.Length)], (byte)',']);
            case 2 when foreign.Count > 0: return Replaced(bytes, at.Key, at.Key, [.. other.AsSpan(theirs.Key..theirs.End), (byte)',']);
            case 3 when foreign.Count > 0: return Replaced(bytes, at.Value, at.End, other.AsSpan(theirs.Value..theirs.End));
            case 4 when foreign.Count > 0: return Replaced(bytes, at.Key, at.Value, other.AsSpan(theirs.Key..theirs.Value));
            default: return Replaced(bytes, at.Value, at.End, Values[random.Below(Values.Length)]);
        }
    }

    private static byte[] Replaced(byte[] bytes, int from, int to, ReadOnlySpan<byte> with) => [.. bytes.AsSpan(0, from), .. with, .. bytes.AsSpan(to)];

    private static List<Member> Members(byte[] json)
    {
        var found = new List<Member>();
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 512 });
            var open = new Stack<(int Key, int Value)>();
            var key = -1;
            while (reader.Read())
            {
                var start = (int)reader.TokenStartIndex;
                switch (reader.TokenType)
                {
                    case JsonTokenType.PropertyName: key = start; continue;
                    case JsonTokenType.StartObject or JsonTokenType.StartArray: open.Push((key, start)); break;
                    case JsonTokenType.EndObject or JsonTokenType.EndArray:
                        if (open.Pop() is { Key: >= 0 } whole)
                            found.Add(new Member(whole.Key, whole.Value, (int)reader.BytesConsumed));
                        break;
                    default:
                        if (key >= 0)
                            found.Add(new Member(key, start, (int)reader.BytesConsumed));
                        break;
                }

                key = -1;
            }

            return found;
        }
        catch (JsonException)
        {
            return [];
        }
    }

    private static string Deep(int depth) => new string('[', depth) + new string(']', depth);

    private static string Long(int count) => "[" + string.Join(',', Enumerable.Repeat("1", count)) + "]";
}
