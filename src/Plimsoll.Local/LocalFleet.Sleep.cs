using System.Net.Sockets;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

public sealed partial class LocalFleet
{
    private static readonly TimeSpan SleepPatience = TimeSpan.FromMinutes(5);

    private async Task SleepAsync(LocalReplica replica, Step.Sleep step)
    {
        try
        {
            while (replica is { State: ReplicaState.Draining, Exit: null } && _parts.Routing.Outstanding(replica.Id) > 0)
                await Task.Delay(ProbePeriod, _time, _end).ConfigureAwait(false);

            // A stop overtook it: a server that finishes its last requests is not told to sleep, nor is whoever has its port by now.
            var overtaken = replica is not { State: ReplicaState.Draining or ReplicaState.Drained, Exit: null };
            var error = overtaken ? "it was ended before it slept" : await PostAsync(replica, replica.Record.SleepPath!).ConfigureAwait(false);
            Finish(replica, step, step.Model, error, error is null ? ReplicaState.Asleep : ReplicaState.Ready);
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // The next controller finds it draining, and decides anew.
        }
    }

    private async Task WakeAsync(LocalReplica replica, Step.Wake step)
    {
        try
        {
            var error = await PostAsync(replica, replica.Record.WakePath!).ConfigureAwait(false);
            var called = _time.GetTimestamp();
            while (error is null && replica is { State: ReplicaState.Asleep, Exit: null }
                && !await AnswersAsync(replica, replica.Record.ReadyPath).ConfigureAwait(false))
            {
                if (_time.GetElapsedTime(called) > _parts.WakePatience)
                {
                    NeverWoke(replica);
                    return;
                }

                await Task.Delay(ProbePeriod, _time, _end).ConfigureAwait(false);
            }

            if (error is null && replica is { State: ReplicaState.Asleep, Exit: null }) Woken(replica);
            Finish(replica, step, step.Model, error, error is null ? ReplicaState.Ready : ReplicaState.Asleep);
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // The next controller finds it asleep, and decides anew.
        }
    }

    // It said that it is awake, so that its devices are taken again, and serves nobody: what it is now nobody knows, and it goes.
    private void NeverWoke(LocalReplica replica)
    {
        lock (_gate)
        {
            if (replica is not { State: ReplicaState.Asleep, Exit: null }) return;
            EndHung_NeedsLock(replica, $"was not ready on {replica.Record.ReadyPath} for {Durations.Show(_parts.WakePatience)} after it was woken, and was ended");
        }
    }

    private void Woken(LocalReplica replica)
    {
        lock (_gate)
        {
            var now = Now_NeedsLock();
            if (replica.ClockJumped) return;
            _outcomes.Add(new Outcome.Woken
            {
                At = now,
                Replica = replica.Id,
                Model = replica.Record.Model,
                Version = replica.Record.Version,
                Size = replica.Record.Weights,
                Took = now - replica.BusySince,
            });
        }
    }

    private void Finish(LocalReplica replica, Step step, ModelId model, string? error, ReplicaState state)
    {
        lock (_gate)
        {
            replica.Busy = null;
            if (replica.Exit is not null || replica.State == ReplicaState.Stopping) return;
            if (error is not null) Failed_NeedsLock(step, model, error);
            if (replica.State != state) Enter_NeedsLock(replica, state);
        }
    }

    private async Task<string?> PostAsync(LocalReplica replica, string path)
    {
        try
        {
            // Weights move between device and host: this takes as long as it takes, hence no short timeout.
            using var limit = Limit(SleepPatience);
            using var answer = await _http.PostAsync(new Uri(replica.Record.Address, path), null, limit.Token)
                .ConfigureAwait(false);
            return answer.IsSuccessStatusCode ? null : $"{replica.Id} answered {path} with {(int)answer.StatusCode}";
        }
        catch (Exception e) when (e is HttpRequestException or SocketException || (e is TaskCanceledException && !_end.IsCancellationRequested))
        {
            return $"{replica.Id} did not answer {path}: {e.Message}";
        }
    }
}
