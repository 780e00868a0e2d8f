using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>
/// Replicas of one variant that share what is sent to them evenly, as a gateway does that sends each request to the replica with the
/// fewest. Requests go through it in groups. Times are seconds of the run.
/// </summary>
/// <param name="concurrency">Requests each of its replicas takes.</param>
internal abstract class FluidPool(int concurrency)
{
    private int _turn;
    private double _busy;
    private double _busyAt;

    /// <summary>How many times as long as alone what is computed takes, the mean over its replicas.</summary>
    protected double Slowdown { get; private set; } = 1;

    public List<FluidReplica> Replicas { get; } = [];

    /// <summary>Requests in its replicas.</summary>
    public int InFlight { get; protected set; }

    /// <summary>Of those, requests that have not begun.</summary>
    public virtual int Waiting => 0;

    public int Concurrency => concurrency;

    /// <summary>Requests that could be sent to it now.</summary>
    public int Free => (Replicas.Count * concurrency) - InFlight;

    /// <summary>When the next thing happens in it; infinity where it has nothing to do.</summary>
    public abstract double NextEvent { get; }

    /// <summary>Whether a replica has room for such a request.</summary>
    public virtual bool CanHold(RequestGroup requests) => true;

    /// <summary>Takes requests, no more than are <see cref="Free"/>; all that happens by then must be over.</summary>
    public abstract void Take(RequestGroup requests, double now);

    /// <summary>Lets all happen that does by a time, inclusive.</summary>
    public abstract void AdvanceTo(double time);

    /// <summary>It ends; what was in it is added to the lists.</summary>
    /// <param name="begun">Requests whose answers had begun.</param>
    /// <param name="waiting">Others.</param>
    public abstract void Abandon(List<RequestGroup> begun, List<RequestGroup> waiting);

    public virtual void Add(FluidReplica replica)
    {
        (replica.Pool, replica.Index) = (this, Replicas.Count);
        Replicas.Add(replica);
        Slowed();
    }

    /// <summary>Others work more or less on the devices of its replicas.</summary>
    public void Slowed()
    {
        var sum = 0.0;
        foreach (var replica in Replicas) sum += replica.Slowdown;
        Slowdown = Replicas.Count == 0 ? 1 : sum / Replicas.Count;
    }

    /// <summary>Seconds in which one of its replicas had something to compute, as requests are spread evenly.</summary>
    public double BusyUntil(double time) => _busy + (Math.Max(0, time - _busyAt) * BusyNow);

    private double BusyNow => Replicas.Count == 0 ? 0 : Math.Min(1, InFlight / (double)Replicas.Count);

    /// <summary>What it has in it is about to change.</summary>
    protected void Busy(double now) => (_busy, _busyAt) = (BusyUntil(now), Math.Max(_busyAt, now));

    /// <summary>A replica leaves with its share of the requests, which is then a pool by itself.</summary>
    public void Leave(FluidReplica replica)
    {
        var own = Like();
        own.Add(replica);
        MoveShare(own, 1.0 / Replicas.Count);
        Replicas.Remove(replica);
        for (var i = 0; i < Replicas.Count; i++) Replicas[i].Index = i;
        Slowed();
        Left();
    }

    /// <summary>A pool of the same kind without replicas.</summary>
    protected abstract FluidPool Like();

    /// <summary>Moves a share of all its requests.</summary>
    protected abstract void MoveShare(FluidPool to, double share);

    /// <summary>A replica left.</summary>
    protected virtual void Left()
    {
    }

    /// <summary>
    /// The lane with the fewest requests, in turns where several have as few. A lane is a replica's; of groups of several requests only
    /// so many are used that each stands for as many replicas as a group has requests.
    /// </summary>
    /// <param name="lanes">One a replica.</param>
    /// <param name="inFlight">Requests of one.</param>
    /// <param name="count">Requests of the group.</param>
    /// <param name="used">Lanes that are used.</param>
    protected T Fewest<T>(List<T> lanes, Func<T, int> inFlight, int count, out int used)
    {
        used = count == 1 ? lanes.Count : Math.Clamp((int)Math.Round(lanes.Count / (double)count), 1, lanes.Count);
        var from = _turn % used;
        var (chosen, fewest) = (from, inFlight(lanes[from]));
        for (var i = 1; i < used && fewest > 0; i++)
        {
            var other = from + i < used ? from + i : from + i - used;
            var there = inFlight(lanes[other]);
            if (there < fewest) (chosen, fewest) = (other, there);
        }

        _turn = chosen + 1;
        return lanes[chosen];
    }

    /// <summary>Takes shares of groups, whole requests, so that over all groups they add up to the share.</summary>
    protected struct ShareTaker(double share)
    {
        private double _owed;

        public int Of(int count)
        {
            _owed += count * share;
            var taken = Math.Min(count, (int)(_owed + 1e-9));
            _owed -= taken;
            return taken;
        }
    }
}
