using System.Collections.Immutable;
using Plimsoll.Control;

namespace Plimsoll.Pages.Live;

/// <summary>
/// What the page shows, kept from tick to tick: the last one, the newest decisions and ten minutes of each model's rates and
/// replicas. Told by the control loop and asked by whoever reads; only what somebody reads is worked out.
/// </summary>
/// <param name="name">The fleet's name.</param>
/// <param name="time">The clock.</param>
/// <param name="trouble">What cannot be done or seen at the moment, in a sentence; null while all is well.</param>
public sealed class LiveFleet(string name, TimeProvider time, Func<string?>? trouble = null)
{
    private const int DecisionsKept = 200;

    private readonly Lock _gate = new();
    private readonly TickEvents _events = new(text => Figures.Clean(string.Join(" | ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))));
    private readonly Queue<TickEvent> _decisions = new();
    private readonly LiveHistory _history = new();
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private LiveTick? _last;
    private long _version;

    /// <summary>How many ticks were told so far.</summary>
    public long Version
    {
        get
        {
            lock (_gate) return _version;
        }
    }

    /// <summary>Takes a tick, after its plan was applied. Cheap, as the loop waits for it.</summary>
    public void Show(Tick tick)
    {
        ArgumentNullException.ThrowIfNull(tick);
        TaskCompletionSource told;
        lock (_gate)
        {
            foreach (var one in _events.Of(tick)) _decisions.Enqueue(one);
            while (_decisions.Count > DecisionsKept) _decisions.Dequeue();
            _history.Add(tick);
            _last = new LiveTick(tick);
            _version++;
            (told, _next) = (_next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        told.SetResult();
    }

    /// <summary>Ends as soon as more ticks were told than a reader has seen.</summary>
    public Task MoreThanAsync(long version)
    {
        lock (_gate) return _version > version ? Task.CompletedTask : _next.Task;
    }

    /// <summary>The fleet as of the last tick, and which one that was (<see cref="Version"/>).</summary>
    public (LiveState State, long Version) State(LiveQuery query)
    {
        ArgumentNullException.ThrowIfNull(query);
        LiveTick? last;
        long version;
        ImmutableArray<TickEvent> decisions;
        Moments? moments = null;
        ImmutableArray<double> forecast = [];
        ModelSpec? model = null;
        lock (_gate)
        {
            (last, version, decisions) = (_last, _version, [.. _decisions]);
            if (last is not null)
            {
                model = query.Model is { } asked ? last.Find(asked) : null;
                if (model is null || _history.Keeps(model.Id)) (moments, forecast) = _history.Moments(model?.Id, last.Tick.Snapshot.At);
            }
        }

        var state = new LiveState
        {
            Fleet = Figures.Clean(name, 200),
            Trouble = trouble?.Invoke() is { } what ? Figures.Clean(what) : null,
            Now = time.GetUtcNow(),
            Decisions = LiveTick.Newest(decisions, model?.Id),
        };
        if (last is null) return (state, version);
        return (last.On(state, query, model) with
        {
            Plot = moments is { At.Length: > 1 } ? new ReplicaPlot
            {
                Name = model is null ? "all models" : model.Id.Value,
                Own = moments,
                ForecastPerSecond = forecast,
                From = -LiveHistory.Length.TotalSeconds,
                To = 0,
            }.Draw().Text : null,
        }, version);
    }
}
