using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Plimsoll;

/// <summary>
/// Tokens of prompts that wait in a replica, from step to step, at a number of sequences beside them: a Markov chain on a
/// grid. A step computes as many as it has room for; while it lasts a Poisson number of requests arrives, each with a
/// prompt of the sample (their sum by Panjer's recursion, 1981). A longer step brings more.
/// </summary>
internal sealed class PrefillQueue
{
    /// <summary>A multiple of four.</summary>
    private const int Bins = 48;
    private const double Negligible = 1e-8;

    private readonly double[] _prompt = new double[Bins];
    private readonly double[] _length = new double[Bins];
    private readonly double[] _mixed = new double[257];
    private readonly double[] _seen = new double[Bins];
    private readonly double[] _rest = new double[Bins];
    private readonly double[] _another = new double[Bins];
    private readonly double[] _share = new double[Bins];
    private readonly double[] _ahead = new double[Bins];
    private readonly double[] _sureTwice = new double[Bins];
    private readonly double[] _chain = new double[Bins * Bins];
    private readonly double[] _left = new double[Bins * Bins];
    private readonly int[] _least = new int[Bins];
    private readonly double[] _queue = new double[Bins];
    private readonly ArrivingTokens _arriving = new(Bins);
    private readonly ServiceCurve _curve;
    private readonly ReplicaLimits _limits;
    private readonly RequestLengths _lengths;
    private readonly LengthClass[] _prompts;
    private readonly double[] _shareFrom;
    private readonly double _longest;
    private double _width;

    // Of what an arrival finds, the bins that are not negligible, side by side, and the part of a wait that no prompt changes.
    private int _likely;
    private double _waitMean;
    private double _waitSquare;
    private double _sequences;
    private double _room;
    private double _fullStep;
    private bool _idle;

    /// <param name="curve">Of a replica's steps.</param>
    /// <param name="limits">Of the replica.</param>
    /// <param name="lengths">What is asked.</param>
    /// <param name="prompts">The same in classes, from short to long.</param>
    public PrefillQueue(ServiceCurve curve, ReplicaLimits limits, RequestLengths lengths, LengthClass[] prompts)
    {
        (_curve, _limits, _lengths, _prompts) = (curve, limits, lengths, prompts);
        _longest = lengths.Sample.Max(one => one.Prompt);
        _shareFrom = new double[prompts.Length + 1];
        for (var i = prompts.Length - 1; i >= 0; i--) _shareFrom[i] = _shareFrom[i + 1] + prompts[i].Share;
    }

    /// <summary>The replica that a request comes to is empty: it waits for nothing.</summary>
    public void Idle() => (_idle, _sequences, _room, _fullStep) = (true, 0, _limits.StepTokens, _curve.Mixed(0, _limits.StepTokens));

    /// <summary>False where more arrives than steps can take.</summary>
    /// <param name="sequences">Beside the prompts.</param>
    /// <param name="rate">Requests a second, of this replica.</param>
    /// <param name="mean">Seconds of a step on the mean, roughly: how far the grid must reach.</param>
    /// <param name="alike">How far what arrives in a step follows the usual step's length, not its own: the router's doing.</param>
    /// <param name="apart">By how much less comes together, while there is little: the router sends it elsewhere first.</param>
    public bool Solve(double sequences, double rate, double mean, double alike, double apart)
    {
        (_idle, _sequences, _room) = (false, sequences, Math.Max(1, _limits.StepTokens - sequences));
        _fullStep = _curve.Mixed(sequences, _room);
        var busy = rate * _lengths.Prompt * _fullStep / _room;
        if (busy >= 0.999 || double.IsInfinity(mean)) return false;
        rate *= 1 - (apart * (1 - busy));

        // As far as the queue is likely to reach: what a step brings and eight deviations more, the longest prompt, and a
        // backlog's usual size, which grows as steps fill (Pollaczek and Khinchine).
        var usual = rate * mean * _lengths.Prompt;
        var size = _lengths.PromptSquared / _lengths.Prompt;
        var reach = usual + (8 * Math.Sqrt(usual * size)) + _longest + (6 * Math.Min(12, busy / (1 - busy)) * size);
        _width = Math.Max(1, reach / (Bins - 1));
        Array.Clear(_prompt);
        foreach (var one in _prompts) Spread(_prompt, one.Prompt, one.Share);
        var place = _curve.Place(sequences);
        _curve.Mixed(place, _room, _mixed);
        var full = Math.Min(Bins - 1, (int)(_room / _width) + 1);
        _length[0] = _curve.Decode(Math.Max(1, sequences));
        for (var i = 1; i < Bins; i++) _length[i] = i > full ? _length[full] : _curve.Mixed(place, Math.Min(_room, i * _width));
        Span<double> counts = stackalloc double[full + 1];
        for (var i = 0; i <= full; i++) counts[i] = rate * ((_length[i] * (1 - alike)) + (mean * alike));
        _arriving.Of(counts, _prompt, _lengths.Prompt / _width);
        for (var i = 0; i < Bins; i++) Step(i, _arriving[Math.Min(i, full)]);
        Stationary();
        Seen();
        return true;
    }

