using System.Collections.Immutable;
using Plimsoll.Control;

namespace Plimsoll.Local.StoreHost;

/// <summary>
/// A fleet of three models whose demand comes and goes in a fixed pattern, one second a tick: starts load for two ticks,
/// stops take one. Enough for the real planner to start, hold, evict and let go.
/// </summary>
public sealed class ScriptedFleet(long firstTick, ImmutableArray<InferenceReplica> adopted) : IFleet
{
    public static readonly DateTimeOffset Epoch = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly NodeId Node = NodeId.Of("here");
    private readonly SortedDictionary<ReplicaId, InferenceReplica> _replicas = new(adopted.ToDictionary(r => r.Id));
    private readonly List<Outcome> _outcomes = [];
    private long _tick = firstTick;

    public static FleetSpec Spec { get; } = new()
    {
        Models = [.. new[] { ("large", 1500), ("medium", 250), ("small", 25) }.Select(model => Model(model.Item1, model.Item2))],

        // As the command line plans: what is forecast must replay too.
        Settings = new PlannerSettings { ForecastDemand = true },
    };

    public ValueTask<FleetSnapshot> ObserveAsync(CancellationToken cancellationToken)
    {
        var at = Epoch.AddSeconds(_tick);
        foreach (var replica in _replicas.Values.ToArray())
        {
            if (replica.State == ReplicaState.Loading && at - replica.StartedAt >= TimeSpan.FromSeconds(2))
            {
                _replicas[replica.Id] = replica with { State = ReplicaState.Ready, StateSince = at };
                _outcomes.Add(new Outcome.Loaded
                {
                    At = at,
                    Replica = replica.Id,
                    Model = replica.Model,
                    Version = replica.Version,
                    Variant = replica.Variant,
                    Size = replica.Reserved.Host.Steady,
                    Took = at - replica.StartedAt,
                });
            }
            else if (replica.State == ReplicaState.Draining)
            {
                _replicas[replica.Id] = replica with { State = ReplicaState.Drained, StateSince = at };
            }
        }

        var snapshot = new FleetSnapshot
        {
            At = at,
            Can = Capabilities.ChooseNode | Capabilities.ChooseVictim | Capabilities.HoldRequests,
            Nodes =
            [
                new NodeState
                {
                    Id = Node, HostMemory = Bytes.GiB(8), HostMemoryBudget = Bytes.GiB(2.6), Cores = Cores.Of(4),
                    CacheFileSystemFree = Signal.Known(Bytes.GiB(1), at),
                },
            ],
            Replicas = [.. _replicas.Values],
            Traffic = [.. Spec.Models.Select((model, i) => Traffic(model.Id, i, at))],
            Outcomes = [.. _outcomes],
        };
        _outcomes.Clear();
        _tick++;
        return ValueTask.FromResult(snapshot);
    }

    public ValueTask<ApplyResult> ApplyAsync(Plan plan, CancellationToken cancellationToken)
    {
        var at = Epoch.AddSeconds(_tick - 1);
        var ready = plan.Steps.Where(step => step.After.IsEmpty).ToArray();
        foreach (var step in ready)
        {
            switch (step)
            {
                case Step.Start start:
                    _replicas[start.Replica] = new InferenceReplica
                    {
                        Id = start.Replica,
                        Model = start.Model,
                        Version = start.Version,
                        Variant = start.Variant,
                        Placement = start.Placement!,
                        State = ReplicaState.Loading,
                        StateSince = at,
                        StartedAt = at,
                        Reserved = start.Needs,
                        Concurrency = 8,
                    };
                    break;
                case Step.Drain drain:
                    _replicas[drain.Replica] = _replicas[drain.Replica] with { State = ReplicaState.Draining, StateSince = at };
                    break;
                case Step.Stop stop:
                    var gone = _replicas[stop.Replica];
                    _replicas.Remove(stop.Replica);
                    _outcomes.Add(new Outcome.Exited
                    {
                        At = at,
                        Replica = gone.Id,
                        Model = gone.Model,
                        Was = gone.State,
                        Asked = true,
                        Why = "asked to end",
                    });
                    break;
            }
        }

        return ValueTask.FromResult(new ApplyResult(
            [.. ready.Select(step => step.Id)],
            [.. plan.Steps.Where(step => !step.After.IsEmpty).Select(step => step.Id)]));
    }

    public Task WaitForChangeAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);

    // Each model is busy for a stretch of its own length, so that they take turns and overlap.
    private static ModelTraffic Traffic(ModelId model, int index, DateTimeOffset at)
    {
        var second = (long)(at - Epoch).TotalSeconds;
        var busy = second / (17 + (index * 6)) % 2 == 0;
        return new ModelTraffic
        {
            Model = model,
            From = at.AddSeconds(-1),
            To = at,
            Arrivals = busy ? 3 + (second * 7 % 5) : 0,
            Completed = busy ? 3 : 0,
            WithinSlo = busy ? 2 : 0,
            RequestBytes = busy ? 4096 : 0,
            HeldNow = busy && second % 3 == 0 ? 1 : 0,
            HeldRequestSeconds = busy ? 0.5 : 0,
        };
    }

    private static ModelSpec Model(string id, int mebibytes) => new()
    {
        Id = ModelId.Of(id),
        Version = "v1",
        Source = $"/models/{id}",
        Footprint = new Footprint
        {
            Format = ArtifactFormat.Onnx,
            Source = FootprintSource.Header,
            Digest = id,
            OnDisk = Bytes.MiB(mebibytes),
            Weights = Bytes.MiB(mebibytes),
        },
        Slo = new Slo(TimeSpan.FromSeconds(1), 0.99),
        IdleLimit = TimeSpan.FromSeconds(8),
        MaxReplicas = 2,
        Variants =
        [
            new VariantSpec
            {
                Id = VariantId.Of("cpu"),
                Engine = "plimsoll",
                Needs = new ReplicaNeeds
                {
                    Host = new MemoryNeed(Bytes.MiB(mebibytes * 1.3), Bytes.MiB(mebibytes * 1.1)),
                    Cores = Cores.Of(1),
                    Disk = Bytes.Zero,
                },
            },
        ],
    };
}
