using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Plimsoll.Kubernetes;

/// <summary>What the last plan wants of one ScaledModel, for whoever scales it: us, KEDA or an HPA.</summary>
public sealed record DesiredScale
{
    public required ObjectName ScaledModel { get; init; }

    /// <summary>Replicas the plan wants now, those that only wait for room not counted.</summary>
    public required int Replicas { get; init; }

    /// <summary>Whether anything is wanted or waits: what KEDA asks before it leaves zero.</summary>
    public required bool Active { get; init; }

    /// <summary>The time of the snapshot it was decided on.</summary>
    public required DateTimeOffset DecidedAt { get; init; }

    /// <summary>The plan's sentence.</summary>
    public required string Reason { get; init; }
}

/// <summary>
/// The scales of the last plan, of models in mode act and without a conflict, handed from the control loop to those who read
/// them. A reader must treat a scale older
/// than <see cref="LongestAge"/> as not there: a controller that stopped deciding must not keep on scaling.
/// </summary>
// It lives as long as the process, and its tokens are in the hands of those who listen.
#pragma warning disable CA1001
public sealed class DesiredScales(TimeProvider time)
#pragma warning restore CA1001
{
    public static readonly TimeSpan LongestAge = TimeSpan.FromMinutes(2);

    private volatile ImmutableSortedDictionary<ObjectName, DesiredScale> _current =
        ImmutableSortedDictionary<ObjectName, DesiredScale>.Empty;

    private volatile bool _tells;
    private volatile CancellationTokenSource _withdrawing = new();
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>All of them, old ones too.</summary>
    public ImmutableSortedDictionary<ObjectName, DesiredScale> Current => _current;

    /// <summary>Whether a plan is told of; false before the first, and once another may lead.</summary>
    public bool Tells => _tells;

    /// <summary>Cancelled at the next <see cref="Withdraw"/>: who was told is to ask another.</summary>
    public CancellationToken Withdrawn => _withdrawing.Token;

    /// <summary>Replaces all scales by those of a new plan and wakes who waits.</summary>
    public void Publish(IEnumerable<DesiredScale> scales)
    {
        (_current, _tells) = (scales.ToImmutableSortedDictionary(scale => scale.ScaledModel, scale => scale), true);
        Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    /// <summary>Tells nothing more, as another leads or may: not even what is fresh, since two would tell two numbers.</summary>
    public void Withdraw()
    {
        (_current, _tells) = (ImmutableSortedDictionary<ObjectName, DesiredScale>.Empty, false);

        Interlocked.Exchange(ref _withdrawing, new()).Cancel();
        Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    /// <summary>The scale of one ScaledModel when a plan was made of it lately.</summary>
    public bool TryGet(ObjectName name, [NotNullWhen(true)] out DesiredScale? scale) =>
        _current.TryGetValue(name, out scale) && time.GetUtcNow() - scale.DecidedAt <= LongestAge;

    /// <summary>Ends at the next <see cref="Publish"/> or <see cref="Withdraw"/>.</summary>
    public Task WaitForChangeAsync(CancellationToken cancellationToken) => _changed.Task.WaitAsync(cancellationToken);
}
