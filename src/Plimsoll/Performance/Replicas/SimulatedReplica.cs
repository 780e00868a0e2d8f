namespace Plimsoll;

/// <summary>
/// One replica, step by step, by the rules of vLLM's V1 scheduler (0.19, first come first served): sequences that run get
/// their token first; then what is left of the step's tokens goes to the prompt that is under way, then to those that
/// wait, each taken in only if all of it fits the free blocks, the last one in part (chunked prefill). Where a sequence
/// needs a block and none is free, the youngest gives up all of its own and begins again later, ahead of those that wait;
/// nobody is taken in in such a step.
/// </summary>
internal sealed class SimulatedReplica
{
    private const int None = -1;

    private readonly ReplicaLimits _limits;
    private readonly StepTimes _times;
    private readonly RequestLog _log;
    private readonly RequestStates _states;
    private readonly BlockPool _blocks;
    private readonly RunningSequences _sequences;

    /// <summary>In the order they were taken in; with a step under way, those whose last token it gives too.</summary>
    private readonly List<int> _running = [];
    private readonly WaitingRequests _waiting = new();

    /// <summary>The prompt of which a part is yet to be computed; always the youngest that runs.</summary>
    private int _partial = None;
    private ReplicaStep _current = new();
    private ReplicaStep _next = new();
    private long _steps;
    private bool _preempted;

    public SimulatedReplica(ReplicaLimits limits, StepTimes times, RequestLog log, RequestStates states)
    {
        (_limits, _times, _log, _states) = (limits, times, log, states);
        _blocks = new BlockPool(limits.Blocks);
        _sequences = new RunningSequences(limits.BlockTokens);
    }

    /// <summary>Requests sent here and not answered in full.</summary>
    public int Outstanding { get; private set; }

    /// <summary>When the step under way ends; infinity where there is none.</summary>
    public double StepEnds { get; private set; } = double.PositiveInfinity;

    public long Steps => _steps;

    /// <summary>How many times as long as alone the steps take that begin from now on: others may have a part of the device.</summary>
    public double Slowdown { get; set; } = 1;

    /// <summary>Seconds of steps so far, all of the one under way among them.</summary>
    public double BusySeconds { get; private set; }

    public long BlocksUsed => _blocks.Total - _blocks.Free;

    /// <summary>Of those, requests that have not begun, or begin again.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>The last step with a prompt in it: its prompts' tokens, and how long it takes.</summary>
    public (long Tokens, double Seconds) LastPrompt { get; private set; }

    /// <summary>The last step without one.</summary>
    public (int Sequences, long Context, double Seconds) LastDecode { get; private set; }

    /// <summary>Where requests are added as they end; null where nobody asks.</summary>
    public List<int>? Ended { get; init; }

    /// <summary>Takes a request; all steps that end by then must be over.</summary>
    public void Submit(int request, double now)
    {
        Outstanding++;
        _waiting.Append(request);
        if (_current.IsEmpty) Start(now);
    }

    /// <summary>Lets every step end that ends by a time.</summary>
    public void AdvanceTo(double time)
    {
        while (StepEnds <= time) EndStep();
    }

    /// <summary>It is gone, with all that were in it.</summary>
    /// <param name="lost">Where they are added.</param>
    public void Abandon(List<int> lost)
    {
        lost.AddRange(_running);
        for (; _waiting.Count > 0; _waiting.RemoveFirst()) lost.Add(_waiting.First);
        (Outstanding, StepEnds) = (0, double.PositiveInfinity);
    }

    private void EndStep()
    {
        var now = StepEnds;
        foreach (var request in _current.FirstTokens)
            if (double.IsNaN(_log.FirstTokens[request])) _log.FirstTokens[request] = now;
        foreach (var request in _current.Ending)
        {
            _log.Ends[request] = now;
            _blocks.Return(_states.Blocks[request]);
            _states.Blocks[request] = 0;
            _running.Remove(request);
            Outstanding--;
            Ended?.Add(request);
        }

        _current.Clear();
        StepEnds = double.PositiveInfinity;
        Start(now);
    }

    /// <summary>Begins the step that is put together already, or one put together now.</summary>
    private void Start(double now)
    {
        if (_next.IsEmpty) Compose(_next);
        (_current, _next) = (_next, _current);
        if (_current.IsEmpty) return;
        var seconds = _current.Seconds * Slowdown;
        StepEnds = now + seconds;
        BusySeconds += seconds;
        if (_limits.SchedulesAhead) Compose(_next);
    }

