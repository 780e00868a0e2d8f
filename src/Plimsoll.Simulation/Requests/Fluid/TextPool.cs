using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>
/// Replicas that generate text, without their iterations: all sequences get tokens on one clock, at the pace of a step with as many
/// sequences and as much context as a replica has on the mean; prompts are computed in a lane for each replica, and put the sequences
/// of that one back (<see cref="PromptLane"/>). Requests that find no memory wait until others end; nobody is preempted.
/// Of groups of several requests each lane stands for so many replicas.
/// </summary>
internal sealed class TextPool(ReplicaLimits limits, StepTimes times, PromptSteps prompts, int concurrency, FluidLedger ledger) : FluidPool(concurrency)
{
    // A request that comes while sequences run waits for the rest of a step; where steps are put together ahead, for one more.
    private static readonly (double Idle, double Busy) Ahead = (1.5, 1);
    private static readonly (double Idle, double Busy) NotAhead = (0.5, 0);

    private readonly (double Idle, double Busy) _pause = limits.SchedulesAhead ? Ahead : NotAhead;
    private readonly List<PromptLane> _lanes = [];
    private readonly PriorityQueue<Prompted, double> _prompted = new();
    private readonly PriorityQueue<Running, double> _running = new();
    private readonly Queue<SentGroup> _waiting = new();
    private int _waitingCount;
    private int _sequences;
    private double _runningPrompts;
    private double _runningAnswers;
    private double _comingPrompts;
    private double _clock;
    private double _now;

    public override int Waiting => _waitingCount;

    /// <summary>Tokens of keys and values in all its replicas: prompts, and half of the answers of those that run.</summary>
    public double Tokens => _runningPrompts + (_runningAnswers / 2) + _comingPrompts;

    public (long Tokens, double Seconds) LastPrompt { get; private set; }

    public (int Sequences, long Context, double Seconds) LastDecode => _sequences == 0 ? default
        : ((int)Math.Round(Beside), (long)(Beside * Context), StepSeconds());

    public override double NextEvent => Math.Min(
        _prompted.TryPeek(out _, out var first) ? first : double.PositiveInfinity,
        _running.TryPeek(out _, out var end) ? _now + (Math.Max(0, end - _clock) * StepSeconds()) : double.PositiveInfinity);

    // Sequences of a replica that has any, and the context of each.
    private double Beside => Math.Max(1, _sequences / (double)Math.Max(1, Replicas.Count));

    private double Context => _sequences == 0 ? 0 : (_runningPrompts + (_runningAnswers / 2)) / _sequences;

    private double Room => (double)Replicas.Count * limits.Blocks * limits.BlockTokens;

    public override bool CanHold(RequestGroup requests) => (long)requests.Prompt + requests.Answer - 1 <= limits.Blocks * limits.BlockTokens;

    public override void Add(FluidReplica replica)
    {
        base.Add(replica);
        _lanes.Add(new PromptLane(prompts));
    }

    public override void Take(RequestGroup requests, double now)
    {
        MoveClock(now);
        var sent = new SentGroup(requests, now, 1);
        InFlight += requests.Count;
        if (_waiting.Count == 0 && Fits(requests))
        {
            Begin(sent, now);
            return;
        }

        _waiting.Enqueue(sent);
        _waitingCount += requests.Count;
    }

    public override void AdvanceTo(double time)
    {
        while (true)
        {
            var step = StepSeconds();
            var first = _prompted.TryPeek(out var prompted, out var at) ? at : double.PositiveInfinity;
            var end = _running.TryPeek(out var running, out var due) ? _now + (Math.Max(0, due - _clock) * step) : double.PositiveInfinity;
            if (Math.Min(first, end) > time) break;
            if (first <= end)
            {
                MoveClock(first);
                _prompted.Dequeue();
                FirstToken(prompted, first);
            }
            else
            {
                MoveClock(end);
                _running.Dequeue();
                LastToken(running, due, end);
            }
        }

        MoveClock(time);
    }

    public override void Abandon(List<RequestGroup> begun, List<RequestGroup> waiting)
    {
        while (_running.TryDequeue(out var running, out _)) begun.Add(running.Sent.Requests);
        while (_prompted.TryDequeue(out var prompted, out _)) waiting.Add(prompted.Sent.Requests);
        while (_waiting.TryDequeue(out var sent)) waiting.Add(sent.Requests);
        (InFlight, _sequences, _waitingCount, _runningPrompts, _runningAnswers, _comingPrompts) = (0, 0, 0, 0, 0, 0);
    }

