namespace Plimsoll;

/// <summary>
/// Tokens of prompts that wait in a replica, from step to step, at a number of sequences beside them: a Markov chain on a
/// grid. A step computes as many as it has room for; while it lasts a Poisson number of requests arrives, each with a
/// prompt of the sample (their sum by Panjer's recursion, 1981). A longer step brings more.
/// </summary>
internal sealed class PrefillQueue
{
    private const int Bins = 48;
    private const double Negligible = 1e-9;

    private readonly double[] _prompt = new double[Bins];
    private readonly double[] _weighed = new double[Bins];
    private readonly double[] _length = new double[Bins];
    private readonly double[] _mixed = new double[257];
    private readonly double[] _seen = new double[Bins];
    private readonly double[] _rest = new double[Bins];
    private readonly double[] _another = new double[Bins];
    private readonly double[][] _arriving = [.. Enumerable.Range(0, Bins).Select(_ => new double[Bins])];
    private readonly double[] _chain = new double[Bins * Bins];
    private readonly ServiceCurve _curve;
    private readonly ReplicaLimits _limits;
    private readonly RequestLengths _lengths;
    private readonly LengthClass[] _prompts;
    private readonly double _longest;
    private double _width;
    private double _sequences;
    private double _room;
    private double _fullStep;
    private bool _idle;

    public PrefillQueue(ServiceCurve curve, ReplicaLimits limits, RequestLengths lengths, LengthClass[] prompts)
    {
        (_curve, _limits, _lengths, _prompts) = (curve, limits, lengths, prompts);
        _longest = lengths.Sample.Max(one => one.Prompt);
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

        // j·p(j) from the last to the first, so that the recursion's sum runs along both of its arrays.
        for (var j = 1; j < Bins; j++) _weighed[Bins - j] = j * _prompt[j];
        var full = Math.Min(Bins - 1, (int)(_room / _width) + 1);
        for (var i = 0; i < _mixed.Length; i++) _mixed[i] = _curve.Mixed(sequences, _room * i / (_mixed.Length - 1));
        for (var i = 0; i < Bins; i++)
        {
            _length[i] = i == 0 ? _curve.Decode(Math.Max(1, sequences)) : _curve.Mixed(sequences, Math.Min(_room, i * _width));
            if (i <= full) Panjer(rate * ((_length[i] * (1 - alike)) + (mean * alike)), _arriving[i]);
            else _arriving[full].CopyTo(_arriving[i], 0);
        }

        Seen(Stationary());
        return true;
    }

    /// <summary>Mean seconds of a step, as solved.</summary>
    public double MeanStep { get; private set; }

    /// <summary>Share of requests with such a prompt whose first token comes later than a limit.</summary>
    public double Late(double prompt, double limit)
    {
        if (_idle) return Through(prompt) > limit ? 1 : 0;

        // A request comes at any moment of a step, and waits for what is left of it.
        double late = 0;
        for (var i = 0; i < Bins; i++)
            if (_seen[i] > Negligible)
                late += _seen[i] * Math.Clamp(1 - ((limit - _another[i] - Through((i * _width) + prompt)) / _rest[i]), 0, 1);
        return late;
    }

    /// <summary>Mean and variance of the seconds to the first token of such a prompt.</summary>
    public (double Mean, double Variance) Wait(double prompt)
    {
        if (_idle) return (Through(prompt), 0);
        double mean = 0, square = 0;
        for (var i = 0; i < Bins; i++)
        {
            if (_seen[i] <= Negligible) continue;
            var (rest, sure) = (_rest[i], Through((i * _width) + prompt) + _another[i]);
            mean += _seen[i] * (sure + (rest / 2));
            square += _seen[i] * ((sure * sure) + (sure * rest) + (rest * rest / 3));
        }

        return (mean, Math.Max(0, square - (mean * mean)));
    }

    /// <summary>Seconds until so many tokens are through.</summary>
    private double Through(double tokens)
    {
        var full = Math.Floor(tokens / _room);
        var rest = tokens - (full * _room);
        if (rest <= 0) return full * _fullStep;
        if (_idle) return (full * _fullStep) + _curve.Mixed(_sequences, rest);
        var at = rest / _room * (_mixed.Length - 1);
        var low = Math.Min(_mixed.Length - 2, (int)at);
        return (full * _fullStep) + _mixed[low] + ((at - low) * (_mixed[low + 1] - _mixed[low]));
    }