    /// <summary>Mean seconds of a step, as solved.</summary>
    public double MeanStep { get; private set; }

    /// <summary>Share of requests whose first token comes later than a limit.</summary>
    public double Late(double limit)
    {
        double late = 0;
        if (_idle)
        {
            foreach (var one in _prompts) late += Through(one.Prompt) > limit ? one.Share : 0;
            return late;
        }

        // A request comes at any moment of a step, and waits for what is left of it. The longer its prompt the later it
        // is: below some prompt none is late, from another on all are, and both are near where the last bin had them.
        var (some, all) = (0, 0);
        for (var i = 0; i < Bins; i++)
        {
            if (_seen[i] <= Negligible) continue;
            var (ahead, left, rest) = (i * _width, limit - _another[i], _rest[i]);
            while (some < _prompts.Length && Through(ahead + _prompts[some].Prompt) <= left - rest) some++;
            while (some > 0 && Through(ahead + _prompts[some - 1].Prompt) > left - rest) some--;
            all = Math.Max(all, some);
            while (all < _prompts.Length && Through(ahead + _prompts[all].Prompt) < left) all++;
            while (all > some && Through(ahead + _prompts[all - 1].Prompt) >= left) all--;
            var share = _shareFrom[all];
            for (var c = some; c < all; c++)
                share += _prompts[c].Share * Math.Clamp(1 - ((left - Through(ahead + _prompts[c].Prompt)) / rest), 0, 1);
            late += _seen[i] * share;
        }

        return late;
    }

    /// <summary>Mean and variance of the seconds to the first token of such a prompt.</summary>
    public (double Mean, double Variance) Wait(double prompt)
    {
        if (_idle) return (Through(prompt), 0);
        var (mean, square) = (Vector256<double>.Zero, Vector256<double>.Zero);
        var (tokens, room, fine) = (Vector256.Create(prompt), Vector256.Create(_room), Vector256.Create((double)_mixed.Length - 1));
        for (var i = 0; i < _likely; i += 4)
        {
            var fulls = (Vector256.Create(_ahead.AsSpan(i)) + tokens) / room;
            var full = Vector256.Floor(fulls);
            var at = (fulls - full) * fine;
            var low = Vector256.Floor(at);
            var (a, b, c, d) = (At(low[0]), At(low[1]), At(low[2]), At(low[3]));
            var from = Vector256.Create(_mixed[a], _mixed[b], _mixed[c], _mixed[d]);
            var to = Vector256.Create(_mixed[a + 1], _mixed[b + 1], _mixed[c + 1], _mixed[d + 1]);
            var rest = Vector256.ConditionalSelect(Vector256.Equals(at, Vector256<double>.Zero), at, from + ((at - low) * (to - from)));
            var through = (full * _fullStep) + rest;
            var weighed = Vector256.Create(_share.AsSpan(i)) * through;
            mean += weighed;
            square += weighed * (through + Vector256.Create(_sureTwice.AsSpan(i)));
        }

        var all = _waitMean + Vector256.Sum(mean);
        return (all, Math.Max(0, _waitSquare + Vector256.Sum(square) - (all * all)));

        static int At(double of) => double.ConvertToIntegerNative<int>(of);
    }

    /// <summary>Seconds until so many tokens are through.</summary>
    private double Through(double tokens)
    {
        var full = tokens < _room ? 0 : Math.Floor(tokens / _room);
        var rest = tokens - (full * _room);
        if (rest <= 0) return full * _fullStep;
        if (_idle) return (full * _fullStep) + _curve.Mixed(_sequences, rest);
        var at = rest / _room * (_mixed.Length - 1);
        var low = Math.Min(_mixed.Length - 2, double.ConvertToIntegerNative<int>(at));
        return (full * _fullStep) + _mixed[low] + ((at - low) * (_mixed[low + 1] - _mixed[low]));
    }

