namespace Plimsoll.Simulation.Requests;

/// <summary>A replica that generates text, iteration by iteration (<see cref="SimulatedReplica"/>).</summary>
internal sealed class TokenEngine : IReplicaEngine, ITokenGauges
{
    private readonly SimulatedReplica _replica;
    private readonly List<int> _ended = [];
    private readonly ReplicaLimits _limits;

    public TokenEngine(ReplicaLimits limits, StepTimes times, RequestLog log, RequestStates states)
    {
        _limits = limits;
        _replica = new SimulatedReplica(limits, times, log, states) { Ended = _ended };
    }

    public int Outstanding => _replica.Outstanding;

    public int Waiting => _replica.Waiting;

    public double CacheUse => _replica.BlocksUsed / (double)_limits.Blocks;

    public long TokenRoom => _limits.Blocks * _limits.BlockTokens;

    public long TokensHeld => _replica.BlocksUsed * _limits.BlockTokens;

    public (long Tokens, double Seconds) LastPrompt => (_replica.LastPrompt.Tokens, _replica.LastPrompt.Seconds * Slowdown);

    public (int Sequences, long Context, double Seconds) LastDecode => _replica.LastDecode with { Seconds = _replica.LastDecode.Seconds * Slowdown };

    public double Slowdown { get => _replica.Slowdown; set => _replica.Slowdown = value; }

    public double BusyUntil(double time) => _replica.BusySeconds - (_replica.StepEnds < double.PositiveInfinity ? Math.Max(0, _replica.StepEnds - time) : 0);

    public double NextEvent => _replica.StepEnds;

    public void Submit(int request, double now) => _replica.Submit(request, now);

    public void AdvanceTo(double time, List<int> ended)
    {
        if (_replica.StepEnds > time) return;
        _replica.AdvanceTo(time);
        ended.AddRange(_ended);
        _ended.Clear();
    }

    public void Abandon(List<int> lost) => _replica.Abandon(lost);
}