    protected override FluidPool Like() => new TextPool(limits, times, prompts, Concurrency, ledger) { _clock = _clock, _now = _now };

    protected override void MoveShare(FluidPool to, double share)
    {
        var (other, taker) = ((TextPool)to, new ShareTaker(share));
        var (coming, running, waiting) = (Emptied(_prompted), Emptied(_running), _waiting.ToList());
        _waiting.Clear();
        (InFlight, _sequences, _waitingCount, _runningPrompts, _runningAnswers, _comingPrompts) = (0, 0, 0, 0, 0, 0);
        foreach (var lane in _lanes) lane.InFlight = 0;
        foreach (var (one, at) in coming)
        {
            var moved = taker.Of(one.Sent.Count);
            if (moved > 0) other.Enqueue(one with { Sent = one.Sent.Part(moved), Lane = other._lanes[0], Batch = 0 }, at);
            if (moved < one.Sent.Count) Enqueue(one with { Sent = one.Sent.Part(one.Sent.Count - moved) }, at);
        }

        foreach (var (one, due) in running)
        {
            // What it fell behind by until now it takes along.
            var moved = taker.Of(one.Sent.Count);
            if (moved > 0) other.Enqueue(one with { Sent = one.Sent.Part(moved), Lane = other._lanes[0], Behind = one.Behind - one.Lane.Behind }, due);
            if (moved < one.Sent.Count) Enqueue(one with { Sent = one.Sent.Part(one.Sent.Count - moved) }, due);
        }

        foreach (var one in waiting)
        {
            var moved = taker.Of(one.Count);
            if (moved > 0) other.Wait(one.Part(moved));
            if (moved < one.Count) Wait(one.Part(one.Count - moved));
        }

        // Where all that it took waits, nothing ends that would let them begin.
        other.AdmitWaiting(other._now);
    }

    // Sequences of the lane that goes are on others' from now on.
    protected override void Left()
    {
        var gone = _lanes[^1];
        _lanes.RemoveAt(_lanes.Count - 1);
        if (_lanes.Count == 0) return;
        var (coming, running, lane) = (Emptied(_prompted), Emptied(_running), 0);
        foreach (var one in _lanes) one.InFlight = 0;
        (InFlight, _sequences, _runningPrompts, _runningAnswers, _comingPrompts) = (_waitingCount, 0, 0, 0, 0);
        PromptLane Another() => _lanes[lane++ % _lanes.Count];
        foreach (var (one, at) in coming) Enqueue(one.Lane == gone ? one with { Lane = Another(), Batch = 0 } : one, at);
        foreach (var (one, due) in running)
        {
            if (one.Lane != gone) Enqueue(one, due);
            else
            {
                var to = Another();
                Enqueue(one with { Lane = to, Behind = to.Behind - (gone.Behind - one.Behind) }, due);
            }
        }

        AdmitWaiting(_now);
    }

    private static List<(T One, double At)> Emptied<T>(PriorityQueue<T, double> queue)
    {
        var all = new List<(T, double)>(queue.Count);
        while (queue.TryDequeue(out var one, out var at)) all.Add((one, at));
        return all;
    }

    private void Begin(SentGroup sent, double now)
    {
        var count = sent.Count;
        var lane = Fewest(_lanes, static one => one.InFlight, count, out var used);
        var ofLane = used / (double)Replicas.Count;
        sent = sent with { SentAs = Math.Max(1, (int)Math.Round(((lane.InFlight + (count / 2.0)) * ofLane) + 0.5)) };
        var (beside, context) = lane.InFlight > 0 && _sequences > 0 ? (Beside, Context) : (0, 0);
        lane.Slowdown = Slowdown;
        lane.Add(sent.Requests.Prompt * Math.Max(1, count * ofLane), now, beside, context, beside > 0 ? StepSeconds() : 0, _pause);
        LastPrompt = (sent.Requests.Prompt, prompts.Of(sent.Requests.Prompt, beside, context).Seconds * Slowdown);
        InFlight -= count;
        Enqueue(new Prompted(sent, lane, lane.Batch, lane.Tokens), lane.EndOf(lane.Batch, lane.Tokens));
    }