    /// <summary>
    /// Of the chain, where a step leads: what it has no room for stays, and what arrives is added; what the grid cannot
    /// hold is at its end.
    /// </summary>
    private void Step(int bin, ReadOnlySpan<double> arriving)
    {
        var to = _chain.AsSpan(bin * Bins, Bins);
        to.Clear();
        var at = Math.Max(0, (bin * _width) - _room) / _width;
        var low = (int)at;
        var part = at - low;
        var within = arriving[..(Bins - 1 - low)];
        Lanes.AddScaled(to[low..], 1 - part, within);
        if (part > 0) Lanes.AddScaled(to[(low + 1)..], part, within);
        to[^1] += Math.Max(0, 1 - Lanes.Sum(within));
        _least[bin] = low;
    }

    /// <summary>How often a step begins with each number of tokens waiting (Grassmann, Taksar and Heyman 1985).</summary>
    private void Stationary()
    {
        ref var p = ref MemoryMarshal.GetArrayDataReference(_left);
        _chain.CopyTo(_left.AsSpan());
        Span<double> row = stackalloc double[Bins];
        ref var leads = ref MemoryMarshal.GetReference(row);
        for (var n = Bins - 1; n > 0; n--)
        {
            // A step takes no more than it has room for: nothing leads below. Nor is anything added at and above this state.
            var (from, to) = (_least[n] & ~3, (n + 3) & ~3);
            row.Clear();
            _left.AsSpan((n * Bins) + from, n - from).CopyTo(row[from..]);
            var leaving = 1 / Math.Max(1e-300, Lanes.SumOfLarge(row[from..to]));
            for (int i = 0, at = n; i < n; i++, at += Bins)
            {
                var into = Unsafe.Add(ref p, at) *= leaving;
                if (into <= 1e-15) continue;
                var times = Vector256.Create(into);
                ref var start = ref Unsafe.Add(ref p, i * Bins);
                for (var j = (nuint)from; j < (nuint)to; j += 4)
                    Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref leads, j), times, Vector256.LoadUnsafe(ref start, j)).StoreUnsafe(ref start, j);
            }
        }

        Array.Clear(_queue);
        _queue[0] = 1;
        for (var n = 0; n < Bins - 1; n++) Lanes.AddScaled(_queue.AsSpan(n + 1), _queue[n], _left.AsSpan((n * Bins) + n + 1, Bins - n - 1));
        var total = Lanes.Sum(_queue);
        for (var n = 0; n < Bins; n++) _queue[n] /= total;
    }

    /// <summary>
    /// What an arrival finds: a long step more often than a short one; ahead of it what that step leaves and those that
    /// came in it; with steps put together ahead, another step between, which has its tokens already.
    /// </summary>
    private void Seen()
    {
        double mean = 0;
        for (var i = 0; i < Bins; i++) mean += _queue[i] * _length[i];
        MeanStep = mean;
        Span<double> found = stackalloc double[Bins];
        Span<double> weighted = stackalloc double[Bins];
        for (var i = 0; i < Bins; i++) weighted[i] = (found[i] = _queue[i] * _length[i] / mean) * _length[i];
        Turn(found, _seen);
        Turn(weighted, _rest);
        Array.Clear(_another);
        if (_limits.SchedulesAhead)
        {
            Span<double> between = stackalloc double[Bins];
            for (var i = 0; i < Bins; i++) between[i] = _seen[i] * _length[i];
            Turn(between, _another);
            Turn(_seen, found);
            Turn(_rest, weighted);
            found.CopyTo(_seen);
            weighted.CopyTo(_rest);
        }

        (_likely, _waitMean, _waitSquare) = (0, 0, 0);
        for (var i = 0; i < Bins; i++)
        {
            if (_seen[i] <= Negligible) continue;
            var (rest, another) = (_rest[i], _another[i]) = (_rest[i] / _seen[i], _another[i] / _seen[i]);
            _waitMean += _seen[i] * (another + (rest / 2));
            _waitSquare += _seen[i] * ((another * (another + rest)) + (rest * rest / 3));
            (_share[_likely], _ahead[_likely], _sureTwice[_likely]) = (_seen[i], i * _width, (2 * another) + rest);
            _likely++;
        }

        for (var i = _likely; i < Bins && i % 4 > 0; i++) _share[i] = 0;
    }

    private void Turn(ReadOnlySpan<double> from, Span<double> to)
    {
        to.Clear();
        for (var i = 0; i < Bins; i++)
            if (from[i] > 1e-12) Lanes.AddScaled(to[_least[i]..], from[i], _chain.AsSpan((i * Bins) + _least[i], Bins - _least[i]));
    }

    private void Spread(Span<double> bins, double tokens, double share)
    {
        var at = Math.Min(tokens / _width, Bins - 1.001);
        var low = (int)at;
        bins[low] += share * (1 - (at - low));
        bins[low + 1] += share * (at - low);
    }
}
