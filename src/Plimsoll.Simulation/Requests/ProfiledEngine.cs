namespace Plimsoll.Simulation.Requests;

/// <summary>A replica that computes what waits as a batch, in the times of its profile (<see cref="SimulatedBatchReplica"/>).</summary>
internal sealed class ProfiledEngine(BatchProfile profile, RequestLog log) : IReplicaEngine
{
    private readonly SimulatedBatchReplica _replica = new(profile, log);

    public int Outstanding => _replica.Outstanding;

    public int Waiting => _replica.Waiting;

    public double CacheUse => 0;

    public double Slowdown { get => _replica.Slowdown; set => _replica.Slowdown = value; }

    public double BusyUntil(double time) => _replica.BusySeconds - (_replica.BatchEnds < double.PositiveInfinity ? Math.Max(0, _replica.BatchEnds - time) : 0);

    public double NextEvent => _replica.BatchEnds;

    public void Submit(int request, double now) => _replica.Submit(request, now);

    public void AdvanceTo(double time, List<int> ended) => _replica.AdvanceTo(time, ended);

    public void Abandon(List<int> lost) => _replica.Abandon(lost);
}
