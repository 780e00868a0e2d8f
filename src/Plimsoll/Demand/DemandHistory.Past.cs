namespace Plimsoll;

public sealed partial record DemandHistory
{
    /// <summary>
    /// Buckets that several histories share, each reading its own stretch. A history that follows on the newest of them writes behind
    /// it, where nobody reads yet; any other gets a copy, so none ever sees another's.
    /// </summary>
    private sealed class Past(double[] values, int used)
    {
        private int _used = used;

        public double[] Values { get; } = values;

        /// <summary>What follows a stretch, kept as long as wanted.</summary>
        /// <param name="from">Where the stretch begins.</param>
        /// <param name="length">Its length.</param>
        /// <param name="more">What follows it.</param>
        /// <param name="kept">Length of the result: its newest end.</param>
        /// <returns>Where that lies.</returns>
        public (Past Past, int From) Append(int from, int length, ReadOnlySpan<double> more, int kept)
        {
            var (end, first) = (from + length, from + length + more.Length - kept);
            if (more.IsEmpty) return (this, first);
            if (end + more.Length <= Values.Length && Interlocked.CompareExchange(ref _used, end + more.Length, end) == end)
            {
                more.CopyTo(Values.AsSpan(end));
                return (this, first);
            }

            var values = new double[kept + Math.Max(4, kept / 4)];
            var old = Math.Max(0, kept - more.Length);
            Values.AsSpan(end - old, old).CopyTo(values);
            more[^(kept - old)..].CopyTo(values.AsSpan(old));
            return (new Past(values, kept), 0);
        }
    }
}
