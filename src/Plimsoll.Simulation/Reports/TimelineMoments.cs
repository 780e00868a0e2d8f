using Plimsoll.Pages;
using Plimsoll.Simulation.Runs;

namespace Plimsoll.Simulation.Reports;

/// <summary>A model's timeline with as many moments as a plot has room for.</summary>
internal static class TimelineMoments
{
    private const int Most = 240;

    /// <summary>Of neighbours, rates are averaged over their time, and of replicas the moment stays that has the most: a short start is seen.</summary>
    public static Moments Of(Timeline timeline, int model)
    {
        var (all, of) = (timeline.At, timeline.Models[model]);
        var count = Math.Min(all.Length, Most);
        var (at, rate, ready, loading) = (new double[count], new double[count], new int[count], new int[count]);
        for (var i = 0; i < count; i++)
        {
            var (from, to) = (i * all.Length / count, (i + 1) * all.Length / count);
            at[i] = all[from];
            var (arrived, seconds, most) = (0.0, 0.0, from);
            for (var m = from; m < to; m++)
            {
                var since = m == 0 ? 0 : all[m] - all[m - 1];
                arrived += of.ArrivalsPerSecond[m] * since;
                seconds += since;
                if (of.Ready[m] + of.Loading[m] > of.Ready[most] + of.Loading[most]) most = m;
            }

            rate[i] = seconds > 0 ? arrived / seconds : 0;
            (ready[i], loading[i]) = (of.Ready[most], of.Loading[most]);
        }

        // Nothing has arrived before the first moment; the rate of the second says more than a zero.
        if (count > 1 && at[0] == 0 && rate[0] == 0) rate[0] = rate[1];
        return new Moments([.. at], [.. rate], [.. ready], [.. loading]);
    }
}
