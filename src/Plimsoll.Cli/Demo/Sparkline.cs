using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Cli.Demo;

/// <summary>Replicas over time in one line of plain characters.</summary>
public static class Sparkline
{
    /// <summary>
    /// One character per stretch: the most that served in it ('#' for one, a digit for more, '+' above nine), else '~'
    /// when one was loading, else '.'. A stretch without a tick repeats the one before.
    /// </summary>
    public static string Of(ImmutableArray<ReplicasAt> ticks, TimeSpan duration, int width)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        var line = new char[width];
        var next = 0;
        var before = '.';
        for (var column = 0; column < width; column++)
        {
            var end = duration * (column + 1) / width;
            var (ready, loading, seen) = (0, 0, false);
            for (; next < ticks.Length && ticks[next].At < end; next++)
            {
                (ready, loading, seen) = (Math.Max(ready, ticks[next].Ready), Math.Max(loading, ticks[next].Loading), true);
            }

            line[column] = before = seen ? Character(ready, loading) : before;
        }

        return new string(line);
    }

    private static char Character(int ready, int loading) => ready switch
    {
        0 => loading > 0 ? '~' : '.',
        1 => '#',
        <= 9 => ready.ToString(CultureInfo.InvariantCulture)[0],
        _ => '+',
    };
}
