namespace Plimsoll.Cli.Load;

/// <summary>
/// Our own generator, so that a seed gives the same traffic on every version of .NET: xoshiro256** (Blackman and
/// Vigna 2018), its state filled by SplitMix64 (Steele, Lea, Flood 2014).
/// </summary>
public sealed class SeededRandom
{
    private ulong _a;
    private ulong _b;
    private ulong _c;
    private ulong _d;

    public SeededRandom(ulong seed)
    {
        (_a, _b) = (Mix(seed, 1), Mix(seed, 2));
        (_c, _d) = (Mix(seed, 3), Mix(seed, 4));
    }

    /// <summary>
    /// The n-th output of SplitMix64 from a seed: a hash of both, for decisions that must not depend on how many
    /// numbers were drawn before (which model gets request n, whether request n is kept).
    /// </summary>
    public static ulong Mix(ulong seed, ulong n)
    {
        unchecked
        {
            var z = seed + n * 0x9E3779B97F4A7C15;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }

    /// <summary>A seed of its own for each named stream, so that one stream's length does not shift another.</summary>
    public static ulong Derive(ulong seed, string stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var hash = seed;
        foreach (var character in stream) hash = Mix(hash, (ulong)character + 1);
        return hash;
    }

    /// <summary>The next 64 bits.</summary>
    public ulong NextBits()
    {
        unchecked
        {
            var result = ulong.RotateLeft(_b * 5, 7) * 9;
            var shifted = _b << 17;
            _c ^= _a;
            _d ^= _b;
            _b ^= _c;
            _a ^= _d;
            _c ^= shifted;
            _d = ulong.RotateLeft(_d, 45);
            return result;
        }
    }

    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public double NextUnit() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Exponential with mean 1.</summary>
    public double NextExponential() => -Math.Log(1 - NextUnit());

    /// <summary>Standard normal, by Box and Muller; the second of each pair is not kept.</summary>
    public double NextNormal() =>
        Math.Sqrt(2 * NextExponential()) * Math.Cos(2 * Math.PI * NextUnit());

    /// <summary>
    /// Gamma with mean 1 and the given shape: Marsaglia and Tsang 2000, with their correction below shape 1.
    /// The squared coefficient of variation is 1 / shape.
    /// </summary>
    public double NextGamma(double shape)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(shape, 0);
        var boost = shape < 1 ? Math.Pow(1 - NextUnit(), 1 / shape) : 1;
        var d = (shape < 1 ? shape + 1 : shape) - 1.0 / 3;
        var c = 1 / Math.Sqrt(9 * d);
        // Each turn is accepted with at least 95 %; the bound is never met, and keeps a wrong shape from hanging.
        for (var turn = 0; turn < 1000; turn++)
        {
            var x = NextNormal();
            var v = 1 + c * x;
            if (v <= 0) continue;
            v = v * v * v;
            if (Math.Log(1 - NextUnit()) < 0.5 * x * x + d - d * v + d * Math.Log(v)) return boost * d * v / shape;
        }

        return 1;
    }
}
