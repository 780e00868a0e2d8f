using System.Collections.Immutable;

namespace Plimsoll.Simulation.Fleet;

/// <summary>Training that the planner launches: it runs whole or not at all, writes checkpoints over its nodes' networks, and goes on from them.</summary>
internal sealed partial class SimulatedCluster
{
    // Members that are told to end are gone after so long.
    private const double EndSeconds = 2;

    // Starts of one job differ from one another about as much as loads do.
    private const double StartSpread = 0.15;

    /// <summary>Whether jobs with terms wait to be launched; they come in by themselves otherwise, as others' do.</summary>
    public bool PlansTraining { get; set; }

    /// <summary>Launches a job, or lets it go on from its last checkpoint. A sentence says why that cannot be.</summary>
    public string? Train(JobId id, ImmutableArray<Placement> members)
    {
        if (_others.FirstOrDefault(one => one.Job.Name == id.Value) is not { Gang: { } gang } job) return $"there is no training {id}";
        if (job.EndedAt is not null || !job.Members.IsEmpty) return null;
        var placed = ImmutableArray.CreateBuilder<OtherMember>();
        foreach (var place in members)
        {
            if (_nodes.GetValueOrDefault(place.Node) is not { IsOpen: true } node) return $"there is no node {place.Node} that takes any more";
            if (Taken(node).Concat(placed.Where(one => one.Node == node).SelectMany(one => one.Devices)).Intersect(place.Devices).FirstOrDefault() is { Value: not null } device)
                return $"{device} of {place.Node} is taken";
            placed.Add(new OtherMember(node, place.Devices, job.Job.Memory));
        }

        job.Began(placed.ToImmutable(), Now);
        foreach (var member in job.Members) member.Node.EmptySince = null;
        Enter(gang, GangState.Starting);
        gang.StartedAt = Now;
        var (run, terms) = (job.Runs, job.Job.Training!);
        var reads = gang.Saved > 0 ? terms.Checkpoint : Bytes.Zero;
        Transfer(job, gang, reads, over => _events.At(over + (terms.Start.TotalSeconds * _loads.Factor(StartSpread)), ready =>
        {
            if (job.Runs != run || gang.State != GangState.Starting) return;
            gang.Done = gang.Saved;
            _outcomes.Add(new Outcome.GangStarted { At = At(ready), Job = id, Size = reads, Took = TimeSpan.FromSeconds(ready - gang.StartedAt) });
            Trains(job, gang, ready);
        }));
        return null;
    }

    /// <summary>Has a job write a checkpoint; it stands still meanwhile.</summary>
    public bool SaveTraining(JobId id)
    {
        if (_others.FirstOrDefault(one => one.Job.Name == id.Value) is not { Gang: { State: GangState.Running } gang } job) return false;
        gang.Progress(Now);
        var begun = Now;
        var run = job.Runs;
        Enter(gang, GangState.Checkpointing);
        Transfer(job, gang, job.Job.Training!.Checkpoint, over =>
        {
            if (job.Runs != run || gang.State != GangState.Checkpointing) return;
            (gang.Saved, gang.SavedAt) = (gang.Done, over);
            _outcomes.Add(new Outcome.CheckpointWritten { At = At(over), Job = id, Size = job.Job.Training.Checkpoint, Took = TimeSpan.FromSeconds(over - begun) });
            Trains(job, gang, over);
        });
        return true;
    }

    /// <summary>Ends a job's members; what it did since its last checkpoint is lost.</summary>
    public bool SuspendTraining(JobId id)
    {
        if (_others.FirstOrDefault(one => one.Job.Name == id.Value) is not { Gang: { State: not (GangState.Stopping or GangState.Suspended or GangState.Ended) } gang, Members.IsEmpty: false } job) return false;
        gang.Progress(Now);
        Break(job, gang);
        gang.GaveWay++;
        Enter(gang, GangState.Stopping);
        var run = job.Runs;
        _events.At(Now + EndSeconds, gone =>
        {
            if (job.Runs != run || gang.State != GangState.Stopping) return;
            var left = job.Members;
            job.Lost(gone);
            Enter(gang, GangState.Suspended, gone);
            foreach (var node in left.Select(member => member.Node).Distinct()) WatchEmpty(node, gone);
            LetOthersIn(gone);
        });
        return true;
    }