    private void FirstToken(Prompted prompted, double now)
    {
        var (sent, lane) = (prompted.Sent, prompted.Lane);
        _comingPrompts -= (double)sent.Count * sent.Requests.Prompt;
        InFlight -= sent.Count;
        lane.InFlight -= sent.Count;
        if (lane.EndOf(prompted.Batch, prompted.Until) is var later && later > now + 1e-9)
        {
            // Others came into its step since.
            Enqueue(prompted, later);
            return;
        }

        if (sent.Requests.Answer <= 1)
        {
            ledger.Answered(sent, now, now);
            AdmitWaiting(now);
            return;
        }

        var running = new Running(sent, lane, now, _clock, lane.BehindAfter(prompted.Batch));
        Enqueue(running, running.Due);
    }

    private void LastToken(Running running, double due, double now)
    {
        var sent = running.Sent;
        _sequences -= sent.Count;
        _runningPrompts -= (double)sent.Count * sent.Requests.Prompt;
        _runningAnswers -= (double)sent.Count * sent.Requests.Answer;
        InFlight -= sent.Count;
        running.Lane.InFlight -= sent.Count;
        if (running.Due > due + 1e-9)
        {
            // It fell behind since.
            Enqueue(running, running.Due);
            return;
        }

        ledger.Answered(sent, running.First, now);
        AdmitWaiting(now);
    }

    private void AdmitWaiting(double now)
    {
        while (_waiting.TryPeek(out var next) && Fits(next.Requests))
        {
            _waiting.Dequeue();
            _waitingCount -= next.Count;
            Begin(next, now);
        }
    }

    private bool Fits(RequestGroup requests) => _sequences + _prompted.Count == 0 || Tokens + ((double)requests.Count * requests.Prompt) <= Room;

    private void Wait(SentGroup sent)
    {
        _waiting.Enqueue(sent);
        _waitingCount += sent.Count;
        InFlight += sent.Count;
    }

    private void Enqueue(Prompted one, double at)
    {
        _prompted.Enqueue(one, at);
        _comingPrompts += (double)one.Sent.Count * one.Sent.Requests.Prompt;
        InFlight += one.Sent.Count;
        one.Lane.InFlight += one.Sent.Count;
    }

    private void Enqueue(Running one, double due)
    {
        _running.Enqueue(one, due);
        _sequences += one.Sent.Count;
        _runningPrompts += (double)one.Sent.Count * one.Sent.Requests.Prompt;
        _runningAnswers += (double)one.Sent.Count * one.Sent.Requests.Answer;
        InFlight += one.Sent.Count;
        one.Lane.InFlight += one.Sent.Count;
    }

    private double StepSeconds()
    {
        if (_sequences == 0) return 0;
        var beside = Math.Min(Beside, times.SequencesMax);
        var (context, whole) = (Context, (int)beside);
        var step = times.Decode(whole, context);
        return Slowdown * (whole < beside ? step + ((beside - whole) * (times.Decode(whole + 1, context) - step)) : step);
    }

    private void MoveClock(double time)
    {
        if (time <= _now) return;
        Busy(time);
        if (_sequences > 0) _clock += (time - _now) / StepSeconds();
        _now = time;
    }

    /// <summary>Its prompt is to be computed, or is being computed.</summary>
    /// <param name="Sent">Which.</param>
    /// <param name="Lane">Its replica's.</param>
    /// <param name="Batch">The lane's, in which it is computed.</param>
    /// <param name="Until">Tokens of that batch up to its last one.</param>
    private readonly record struct Prompted(SentGroup Sent, PromptLane Lane, int Batch, double Until);

    /// <summary>It gets tokens.</summary>
    /// <param name="Sent">Which.</param>
    /// <param name="Lane">Its replica's.</param>
    /// <param name="First">When it had its first.</param>
    /// <param name="Clock">The pool's clock then.</param>
    /// <param name="Behind">What its lane's sequences had fallen behind by then.</param>
    private readonly record struct Running(SentGroup Sent, PromptLane Lane, double First, double Clock, double Behind)
    {
        /// <summary>The clock at its last token, as far as is known.</summary>
        public double Due => Clock + Sent.Requests.Answer - 1 + Math.Max(0, Lane.Behind - Behind);
    }
}
