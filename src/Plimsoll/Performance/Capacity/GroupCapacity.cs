namespace Plimsoll;

/// <summary>
/// The highest rate of requests at which replicas together keep an objective's percentiles, from step times, memory and a
/// sample of lengths: three queues, one within another. Sequences that run (<see cref="BatchOccupancy"/>) set how long a
/// step takes; prompts wait for room in steps (<see cref="PrefillQueue"/>); what a request sees is the sum over its own
/// steps. Arrivals are Poisson. Judged against the simulation of the same (<see cref="ReplicaGroup"/>) in
/// docs/benchmarks/prediction.md.
/// </summary>
public sealed class GroupCapacity
{
    // What the queues leave open, set once by the simulation on cases drawn with seed 1 and judged on others.

    /// <summary>Of the blocks, that sequences hold where a group is full: the rest is lost between those that come and go.</summary>
    private const double BlocksInUse = 0.95;

    /// <summary>Sequences of a replica at which the router's evenness counts half: many that end undo it.</summary>
    private const double EvenSequences = 30;

    /// <summary>How far the router keeps prompts of one step apart while there are few.</summary>
    private const double PromptsApart = 0.9;

    /// <summary>How far what arrives in a step follows the usual step's length rather than its own.</summary>
    private const double StepsAlike = 0.3;

    /// <summary>The same of what arrives while prompts prolong steps.</summary>
    private const double BusyAlike = 0.6;

    /// <summary>How much less than a Poisson number's varies what arrives at one of many replicas.</summary>
    private const double Even = 0.4;

    private readonly ReplicaLimits _limits;
    private readonly RequestLengths _lengths;
    private readonly ServiceCurve _curve;
    private readonly PrefillQueue _prefill;
    private readonly LengthClass[] _prompts;
    private readonly LengthClass[] _both;
    private readonly LengthClass[] _few;
    private readonly SecondsBySize _prompt;
    private readonly (double Mean, double Square, double Cube)[] _added;
    private readonly StepSum[] _sums;
    private readonly StepSum[] _ends;

