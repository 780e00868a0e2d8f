namespace Plimsoll;

/// <summary>The most of something that still fits, where more of it never needs less.</summary>
internal static class Bisection
{
    /// <summary>The largest number from 1 to <paramref name="high"/> that fits; 0 when none does.</summary>
    public static long Most(long high, Func<long, bool> fits)
    {
        long low = 0;
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            if (fits(middle)) low = middle;
            else high = middle - 1;
        }

        return low;
    }
}
