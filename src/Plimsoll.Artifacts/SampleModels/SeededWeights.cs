namespace Plimsoll.Artifacts;

/// <summary>
/// Near-normal random weights from SplitMix64 (Steele, Lea, Flood 2014): one 64-bit draw a weight, the sum of its
/// eight bytes being close to normal (Irwin-Hall of order 8). Integer arithmetic and one multiplication, so the
/// bytes are the same on every platform, and about a gigabyte a second on one core.
/// </summary>
internal struct SeededWeights(ulong seed)
{
    // Eight bytes uniform on 0..255: mean 8 · 127.5 = 1020, variance 8 · (256² − 1) / 12 = 43690, deviation 209.02.
    private const float ByteSumMean = 1020;
    private const float ByteSumDeviation = 209.02f;
    private ulong _state = seed;

    /// <summary>A generator of its own for each tensor, so that one tensor's size does not change another's values.</summary>
    public static SeededWeights For(ulong seed, int tensor)
    {
        var mixer = new SeededWeights(unchecked(seed + (ulong)tensor * 0xD1B54A32D192ED03));
        return new SeededWeights(mixer.Next());
    }

    public void Fill(Span<float> target, float mean, float deviation)
    {
        var scale = deviation / ByteSumDeviation;
        foreach (ref var weight in target)
        {
            var bits = Next();
            weight = mean + (ByteSum(bits) - ByteSumMean) * scale;
        }
    }

    private static float ByteSum(ulong bits)
    {
        unchecked
        {
            var pairs = (bits & 0x00FF00FF00FF00FF) + ((bits >> 8) & 0x00FF00FF00FF00FF);
            return (int)((pairs * 0x0001000100010001) >> 48);
        }
    }

    private ulong Next()
    {
        unchecked
        {
            _state += 0x9E3779B97F4A7C15;
            var z = _state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