    /// <param name="limits">Of each replica.</param>
    /// <param name="times">Of its steps.</param>
    /// <param name="lengths">What is asked.</param>
    /// <exception cref="ArgumentException">A limit makes no sense.</exception>
    public GroupCapacity(ReplicaLimits limits, StepTimes times, RequestLengths lengths)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(times);
        ArgumentNullException.ThrowIfNull(lengths);
        (_limits, _lengths) = (limits.Checked(), lengths);
        var held = lengths.Context + (limits.BlockTokens / 2.0);
        Places = Math.Clamp(limits.Blocks * limits.BlockTokens * BlocksInUse / held, 1, limits.Sequences);
        _curve = new ServiceCurve(times, lengths, limits, Places + 1);
        _prompts = LengthClass.Of(lengths, 6, 0);
        _prefill = new PrefillQueue(_curve, limits, lengths, _prompts);
        _few = LengthClass.Of(lengths, 1, 0);
        _both = LengthClass.Of(lengths, 2, 4);
        _prompt = Table(PromptStep);
        _added = [.. _curve.Sizes.ToArray().Select(n => PromptSeconds(Math.Clamp(n, 1, Places)))];
        (_sums, _ends) = (new StepSum[_both.Length], new StepSum[_both.Length]);
    }

    /// <summary>Sequences that a replica holds at once, by the batch's limit or by its memory.</summary>
    public double Places { get; }

    /// <summary>
    /// Requests a second that one replica gets through at the most, no objective asked: no more than full steps of prompts, nor
    /// than full batches of answers, can be given.
    /// </summary>
    public double MostPerSecond
    {
        get
        {
            var room = Math.Max(1, _limits.StepTokens - Places);
            return 1 / Math.Max(_lengths.Prompt / room * _curve.Mixed(0, room), _lengths.Steps * _curve.Decode(Places) / Places);
        }
    }

    private bool PlacesByMemory => Places < _limits.Sequences;

    /// <summary>Requests a second that so many replicas carry together; 0 where not even one at a time keeps the objective.</summary>
    public double PerSecond(int replicas, IReadOnlyList<LatencyTarget> targets)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(replicas);
        ArgumentNullException.ThrowIfNull(targets);
        if (_limits.BlocksOf(_lengths.Longest - 1) > _limits.Blocks) return 0;

        var most = replicas * MostPerSecond;
        return HighestKept.Of(most * 1e-4, most, rate => Miss(rate, replicas, targets));
    }

    /// <summary>
    /// By how much more are late than may be, of the worst target, in deviations of a normal distribution, which hardly
    /// bend with the rate; positive where it is missed.
    /// </summary>
    private double Miss(double rate, int replicas, IReadOnlyList<LatencyTarget> targets)
    {
        if (Late(rate, replicas, targets) is not { } late) return double.PositiveInfinity;
        var worst = double.NegativeInfinity;
        for (var i = 0; i < late.Length; i++)
            worst = Math.Max(worst, CountMaximum.NormalQuantile(Math.Clamp(late[i], 1e-12, 1 - 1e-12)) - CountMaximum.NormalQuantile(1 - targets[i].Share));
        return late.Length == 0 ? -1 : worst;
    }

    /// <summary>Whether every target is kept at a rate, by the same measure that the highest such rate is found by.</summary>
    public bool Keeps(double rate, int replicas, IReadOnlyList<LatencyTarget> targets)
    {
        ArgumentNullException.ThrowIfNull(targets);
        return Miss(rate, replicas, targets) <= 0;
    }

    /// <summary>The share of requests that miss each target at a rate; null where the group cannot carry it at all.</summary>
    public double[]? Late(double rate, int replicas, IReadOnlyList<LatencyTarget> targets)
    {
        ArgumentNullException.ThrowIfNull(targets);
        var each = rate / replicas;
        if (Occupancy(rate, replicas) is not var (cells, steps)) return null;
        var alike = 1 - (1.0 / replicas);
        var late = new double[targets.Count];
        double usual = 0;
        foreach (var cell in cells) usual += cell.Share * cell.Sequences;
        var found = new Surroundings(usual, Relaxation(usual, steps), each, replicas, steps);
        var (first, between, end) = (false, false, false);
        foreach (var target in targets)
        {
            first |= target.Metric != LatencyMetric.Tpot;
            between |= target.Metric != LatencyMetric.Ttft;
            end |= target.Metric == LatencyMetric.EndToEnd;
        }

        var solved = (double.NaN, double.NaN);
        foreach (var cell in cells)
        {
            // Those that wait for a place, long or short, then run in the same batch.
            if (solved != (cell.Sequences, cell.Joined))
            {
                if (first && cell.Sequences <= 0) _prefill.Idle();
                else if (first && !_prefill.Solve(cell.Sequences, each, steps.Of(cell.Sequences), StepsAlike * alike, PromptsApart * alike / (1 + (cell.Sequences / EvenSequences)))) return null;
                if (between) Run(cell, found, end);
                solved = (cell.Sequences, cell.Joined);
            }

            for (var i = 0; i < late.Length; i++)
            {
                late[i] += cell.Share * targets[i].Metric switch
                {
                    LatencyMetric.Ttft => _prefill.Late(targets[i].Seconds - cell.WaitSeconds),
                    LatencyMetric.Tpot => LateBetween(targets[i].Seconds, cell),
                    _ => LateEnd(targets[i].Seconds - cell.WaitSeconds),
                };
            }
        }

        return late;
    }

    /// <summary>
    /// Where the group is found, and the seconds of a step by the sequences in it: first by the mean of what arrives, then
    /// corrected by what the queue of prompts says of it at two sizes, as prompts that come together cost more.
    /// </summary>
    private (List<OccupancyCell> Cells, SecondsBySize Steps)? Occupancy(double rate, int replicas)
    {
        var each = rate / replicas;
        var steps = Table(n => MeanStep(n, each));
        if (BatchOccupancy.Of(rate, replicas, Places, _lengths, _curve, steps, _prompt) is not { } cells) return null;
        var alike = 1 - (1.0 / replicas);
        double usual = 0;
        foreach (var cell in cells) usual += cell.Share * cell.Sequences;
        usual = Math.Max(1, usual);
        var most = Math.Max(usual * 1.5, cells[^1].Sequences);
        var upper = Math.Min(most, Places);
        var (here, there) = (steps.Of(usual), steps.Of(upper));
        if (!_prefill.Solve(usual, each, here, StepsAlike * alike, 0)) return null;
        here = Math.Max(1, _prefill.MeanStep / here);
        there = _prefill.Solve(upper, each, there, StepsAlike * alike, 0) ? Math.Max(1, _prefill.MeanStep / there) : here;
        steps.Correct(usual, here, most, there);
        return BatchOccupancy.Of(rate, replicas, Places, _lengths, _curve, steps, _prompt) is { } again ? (again, steps) : null;
    }

    private SecondsBySize Table(Func<double, double> function)
    {
        var seconds = new double[_curve.Sizes.Length];
        for (var i = 0; i < seconds.Length; i++) seconds[i] = function(Math.Max(1, _curve.Sizes[i]));
        return new SecondsBySize(_curve, seconds);
    }

    /// <summary>Mean seconds that a prompt is computed for.</summary>
    private double PromptStep(double sequences)
    {
        double sum = 0;
        foreach (var one in _few) sum += one.Share * Own(one.Prompt, sequences);
        return sum;
    }

    /// <summary>Seconds of the steps that compute a prompt by itself.</summary>
    private double Own(double prompt, double sequences) => Own(prompt, sequences, _curve.Place(sequences));

    private double Own(double prompt, double sequences, CurvePlace place)
    {
        var room = Math.Max(1, _limits.StepTokens - sequences);
        if (prompt < room) return prompt > 0 ? _curve.Mixed(place, prompt) : 0;
        var full = Math.Floor(prompt / room);
        var rest = prompt - (full * room);
        return (full * _curve.Mixed(place, room)) + (rest > 0 ? _curve.Mixed(place, rest) : 0);
    }

    private double LateBetween(double limit, OccupancyCell cell)
    {
        // Where memory is what is short, those that run are thrown out and wait in the midst of their answer.
        var wait = PlacesByMemory ? cell.WaitSeconds : 0;
        double late = 0;
        for (var i = 0; i < _both.Length; i++)
            if (_both[i].Steps >= 0.5) late += _both[i].Share * _sums[i].Above((limit * _both[i].Steps) - wait);
        return late;
    }

    private double LateEnd(double limit)
    {
        double late = 0;
        for (var i = 0; i < _both.Length; i++) late += _both[i].Share * _ends[i].Above(limit);
        return late;
    }

    /// <summary>The steps of every class of requests that come to such a group, and from their arrival on where that is asked.</summary>
    private void Run(OccupancyCell cell, Surroundings around, bool end)
    {
        var step = around.Step.Of(Math.Max(1, cell.Sequences));
        for (var i = 0; i < _both.Length; i++)
        {
            _sums[i] = Steps(_both[i], cell, around, step);
            if (!end) continue;
            var (first, spread) = _prefill.Wait(_both[i].Prompt);
            _ends[i] = _sums[i].And(first, spread);
        }
    }

    /// <summary>
    /// So many steps in a row. Prompts that come while others are computed prolong them further, as in the busy period of a
    /// queue with one server (Takács 1962): what comes in the time of the steps alone starts a busy period each.
    /// </summary>
    private StepSum Steps(LengthClass request, OccupancyCell cell, Surroundings around, double found)
    {
        var steps = request.Steps;
        if (steps <= 0) return default;
        var beside = Beside(steps, cell, around, found);
        var place = _curve.Place(beside);
        var decode = _curve.Decode(place);
        var (one, square, cube) = PromptSeconds(place);
        var own = Own(request.Prompt, beside, place);
        // What comes while its own prompt is computed is computed beside its next token, and so on to the last but one.
        var ahead = _limits.SchedulesAhead ? 1 : 0;
        var window = Math.Max(0, ((steps - 1) * decode) + own);
        var alike = 1 - (1.0 / around.Replicas);

        // The router has just sent this one here, and sends the next ones to others first; the less so the more run and end.
        var joined = cell.Joined * (1 - (alike / (1 + (1.5 * around.Rate * window)) / (1 + (cell.Sequences / EvenSequences))));
        var rate = around.Rate * joined;
        var step = decode + (joined * Math.Max(0, around.Step.Of(place, beside) - decode));
        window += ahead * (step - decode);
        var load = Math.Min(0.98, rate * one);
        var more = window / decode * (step - decode);
        var alone = window * load / (1 - load);
        var scale = alone > 0 ? Math.Min(1, more / alone) : 0;
        var (first, second, third) = (load * scale, square * scale * scale, cube * scale * scale * scale);
        var repeat = 1 / (1 - (first * (1 - (BusyAlike * alike))));
        var even = 1 - (Even * alike);
        var one2 = second * repeat * repeat / (1 - first);
        var one3 = ((third * repeat * repeat * repeat) + (3 * rate * second * second * repeat * repeat * repeat * repeat)) / (1 - first);
        return new StepSum(steps * decode, more, window * rate * one2 * even, window * rate * one3 * even, Math.Exp(-rate * window));
    }

    /// <summary>Seconds that a prompt adds to the steps of the sequences beside it: three moments.</summary>
    private (double Mean, double Square, double Cube) PromptSeconds(double sequences)
    {
        var (decode, room) = (_curve.Decode(sequences), Math.Max(1, _limits.StepTokens - sequences));
        double mean = 0, square = 0, cube = 0;
        foreach (var one in _prompts)
        {
            var seconds = Math.Max(0, Own(one.Prompt, sequences) - (Math.Ceiling(one.Prompt / room) * decode));
            (mean, square, cube) = (mean + (one.Share * seconds), square + (one.Share * seconds * seconds), cube + (one.Share * seconds * seconds * seconds));
        }

        return (mean, square, cube);
    }

    /// <summary>The same by the curve's sizes, and linear between them: a nearest size's would jump from one to the next.</summary>
    private (double Mean, double Square, double Cube) PromptSeconds(CurvePlace place)
    {
        var (low, high) = (_added[place.At], _added[place.At + 1]);
        return (low.Mean + (place.Part * (high.Mean - low.Mean)), low.Square + (place.Part * (high.Square - low.Square)), low.Cube + (place.Part * (high.Cube - low.Cube)));
    }

    /// <summary>
    /// Sequences that run on the mean over a request's steps, itself among them: as it found them where it is short, and
    /// ever nearer to the usual number the longer it stays.
    /// </summary>
    private double Beside(double steps, OccupancyCell cell, Surroundings around, double found)
    {
        var times = steps * found / around.Relaxation;
        var stays = times < 1e-6 ? 1 : 2 / times * (1 - ((1 - Math.Exp(-times)) / times));
        var itself = cell.Sequences <= 0 ? 1 : (around.Replicas + 1) / (2.0 * around.Replicas);
        return Math.Clamp(around.Usual + (Math.Sqrt(Math.Min(1, stays)) * (cell.Sequences - around.Usual)) + itself, 1, Places);
    }

    /// <summary>Seconds in which a deviation of the number that run fades to a third.</summary>
    private double Relaxation(double usual, SecondsBySize steps)
    {
        var n = Math.Max(1, usual);
        var (here, there) = (steps.Of(n), steps.Of(n * 1.05));
        if (double.IsInfinity(there)) return double.MaxValue;
        var slope = Math.Clamp((there - here) / 0.05 / here, 0, 0.99);
        return Math.Max(1e-9, (_lengths.Steps + 1) * here / (1 - slope));
    }

    /// <summary>What a request runs among.</summary>
    /// <param name="Usual">Sequences of a replica, on the mean.</param>
    /// <param name="Relaxation">Seconds in which their number returns to it.</param>
    /// <param name="Rate">Requests a second, of one replica.</param>
    /// <param name="Replicas">How many there are.</param>
    /// <param name="Step">Mean seconds of a step with so many sequences.</param>
    private sealed record Surroundings(double Usual, double Relaxation, double Rate, int Replicas, SecondsBySize Step);

    /// <summary>
    /// Mean seconds of a step: the prompts that arrive while one lasts are the next one's. Infinity where they are more
    /// than it has room for.
    /// </summary>
    private double MeanStep(double sequences, double rate)
    {
        var place = _curve.Place(sequences);
        var (decode, room) = (_curve.Decode(place), Math.Max(1, _limits.StepTokens - sequences));
        var seconds = decode;
        for (var turn = 0; turn < 30; turn++)
        {
            var arrivals = rate * seconds;
            var tokens = arrivals * _lengths.Prompt;
            if (tokens >= room) return double.PositiveInfinity;
            var some = 1 - Math.Exp(-arrivals * Math.Max(1, _lengths.Prompt / room));
            if (some <= 0) return decode;
            double more = 0;
            foreach (var one in _few) more += one.Share * (_curve.Mixed(place, Math.Min(room, one.Prompt / _lengths.Prompt * tokens / some)) - decode);
            var next = decode + (some * more);
            if (Math.Abs(next - seconds) < 1e-6 * seconds) return next;
            seconds = next;
        }

        return seconds;
    }
}
