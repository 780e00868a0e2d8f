using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Control;

namespace Plimsoll.Cli.Demo;

/// <summary>
/// Finds out what the demo's models take on this machine: each is loaded once, at full speed and without a budget of
/// ours, answers rounds of requests until its memory grows no more, and that is read. A budget that just fits cannot come
/// from an estimate.
/// </summary>
/// <param name="asked">The fleet with at least one replica of each model.</param>
/// <param name="stateFolder">Of the weighing fleet; deleted when all went well.</param>
/// <param name="tell">Called with lines for the person.</param>
/// <param name="time">The clock.</param>
public sealed class Weigh(FleetDefinition asked, string stateFolder, Action<string> tell, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    // Memory grows for a while, with every shape of request that had not come yet. Weighed too early the large model found no room
    // beside the small one once both served.
    private const int StillRounds = 2;
    private const int RoundsMost = 10;
    private const double Still = 1.005;

    private readonly Lock _gate = new();
    private readonly SortedDictionary<ModelId, MemoryNeed> _needs = [];
    private readonly SortedSet<ModelId> _loaded = [];
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _died;

    /// <param name="exercise">Sends the requests of a round; given the gateway and the round's number, from 0.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Per model its load's peak and its steady state.</returns>
    /// <exception cref="CommandException">A model did not become ready, or not all fit.</exception>
    public async Task<ImmutableSortedDictionary<ModelId, MemoryNeed>> MeasureAsync(
        Func<Uri, int, CancellationToken, Task> exercise, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(exercise);
        var host = await FleetHost.StartAsync(
            new FleetHostOptions(asked, Policies.Own, stateFolder) { Afresh = true }, Learn, new LineLog(tell), time, cancellationToken)
            .ConfigureAwait(false);
        await using (host.ConfigureAwait(false))
        {
            RequireMemory(host.MemoryBudget);
            await Task.WhenAny(_ready.Task, host.Ended, Task.Delay(Patience, time, cancellationToken)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            host.ThrowIfFailed();
            RequireLoaded();
            for (var (round, still) = (0, 0); round < RoundsMost && still < StillRounds; round++)
            {
                var before = Needs();
                await exercise(host.Gateway, round, cancellationToken).ConfigureAwait(false);
                // What was allocated by the requests is seen by the fleet at its next looks.
                await Task.Delay(TimeSpan.FromSeconds(2), time, cancellationToken).ConfigureAwait(false);
                still = IsStill(before, Needs()) ? still + 1 : 0;
            }
        }

        Directory.Delete(stateFolder, recursive: true);
        return Needs();
    }

    /// <summary>Whether no model takes noticeably more than before.</summary>
    internal static bool IsStill(ImmutableSortedDictionary<ModelId, MemoryNeed> before, ImmutableSortedDictionary<ModelId, MemoryNeed> now) =>
        now.All(one => before.TryGetValue(one.Key, out var earlier) && one.Value.Steady <= earlier.Steady.Scale(Still));

    private ImmutableSortedDictionary<ModelId, MemoryNeed> Needs()
    {
        lock (_gate) return _needs.ToImmutableSortedDictionary();
    }

    // All three at once: else the last would wait for room that never comes.
    private void RequireMemory(Bytes budget)
    {
        var needed = asked.Spec.Models.Aggregate(Bytes.Zero, (sum, model) => sum + model.Variants[0].Needs.Host.Highest);
        if (budget < needed)
            throw new CommandException(ExitCode.Refused, $"the demo loads its three models at once to weigh them, which takes about {needed}, and "
                + $"four fifths of what is free on this machine is {budget}; end other programs, or run it on a larger one");
    }

    private void RequireLoaded()
    {
        lock (_gate)
        {
            if (asked.Spec.Models.FirstOrDefault(model => !_loaded.Contains(model.Id)) is not { } missing) return;
            throw new CommandException(ExitCode.Failed, $"'{missing.Id}' did not become ready within {Durations.Show(Patience)}"
                + (_died is null ? "" : $" ({_died})") + $"; its log is in {Path.Combine(stateFolder, "logs")}");
        }
    }

    private void Learn(Tick tick)
    {
        lock (_gate)
        {
            foreach (var outcome in tick.Snapshot.Outcomes)
            {
                if (outcome is Outcome.Loaded one && _loaded.Add(one.Model)) tell($"  {EventLines.Sentence(one)}");
                if (outcome is Outcome.Exited { Asked: false }) _died = EventLines.Sentence(outcome);
                if (outcome is Outcome.MemoryMeasured measured) Add(measured.Model, measured.LoadPeak ?? Bytes.Zero, measured.Steady);
            }

            foreach (var replica in tick.Snapshot.Replicas)
            {
                if (replica.State == ReplicaState.Ready && replica.HostMemory.TryGetKnown(out var now)) Add(replica.Model, Bytes.Zero, now);
            }

            if (_loaded.Count == asked.Spec.Models.Length) _ready.TrySetResult();
        }
    }

    private void Add(ModelId model, Bytes peak, Bytes steady)
    {
        var known = _needs.GetValueOrDefault(model, MemoryNeed.None);
        _needs[model] = new MemoryNeed(Bytes.Max(Bytes.Max(known.LoadPeak, peak), steady), Bytes.Max(known.Steady, steady));
    }
}
