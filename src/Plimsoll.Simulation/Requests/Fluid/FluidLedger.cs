using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>Requests under way together.</summary>
/// <param name="Requests">Which.</param>
/// <param name="SentAt">When they were sent to a replica.</param>
/// <param name="SentAs">Requests in each replica then, one of them among them.</param>
internal readonly record struct SentGroup(RequestGroup Requests, double SentAt, int SentAs)
{
    public int Count => Requests.Count;

    public SentGroup Part(int count) => this with { Requests = Requests with { Count = count } };
}

/// <summary>What became of one model's requests, counted and not kept: each exactly once.</summary>
internal sealed class FluidLedger(Slo slo)
{
    // Steps of a fiftieth from a tenth of a millisecond to some twelve days.
    private const double FirstSeconds = 1e-4;
    private static readonly double LogStep = Math.Log(1.02);

    private readonly long[] _outcomes = new long[Enum.GetValues<RequestOutcome>().Length];
    private readonly long[] _seconds = new long[1200];
    private readonly double _latency = slo.Latency.TotalSeconds;
    private readonly double _first = slo.TimeToFirstToken?.TotalSeconds ?? double.PositiveInfinity;
    private readonly double _each = slo.TimePerOutputToken?.TotalSeconds ?? double.PositiveInfinity;

    public RequestCounts Counts { get; } = new();

    public List<(double At, int Prompt, int Answer)>? Answers { get; set; }

    public long Ended { get; private set; }

    public long InTime => _outcomes[(int)RequestOutcome.WithinSlo];

    /// <summary>They have their last token now.</summary>
    /// <param name="sent">Which.</param>
    /// <param name="first">When they had their first.</param>
    /// <param name="end">Now.</param>
    public void Answered(SentGroup sent, double first, double end)
    {
        var one = sent.Requests;
        var within = end - one.At <= _latency && first - one.At <= _first && (one.Answer <= 1 || end - first <= _each * (one.Answer - 1));
        Counts.Served(sent.SentAs, end - sent.SentAt, one.Prompt, one.Answer, one.Count);
        for (var i = 0; Answers is not null && i < one.Count; i++) Answers.Add((end, one.Prompt, one.Answer));
        _seconds[Bin(end - one.At)] += one.Count;
        End(within ? RequestOutcome.WithinSlo : RequestOutcome.Late, one.Count);
    }

    public void End(RequestOutcome outcome, int count)
    {
        _outcomes[(int)outcome] += count;
        Ended += count;
        Counts.Ended(outcome, count);
    }

    /// <param name="requests">All there were; those without an end are unfinished.</param>
    public RequestTotals Totals(long requests)
    {
        long Of(RequestOutcome outcome) => _outcomes[(int)outcome];
        var answered = Of(RequestOutcome.WithinSlo) + Of(RequestOutcome.Late);
        return new RequestTotals(
            Of(RequestOutcome.WithinSlo), Of(RequestOutcome.Late), Of(RequestOutcome.Rejected), Of(RequestOutcome.Failed), requests - Ended,
            answered == 0 ? null : new Runs.AnswerSeconds(Quantile(0.5, answered), Quantile(0.95, answered), Quantile(0.99, answered)));
    }

    private double Quantile(double share, long of)
    {
        var before = (long)(share * of);
        var bin = 0;
        for (var seen = _seconds[0]; seen <= before && bin < _seconds.Length - 1; seen += _seconds[bin]) bin++;
        return FirstSeconds * Math.Exp((bin + 0.5) * LogStep);
    }

    private int Bin(double seconds) => Math.Clamp((int)(Math.Log(Math.Max(seconds, FirstSeconds) / FirstSeconds) / LogStep), 0, _seconds.Length - 1);
}