    // It trains on to its end, unless something comes in between.
    private void Trains(RunningJob job, Gang gang, double now)
    {
        Enter(gang, GangState.Running, now);
        gang.Since = now;
        var own = gang.Turn;
        _events.At(now + (job.Job.For.TotalSeconds - gang.Done), ended =>
        {
            if (gang.Turn != own) return;
            gang.Progress(ended);
            Enter(gang, GangState.Ended, ended);
            Ended(job, ended);
        });
    }

    private void Broken(RunningJob job, Gang gang, string why, double now)
    {
        gang.Progress(now);
        Break(job, gang);
        if (gang.State != GangState.Stopping) _outcomes.Add(new Outcome.GangFailed { At = At(now), Job = JobId.Of(job.Job.Name), Why = why });
        Enter(gang, GangState.Suspended, now);
    }

    // What it did since it last could go on from there is done once more.
    private void Break(RunningJob job, Gang gang)
    {
        foreach (var (link, transfer) in gang.Transfers) link.End(transfer, Now);
        gang.Transfers.Clear();
        gang.LostSeconds += gang.Done - gang.Saved;
        gang.Done = gang.Saved;
        Changed = true;
    }

    private void Enter(Gang gang, GangState state, double? now = null)
    {
        (gang.State, gang.StateSince) = (state, now ?? Now);
        gang.Turn++;
        Changed = true;
    }

    // Each member moves its part over its node's network.
    private void Transfer(RunningJob job, Gang gang, Bytes size, Action<double> over)
    {
        gang.Transfers.Clear();
        var left = job.Members.Length;
        var each = (double)size.Value / left;
        if (each <= 0)
        {
            over(Now);
            return;
        }

        foreach (var link in job.Members.Select(member => member.Node.Network))
        {
            Link.Transfer? transfer = null;
            transfer = link.Begin(each, double.MaxValue, Now, ended =>
            {
                gang.Transfers.RemoveAll(one => one.Transfer == transfer);
                if (--left == 0) over(ended);
            });
            gang.Transfers.Add((link, transfer));
        }
    }

    private ImmutableArray<TrainingGang> Gangs() =>
    [
        .. _others.Where(job => job.Gang is { State: not null }).OrderBy(job => JobId.Of(job.Job.Name)).Select(job => new TrainingGang
        {
            Job = JobId.Of(job.Job.Name),
            State = job.Gang!.State!.Value,
            StateSince = At(job.Gang.StateSince),
            StartedAt = At(job.Gang.StartedAt),
            LastCheckpoint = job.Gang.SavedAt is { } saved ? At(saved) : null,
            Members = [.. job.Members.Select(member => new Placement(member.Node.Id, member.Devices)).OrderBy(member => member.Node).ThenBy(member => member.Devices.FirstOrDefault())],
            ReservedPerMember = job.Job.SpecOf(_world.Nodes.Single(group => group.Name == job.Job.Group), _world.Start).NeedsPerMember,
        }),
    ];
}

/// <summary>How far a gang is.</summary>
internal sealed class Gang
{
    /// <summary>Null before it was launched.</summary>
    public GangState? State { get; set; }

    public double StateSince { get; set; }

    public double StartedAt { get; set; }

    /// <summary>Changes with each state: what was meant for one is not for the next.</summary>
    public int Turn { get; set; }

    /// <summary>Since when it has trained without a break.</summary>
    public double Since { get; set; }

    /// <summary>Seconds of its work that are done.</summary>
    public double Done { get; set; }

    /// <summary>Those of them that are in its last checkpoint.</summary>
    public double Saved { get; set; }

    public double? SavedAt { get; set; }

    /// <summary>Seconds of work that had to be done once more.</summary>
    public double LostSeconds { get; set; }

    /// <summary>How often it was told to end.</summary>
    public int GaveWay { get; set; }

    public List<(Link Link, Link.Transfer Transfer)> Transfers { get; } = [];

    /// <summary>Counts what was done up to now.</summary>
    public void Progress(double now)
    {
        if (State != GangState.Running) return;
        Done += now - Since;
        Since = now;
    }
}
