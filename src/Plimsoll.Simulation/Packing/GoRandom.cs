namespace Plimsoll.Simulation.Packing;

/// <summary>
/// The generator of Go's <c>math/rand</c>: an additive lagged Fibonacci generator (lags 607 and 273), whose start is
/// mixed with its own state after 7.8e12 steps. That state is computed here, by a power of x modulo the recurrence's
/// polynomial, instead of being kept as a table.
/// </summary>
public sealed class GoRandom
{
    private const int Length = 607;
    private const int Lag = 273;
    private const long StepsOfTable = 7_800_000_000_000;

    private static readonly Lazy<ulong[]> Table = new(() => After(StepsOfTable));

    private readonly ulong[] _state = new ulong[Length];
    private int _tap;
    private int _feed = Length - Lag;

    public GoRandom(int seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(seed, 1);
        var (start, table) = (Start(seed, 40, 20), Table.Value);
        for (var i = 0; i < Length; i++) _state[i] = start[i] ^ table[i];
    }

    /// <summary>63 random bits.</summary>
    public long Int63()
    {
        if (--_tap < 0) _tap += Length;
        if (--_feed < 0) _feed += Length;
        _state[_feed] = unchecked(_state[_feed] + _state[_tap]);
        return (long)(_state[_feed] & long.MaxValue);
    }

    /// <summary>A number below <paramref name="count"/>, as <c>Intn</c> draws it.</summary>
    public int Below(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        if ((count & (count - 1)) == 0) return (int)(Int63() >> 32) & (count - 1);
        var last = int.MaxValue - (int)((1u << 31) % (uint)count);
        var drawn = (int)(Int63() >> 32);
        while (drawn > last) drawn = (int)(Int63() >> 32);
        return drawn % count;
    }

    /// <summary>Orders the list as <c>Shuffle</c> does, which draws otherwise than <c>Intn</c>.</summary>
    public void Shuffle<T>(Span<T> list)
    {
        for (var i = list.Length - 1; i > 0; i--)
        {
            var j = ShuffleBelow((uint)(i + 1));
            (list[i], list[j]) = (list[j], list[i]);
        }
    }

    /// <summary>The numbers below <paramref name="count"/> in an order drawn as <c>Perm</c> does.</summary>
    public int[] Permutation(int count)
    {
        var order = new int[count];
        for (var i = 0; i < count; i++)
        {
            var j = Below(i + 1);
            (order[i], order[j]) = (order[j], i);
        }

        return order;
    }

    private int ShuffleBelow(uint count)
    {
        var product = (ulong)(uint)(Int63() >> 31) * count;
        if ((uint)(product & uint.MaxValue) < count)
        {
            var least = unchecked(0u - count) % count;
            while ((uint)(product & uint.MaxValue) < least) product = (ulong)(uint)(Int63() >> 31) * count;
        }

        return (int)(product >> 32);
    }

    // Three draws of the minimal standard generator (48271 modulo 2^31 - 1) make one word.
    private static ulong[] Start(int seed, int high, int middle)
    {
        const long modulus = int.MaxValue;
        var x = seed % modulus;
        if (x == 0) x = 89482311;
        var words = new ulong[Length];
        for (var i = 0; i < 20; i++) x = x * 48271 % modulus;
        for (var i = 0; i < Length; i++)
        {
            var first = x = x * 48271 % modulus;
            var second = x = x * 48271 % modulus;
            x = x * 48271 % modulus;
            words[i] = ((ulong)first << high) ^ ((ulong)second << middle) ^ (ulong)x;
        }

        return words;
    }

    // s(n) = s(n - 607) + s(n - 273), so s(N + j) = sum of c(i) s(i + j) with x^N = sum of c(i) x^i modulo x^607 = x^334 + 1.
    private static ulong[] After(long steps)
    {
        var start = Start(1, 20, 10);
        var values = new ulong[2 * Length];
        for (var j = 0; j < Length; j++) values[j] = start[Place(Length - Lag - 1 - j)];
        for (var j = Length; j < values.Length; j++) values[j] = unchecked(values[j - Length] + values[j - Lag]);
        var power = Power(steps);
        var table = new ulong[Length];
        for (var j = 0; j < Length; j++)
        {
            ulong sum = 0;
            for (var i = 0; i < Length; i++) sum = unchecked(sum + power[i] * values[i + j]);
            table[Place(Length - Lag - 1 - j - steps % Length)] = sum;
        }

        return table;
    }

    private static int Place(long index) => (int)(((index % Length) + Length) % Length);

    private static ulong[] Power(long exponent)
    {
        var result = new ulong[Length];
        result[0] = 1;
        for (var bit = 62; bit >= 0; bit--)
        {
            result = Reduced(result, shift: (exponent >> bit & 1) == 1);
        }

        return result;
    }

    // The square, times x where asked, modulo the recurrence's polynomial.
    private static ulong[] Reduced(ulong[] one, bool shift)
    {
        var product = new ulong[2 * Length];
        var by = shift ? 1 : 0;
        for (var i = 0; i < Length; i++)
        {
            if (one[i] == 0) continue;
            for (var j = 0; j < Length; j++) product[i + j + by] = unchecked(product[i + j + by] + one[i] * one[j]);
        }

        for (var i = product.Length - 1; i >= Length; i--)
        {
            product[i - Length] = unchecked(product[i - Length] + product[i]);
            product[i - Lag] = unchecked(product[i - Lag] + product[i]);
        }

        return product[..Length];
    }
}
