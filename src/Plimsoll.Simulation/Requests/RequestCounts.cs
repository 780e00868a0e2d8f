namespace Plimsoll.Simulation.Requests;

/// <summary>What a gateway counts of one model since it was last read.</summary>
internal sealed class RequestCounts
{
    private double _from;
    private double _heldSince;
    private double _heldSeconds;
    private long _completed;
    private long _failed;
    private long _rejected;
    private long _within;
    private long _served;
    private double _sumN;
    private double _sumL;
    private double _sumNN;
    private double _sumNL;
    private int _maxN;
    private double _maxL;
    private double _prompts;
    private double _answers;
    private double _promptSquares;
    private double _answerSquares;

    public long Arrivals { get; set; }

    /// <summary>Requests answered, and the tokens of their prompts and answers.</summary>
    public (long Requests, double Prompts, double Answers) Answered => (_served, _prompts, _answers);

    /// <summary>So many were held until now.</summary>
    public void HeldChanged(int held, double now)
    {
        _heldSeconds += held * (now - _heldSince);
        _heldSince = now;
    }

    /// <param name="sentAs">Requests in the replica as it was sent there, itself among them.</param>
    /// <param name="seconds">In the replica.</param>
    /// <param name="prompt">Tokens.</param>
    /// <param name="answer">Tokens.</param>
    /// <param name="count">So many alike.</param>
    public void Served(int sentAs, double seconds, int prompt, int answer, int count = 1)
    {
        _served += count;
        _sumN += (double)count * sentAs;
        _sumL += count * seconds;
        _sumNN += (double)count * sentAs * sentAs;
        _sumNL += (double)count * sentAs * seconds;
        _maxN = Math.Max(_maxN, sentAs);
        _maxL = Math.Max(_maxL, seconds);
        _prompts += (double)count * prompt;
        _answers += (double)count * answer;
        _promptSquares += (double)count * prompt * prompt;
        _answerSquares += (double)count * answer * answer;
    }

    public void Ended(RequestOutcome outcome, int count = 1)
    {
        switch (outcome)
        {
            case RequestOutcome.WithinSlo:
                _within += count;
                _completed += count;
                break;
            case RequestOutcome.Late:
                _completed += count;
                break;
            case RequestOutcome.Rejected:
                _rejected += count;
                break;
            case RequestOutcome.Failed:
                _failed += count;
                break;
        }
    }

    /// <summary>The counts as a body reports them; they begin anew.</summary>
    public ModelTraffic Read(IModelRequests model, bool generates, double now, DateTimeOffset start)
    {
        HeldChanged(model.HeldNow, now);
        var traffic = new ModelTraffic
        {
            Model = model.Model.Id,
            From = start + TimeSpan.FromSeconds(_from),
            To = start + TimeSpan.FromSeconds(now),
            Arrivals = Arrivals,
            Completed = _completed,
            Failed = _failed,
            Rejected = _rejected,
            WithinSlo = _within,
            HeldNow = model.HeldNow,
            OldestHeld = model.OldestHeld is { } oldest ? TimeSpan.FromSeconds(now - oldest) : null,
            HeldRequestSeconds = _heldSeconds,
            Service = _served == 0 ? null : new ServiceSample(_served, _sumN, _sumL, _sumNN, _sumNL, _maxN, _maxL),
            Tokens = _served == 0 || !generates ? null : new TokenSample(_served, _prompts, _answers, _promptSquares, _answerSquares),
        };
        (_from, _heldSeconds, Arrivals, _completed, _failed, _rejected, _within) = (now, 0, 0, 0, 0, 0, 0);
        (_served, _sumN, _sumL, _sumNN, _sumNL, _maxN, _maxL) = (0, 0, 0, 0, 0, 0, 0);
        (_prompts, _answers, _promptSquares, _answerSquares) = (0, 0, 0, 0);
        return traffic;
    }
}
