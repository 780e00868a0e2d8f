namespace Plimsoll;

/// <summary>Where a group is found by a request that comes.</summary>
/// <param name="Sequences">In each replica.</param>
/// <param name="Share">Of the time.</param>
/// <param name="WaitSeconds">How long it waits for a place.</param>
/// <param name="Joined">Of the requests that come after it, those that may come to its replica: none while others are empty.</param>
internal readonly record struct OccupancyCell(double Sequences, double Share, double WaitSeconds, double Joined = 1);

/// <summary>
/// How many sequences run. Each gets a token in a step, so they share the replica like customers of one server whose pace
/// depends on how many they are: such a queue's distribution depends on the mean of the answers' lengths alone, whatever
/// their distribution (Kelly 1979; Bonald and Proutière 2003), and is the birth and death chain's. The router keeps
/// replicas alike, so n of them are one chain of n times the places. Beyond the places requests wait, and their number
/// falls off geometrically, the slower the more answers vary (heavy traffic, Kingman 1962).
/// </summary>
internal static class BatchOccupancy
{
    private const int StatesMax = 2048;
    private const int WaitCells = 6;

    /// <summary>A share of the time that no percentile shows.</summary>
    private const double Negligible = 1e-9;

    /// <summary>A weight beyond which those so far are taken in larger units.</summary>
    private const double Large = 1e200;

    /// <summary>Where the mass between is one cell: fine in the upper tail, which percentiles are made of.</summary>
    private static readonly double[] Edges = [0.3, 0.65, 0.88, 0.97, 1];

    /// <summary>Null where more arrives than the group can carry.</summary>
    /// <param name="rate">Requests a second, of the whole group.</param>
    /// <param name="replicas">How many they are.</param>
    /// <param name="places">Sequences of one replica at most; need not be whole.</param>
    /// <param name="lengths">What they ask.</param>
    /// <param name="curve">Of a replica's steps, by whose sizes the next two are tabulated.</param>
    /// <param name="step">Mean seconds of a step with so many sequences.</param>
    /// <param name="prompt">Mean seconds that a request's prompt is computed for, beside so many sequences.</param>
    public static List<OccupancyCell>? Of(
        double rate, int replicas, double places, RequestLengths lengths, ServiceCurve curve, SecondsBySize step, SecondsBySize prompt)
    {
        var steps = lengths.Steps;
        var most = Math.Max(1, replicas * places);
        var whole = Work(places);
        var full = rate * whole / most;
        if (full >= 0.9995 || double.IsNaN(full)) return null;

        var stride = Math.Max(1, most / StatesMax);
        var weights = new double[(int)Math.Ceiling(most / stride) + 1];
        var (top, total) = (weights[0] = 1, 1.0);
        for (var i = 1; i < weights.Length; i++)
        {
            // Fewer requests than replicas: each runs alone.
            var middle = Math.Min(most, ((i - 0.5) * stride) + 0.5);
            var more = rate * Work(Math.Max(1, middle / replicas)) / middle;
            if (double.IsInfinity(more)) return null;
            var weight = weights[i] = weights[i - 1] * (stride > 1 ? Math.Pow(more, stride) : more);
            total += weight;
            if (weight > top) top = weight;

            // Fewer than any sum shows, and ever fewer.
            else if (weight < top * 1e-18 && more < 1) break;
            if (weight < Large) continue;
            for (var j = 0; j <= i; j++) weights[j] = weights[j] < 1 ? 0 : weights[j] / Large;
            (top, total) = (top / Large, total / Large);
        }

        var spread = steps > 0 ? Math.Max(0, (lengths.StepsSquared / (steps * steps)) - 1) : 0;
        var fall = 2 * (1 - full) / (1 + spread);
        var waiting = weights[^1] / stride / (1 - Math.Exp(-fall));
        total += waiting - weights[^1];
        for (var i = 0; i < weights.Length; i++) weights[i] /= total;
        return Cells(weights, stride, replicas, waiting / total, places, whole / (fall * most), Decoding);

        double Work(double n)
        {
            var place = curve.Place(n);
            return (steps * step.Of(place, n)) + prompt.Of(place, n);
        }

        // The part of its time that a sequence gets tokens in.
        double Decoding(double n) => steps * step.Of(Math.Max(1, n)) / Work(Math.Max(1, n));
    }

    private static List<OccupancyCell> Cells(
        double[] weights, double stride, int replicas, double waiting, double places, double waitMean, Func<double, double> decoding)
    {
        var cells = new List<OccupancyCell>();
        var running = Math.Max(1e-12, 1 - waiting);
        double done = 0, fewer = 0;
        for (var i = 0; i * stride < replicas - 1 && i < weights.Length; i++) fewer += weights[i];

        // With fewer requests than replicas the next one has a replica of its own.
        var state = 0;
        for (; state < weights.Length - 1 && state * stride < replicas; state++) done += weights[state];
        cells.Add(new OccupancyCell(0, done, 0, 1 - Math.Min(1, fewer)));

        // A state that an edge falls into belongs to both cells by its parts: were it one's or the other's, cells would
        // jump as the rate grows, and with them who is late, down as well as up.
        double mass = 0, sum = 0;
        var edge = 0;
        for (; state < weights.Length - 1; state++)
        {
            var (rest, sequences) = (weights[state], state * stride / replicas);
            for (; edge < Edges.Length - 1 && done + rest >= Edges[edge] * running; edge++)
            {
                var part = Math.Max(0, (Edges[edge] * running) - done);
                Add(mass + part, sum + (part * sequences));
                (mass, sum, rest, done) = (0, 0, rest - part, done + part);
            }

            (mass, sum, done) = (mass + rest, sum + (rest * sequences), done + rest);
        }

        Add(mass, sum);

        // An exponential wait as some of its quantiles, each for an equal share.
        for (var i = 0; i < WaitCells && waiting > 1e-6; i++)
        {
            var (from, to) = (i / (double)WaitCells, (i + 1.0) / WaitCells);
            cells.Add(new OccupancyCell(places * decoding(places), waiting / WaitCells, waitMean * Mean(from, to)));
        }

        return cells;

        void Add(double share, double sum)
        {
            if (share > Negligible) cells.Add(new OccupancyCell(Math.Max(1e-3, sum / share * decoding(sum / share)), share, 0));
        }
    }

    /// <summary>Mean of a unit exponential between two of its quantiles.</summary>
    private static double Mean(double from, double to)
    {
        static double Part(double p) => p >= 1 ? 0 : (1 - p) * (1 - Math.Log(1 - p));
        return (Part(from) - Part(to)) / (to - from);
    }
}