    private void Panjer(double count, double[] sum)
    {
        // Beyond what a number holds there is no chance of none; the sum is then its mean.
        Array.Clear(sum);
        if (count > 600)
        {
            Spread(sum, count * _lengths.Prompt, 1);
            return;
        }

        sum[0] = Math.Max(1e-290, Math.Exp(-count * (1 - _prompt[0])));
        for (var s = 1; s < Bins; s++)
        {
            var one = Lanes.Dot(sum.AsSpan(0, s), _weighed.AsSpan(Bins - s, s)) * count / s;

            // Numbers below what a double holds in full cost a hundred times as much to multiply.
            sum[s] = one < 1e-30 ? 0 : one;
        }
    }

    /// <summary>How often a step begins with each number of tokens waiting (Grassmann, Taksar and Heyman 1985).</summary>
    private double[] Stationary()
    {
        var p = _chain;
        Array.Clear(p);
        for (var i = 0; i < Bins; i++) Step(1, i, p.AsSpan(i * Bins, Bins));
        for (var n = Bins - 1; n > 0; n--)
        {
            double leaving = 0;
            for (var j = 0; j < n; j++) leaving += p[(n * Bins) + j];
            if (leaving <= 1e-300) leaving = 1e-300;
            for (var i = 0; i < n; i++)
            {
                var into = p[(i * Bins) + n] /= leaving;
                if (into > 1e-15) Lanes.AddScaled(p.AsSpan(i * Bins, n), into, p.AsSpan(n * Bins, n));
            }
        }

        var queue = new double[Bins];
        var total = queue[0] = 1;
        for (var n = 1; n < Bins; n++)
        {
            for (var i = 0; i < n; i++) queue[n] += queue[i] * p[(i * Bins) + n];
            total += queue[n];
        }

        for (var n = 0; n < Bins; n++) queue[n] /= total;
        return queue;
    }

    /// <summary>
    /// What an arrival finds: a long step more often than a short one; ahead of it what that step leaves and those that
    /// came in it; with steps put together ahead, another step between, which has its tokens already.
    /// </summary>
    private void Seen(double[] queue)
    {
        double mean = 0;
        for (var i = 0; i < Bins; i++) mean += queue[i] * _length[i];
        MeanStep = mean;
        var (found, weighted, between) = (new double[Bins], new double[Bins], new double[Bins]);
        for (var i = 0; i < Bins; i++) weighted[i] = (found[i] = queue[i] * _length[i] / mean) * _length[i];
        Turn(found, _seen);
        Turn(weighted, _rest);
        Array.Clear(_another);
        if (_limits.SchedulesAhead)
        {
            for (var i = 0; i < Bins; i++) between[i] = _seen[i] * _length[i];
            Turn(between, _another);
            Turn(_seen, found);
            Turn(_rest, weighted);
            found.CopyTo(_seen, 0);
            weighted.CopyTo(_rest, 0);
        }

        for (var i = 0; i < Bins; i++)
            if (_seen[i] > Negligible) (_rest[i], _another[i]) = (_rest[i] / _seen[i], _another[i] / _seen[i]);
    }

    private void Turn(double[] from, double[] to)
    {
        Array.Clear(to);
        for (var i = 0; i < Bins; i++)
            if (from[i] > 1e-12) Step(from[i], i, to);
    }

    /// <summary>One step: what it has no room for stays, and what arrives is added; what the grid cannot hold is at its end.</summary>
    private void Step(double weight, int bin, Span<double> to)
    {
        var sum = _arriving[bin];
        var at = Math.Max(0, (bin * _width) - _room) / _width;
        var low = (int)at;
        var part = at - low;
        double given = 0;
        for (var s = 0; s + low < Bins - 1; s++)
        {
            if (sum[s] == 0) continue;
            var mass = weight * sum[s];
            if (mass < 1e-30) continue;
            to[s + low] += mass * (1 - part);
            to[s + low + 1] += mass * part;
            given += mass;
        }

        to[Bins - 1] += Math.Max(0, weight - given);
    }

    private void Spread(Span<double> bins, double tokens, double share)
    {
        var at = Math.Min(tokens / _width, Bins - 1.001);
        var low = (int)at;
        bins[low] += share * (1 - (at - low));
        bins[low + 1] += share * (at - low);
    }
}
