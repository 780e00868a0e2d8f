namespace Plimsoll;

/// <summary>
/// Replicas on one device have its time in turns, as a driver gives it to processes that all have work: whoever has work while n others do
/// gets 1 / (n + 1) of it, and nothing is gained by sharing (docs/decisions/2026-11-30-a-devices-time.md).
/// </summary>
public static class TakingTurns
{
    // From below towards where all agree; near saturation that would take long, and there it matters little how late all are.
    private const int Rounds = 12;

    /// <summary>How many times as long as alone a replica's work takes.</summary>
    /// <param name="others">Of each other on its device, the share of time in which it has work; independent of one another.</param>
    public static double SlowdownBeside(ReadOnlySpan<double> others)
    {
        // chances[n]: that n of them have work at once.
        Span<double> chances = others.Length < 64 ? stackalloc double[others.Length + 1] : new double[others.Length + 1];
        chances.Clear();
        chances[0] = 1;
        for (var k = 0; k < others.Length; k++)
        {
            for (var n = k + 1; n > 0; n--) chances[n] = (chances[n] * (1 - others[k])) + (chances[n - 1] * others[k]);
            chances[0] *= 1 - others[k];
        }

        var pace = 0.0;
        for (var n = 0; n < chances.Length; n++) pace += chances[n] / (n + 1);
        return 1 / pace;
    }

    /// <summary>The same of each of those on a device, who all have work for longer as they slow one another.</summary>
    /// <param name="busyAlone">Of each, the share of time in which it would have work were it alone.</param>
    /// <param name="slowdowns">How many times as long as alone the work of each takes.</param>
    public static void Slowdowns(ReadOnlySpan<double> busyAlone, Span<double> slowdowns)
    {
        slowdowns.Fill(1);
        if (busyAlone.Length < 2) return;
        Span<double> others = busyAlone.Length < 64 ? stackalloc double[busyAlone.Length - 1] : new double[busyAlone.Length - 1];
        for (var round = 0; round < Rounds; round++)
        {
            var moved = 0.0;
            for (var i = 0; i < slowdowns.Length; i++)
            {
                for (int k = 0, at = 0; k < slowdowns.Length; k++)
                {
                    if (k != i) others[at++] = Math.Min(1, busyAlone[k] * slowdowns[k]);
                }

                var slowed = SlowdownBeside(others);
                moved = Math.Max(moved, slowed - slowdowns[i]);
                slowdowns[i] = slowed;
            }

            if (moved < 1e-3) return;
        }
    }
}
