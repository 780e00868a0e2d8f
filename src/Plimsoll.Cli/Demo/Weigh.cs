using System.Collections.Immutable;
using Plimsoll.Control;

namespace Plimsoll.Cli.Demo;

/// <summary>
/// Finds out what the demo's models take on this machine: each is loaded once, at full speed and without a budget of
/// ours, answers a few requests of the longest kind, and its memory is read. A budget that just fits cannot come from
/// an estimate.
/// </summary>
public static class Weigh
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <param name="asked">The fleet with at least one replica of each model.</param>
    /// <param name="exercise">Sends the requests; given the gateway.</param>
    /// <param name="stateFolder">Of the weighing fleet.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Per model its load's peak and its steady state; models that never became ready are missing.</returns>
    public static async Task<ImmutableSortedDictionary<ModelId, MemoryNeed>> MeasureAsync(
        DemoFleetSpec asked, Func<Uri, Task> exercise, string stateFolder, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(asked);
        ArgumentNullException.ThrowIfNull(exercise);
        var gate = new Lock();
        var needs = new SortedDictionary<ModelId, MemoryNeed>();
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var loaded = new HashSet<ModelId>();
        var host = await DemoHost.StartAsync(
            new DemoHostOptions(asked, new WeightAllocator(), stateFolder, null, false), Learn, time, cancellationToken)
            .ConfigureAwait(false);
        await using (host.ConfigureAwait(false))
        {
            await ready.Task.WaitAsync(Patience, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            await exercise(host.Gateway).ConfigureAwait(false);
            // What was allocated by the requests is seen by the fleet at its next looks.
            await Task.Delay(TimeSpan.FromSeconds(2), time, cancellationToken).ConfigureAwait(false);
        }

        lock (gate) return needs.ToImmutableSortedDictionary();

        void Learn(Tick tick)
        {
            lock (gate)
            {
                foreach (var outcome in tick.Snapshot.Outcomes)
                {
                    if (outcome is Outcome.Loaded one) loaded.Add(one.Model);
                    if (outcome is Outcome.MemoryMeasured measured) Add(measured.Model, measured.LoadPeak ?? Bytes.Zero, measured.Steady);
                }

                foreach (var replica in tick.Snapshot.Replicas)
                {
                    if (replica.State == ReplicaState.Ready && replica.HostMemory.TryGetKnown(out var now)) Add(replica.Model, Bytes.Zero, now);
                }

                if (loaded.Count == asked.Spec.Models.Length) ready.TrySetResult();
            }
        }

        void Add(ModelId model, Bytes peak, Bytes steady)
        {
            var known = needs.GetValueOrDefault(model, MemoryNeed.None);
            needs[model] = new MemoryNeed(Bytes.Max(Bytes.Max(known.LoadPeak, peak), steady), Bytes.Max(known.Steady, steady));
        }
    }
}