    private void Compose(ReplicaStep step)
    {
        _preempted = false;
        MakeRoom(_steps);
        var (sequences, context) = (_sequences.Count, _sequences.TokensAt(_steps) + _sequences.Count);
        var budget = _limits.StepTokens - sequences;
        while (_sequences.TryEnding(_steps, out var request))
        {
            // One that was preempted since has another last step.
            if (_states.LastStep[request] != _steps) continue;
            var tokens = _states.TokensAt(request, _steps);
            _sequences.Remove(tokens, _steps);
            _states.LastStep[request] = None;
            _states.Blocks[request] = _limits.BlocksOf(tokens + 1);
            step.Ending.Add(request);
        }

        if (_partial != None) budget -= Chunk(step, _partial, budget);
        if (!_preempted) Admit(step, ref budget);
        if (sequences == 0 && step.Prompts == 0) return;
        step.Seconds = step.Prompts == 0
            ? _times.Decode(sequences, context / (double)sequences)
            : _times.Seconds(step.Batch(sequences, context));
        if (step.Prompts == 0) LastDecode = (sequences, context, step.Seconds);
        else LastPrompt = (step.PromptTokens, step.Seconds);
        _steps++;
    }

    /// <summary>Blocks for the next token of every sequence; where they do not suffice, the youngest go.</summary>
    private void MakeRoom(long step)
    {
        var need = _sequences.NeedAt(step);
        if (need <= _blocks.Free)
        {
            _blocks.Take(need);
            return;
        }

        for (var i = 0; i < _running.Count; i++)
        {
            var request = _running[i];
            if (_states.LastStep[request] < step || _states.TokensAt(request, step) % _limits.BlockTokens != 0) continue;
            while (_blocks.Free == 0 && PreemptYoungest(step) != request) { }
            if (_states.LastStep[request] >= step) _blocks.Take(1);
        }
    }

    /// <summary>Takes the blocks of the youngest that the step under way does not end anyway.</summary>
    private int PreemptYoungest(long step)
    {
        var at = _running.Count - 1;
        while (_running[at] != _partial && _states.LastStep[_running[at]] < step) at--;
        var request = _running[at];
        _running.RemoveAt(at);
        var tokens = _states.TokensAt(request, step);
        if (request == _partial) _partial = None;
        else _sequences.Remove(tokens, step);

        // Whole blocks can be found again; the last one, begun, cannot.
        var held = _limits.BlocksOf(tokens);
        var whole = _limits.KeepsFreedBlocks ? tokens / _limits.BlockTokens : 0;
        if (held > whole) _blocks.Return(held - whole);
        if (whole > 0) _blocks.ReturnFor(request, whole);
        _states.Preempt(request, tokens);
        _log.Preemptions[request]++;
        _waiting.Prepend(request);
        _preempted = true;
        return request;
    }

    private void Admit(ReplicaStep step, ref int budget)
    {
        while (budget > 0 && _partial == None && _waiting.Count > 0 && _running.Count < _limits.Sequences)
        {
            var request = _waiting.First;
            var known = _states.Known(request);
            if (_limits.BlocksOf(known) > _blocks.Free - (_running.Count > 0 ? _limits.SpareBlocks : 0)) return;
            _waiting.RemoveFirst();
            _running.Add(request);
            var own = Math.Min(_blocks.Kept(request), (known - 1) / _limits.BlockTokens);
            _blocks.TakeOwn(request, own);
            var shared = Math.Min(_log.Cached?[request] ?? 0, known - 1) / _limits.BlockTokens * _limits.BlockTokens;
            var there = Math.Max(own * _limits.BlockTokens, shared);
            _blocks.Take(_limits.BlocksOf(there) - own);
            _states.Tokens[request] = there;
            budget -= Chunk(step, request, budget);
        }
    }

    /// <summary>Computes as much of a prompt as the step still has room for; the tokens it took.</summary>
    private int Chunk(ReplicaStep step, int request, int budget)
    {
        var (have, known) = (_states.Tokens[request], _states.Known(request));
        var chunk = (int)Math.Min(known - have, budget);
        var blocks = _limits.BlocksOf(have + chunk) - _limits.BlocksOf(have);
        while (blocks > _blocks.Free)
        {
            if (PreemptYoungest(_steps) == request) return 0;
        }

        _partial = request;
        if (chunk <= 0) return 0;
        _blocks.Take(blocks);
        step.Add(chunk, have);
        _states.Tokens[request] = have + chunk;
        if (have + chunk < known) return chunk;

        // The whole of it is there: this step gives its next token, the following ones the rest.
        _partial = None;
        step.FirstTokens.Add(request);
        var produced = ++_states.Produced[request];
        if (produced >= _log.Answers[request])
        {
            _states.Blocks[request] = _limits.BlocksOf(have + chunk);
            step.Ending.Add(request);
            return chunk;
        }

        var last = _steps + _log.Answers[request] - produced;
        _states.Begin(request, have + chunk, _steps + 1, last);
        _sequences.Add(request, have + chunk, _steps + 1, last);
        return chunk;
    }
}
