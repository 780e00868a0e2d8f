using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Damages a real file in the ways in which files lie: lengths, counts, offsets, numbers in text, repeated, missing and foreign parts.</summary>
internal static class HeaderMutator
{
    private static readonly ulong[] Numbers =
        [0, 1, 2, 7, 8, 127, 128, 255, 256, 65535, 65536, int.MaxValue, 1UL << 31, uint.MaxValue, 1UL << 40, 1UL << 62, long.MaxValue, 1UL << 63, ulong.MaxValue, 1_000_000_000_000_000_000];

    private static readonly byte[][] Texts =
    [
        .. new[] { "-1", "0", "9", "1e309", "1000000000000000000", "9223372036854775807", "9223372036854775808", "null", "[]", "{}", "[[[[", "{\"a\":{\"a\":", "\"", "\\ud800", "../", "\0", "..", "/", ":" }
            .Select(Encoding.UTF8.GetBytes),
    ];

    /// <summary>A damaged copy; parts of <paramref name="other"/> may get into it.</summary>
    public static byte[] Mutate(byte[] original, byte[] other, SplitMix random)
    {
        var bytes = new List<byte>(original);
        for (var i = random.Below(6); i >= 0; i--)
            Once(bytes, other, random);
        return [.. bytes];
    }

    private static void Once(List<byte> bytes, byte[] other, SplitMix random)
    {
        if (bytes.Count == 0)
        {
            bytes.Add((byte)random.Below(256));
            return;
        }

        // Headers stand at the start and, in archives, at the end.
        var at = random.Below(4) switch
        {
            0 => random.Below(Math.Min(64, bytes.Count)),
            1 => bytes.Count - 1 - random.Below(Math.Min(128, bytes.Count)),
            _ => random.Below(bytes.Count),
        };
        var length = 1 + random.Below(Math.Min(32, bytes.Count - at));
        switch (random.Below(10))
        {
            case 0: bytes[at] ^= (byte)(1 << random.Below(8)); break;
            case 1: bytes[at] = (byte)random.Below(256); break;
            case 2: Overwrite(bytes, at, BitConverter.GetBytes(Numbers[random.Below(Numbers.Length)])[..(1 << random.Below(4))]); break;
            case 3: bytes.RemoveRange(at, length); break;
            case 4: bytes.InsertRange(at, bytes.GetRange(at, length)); break;
            case 5: bytes.RemoveRange(at, random.Below(8) == 0 ? bytes.Count - at : 0); break;
            case 6: bytes.InsertRange(at, Texts[random.Below(Texts.Length)]); break;
            case 7: Overwrite(bytes, at, Texts[random.Below(Texts.Length)]); break;
            case 8: Digits(bytes, at, random); break;
            default:
                var from = random.Below(other.Length + 1);
                bytes.InsertRange(at, other[from..Math.Min(other.Length, from + length)]);
                break;
        }
    }

    private static void Overwrite(List<byte> bytes, int at, byte[] with)
    {
        for (var i = 0; i < with.Length && at + i < bytes.Count; i++)
            bytes[at + i] = with[i];
    }

    // The next number written in digits becomes another.
    private static void Digits(List<byte> bytes, int at, SplitMix random)
    {
        while (at < bytes.Count && !char.IsAsciiDigit((char)bytes[at])) at++;
        var end = at;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end])) end++;
        bytes.RemoveRange(at, end - at);
        bytes.InsertRange(at, Encoding.ASCII.GetBytes($"{Numbers[random.Below(Numbers.Length)]}"));
    }
}
