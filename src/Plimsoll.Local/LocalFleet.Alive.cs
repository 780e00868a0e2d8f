using System.Net;
using System.Net.Sockets;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local;

// A process that is there and answers nobody ends by itself never, so it is asked.
public sealed partial class LocalFleet
{
    private enum Heard
    {
        Ready,

        /// <summary>Any other answer than that it is not ready.</summary>
        Answer,
        NotReady,

        /// <summary>Nobody listens: the one silence that is told at once.</summary>
        Refused,
        Nothing,

        /// <summary>We have no file descriptor left to ask with, which is no fault of its.</summary>
        Unasked,
    }

    private void Watch_NeedsLock(LocalReplica replica)
    {
        var now = _time.GetTimestamp();
        if (replica is not { State: ReplicaState.Ready, Busy: null })
        {
            (replica.Silences, replica.AskTimestamp) = (0, Later(now, _parts.Silence.Period));
            return;
        }

        if (replica.IsAsked || now < replica.AskTimestamp) return;
        replica.IsAsked = true;
        Send_NeedsLock(AskAsync(replica, now));
    }

    private async Task AskAsync(LocalReplica replica, long asked)
    {
        var (period, patience, _) = _parts.Silence;
        var heard = Heard.Answer;
        try
        {
            heard = await HearAsync(replica, replica.Record.ReadyPath, patience).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // The controller ends; the next one asks again.
        }

        lock (_gate)
        {
            replica.IsAsked = false;
            // No, and a queue of connections that is full, come at once, and are given as much time to pass as no answer is.
            replica.AskTimestamp = heard is Heard.NotReady or Heard.Nothing
                ? Later(asked, patience + period) : Later(_time.GetTimestamp(), period);
            if (replica is { State: ReplicaState.Ready, Busy: null, Exit: null }) Judge_NeedsLock(replica, heard, asked);
        }
    }

    private void Judge_NeedsLock(LocalReplica replica, Heard heard, long asked)
    {
        var answered = _parts.Routing.Answered?.Invoke(replica.Id) ?? 0;
        var hasServed = answered != replica.Answered;
        replica.Answered = answered;
        if (heard == Heard.Unasked) return;
        // One that somebody stopped, as a debugger does, says nothing of how it runs.
        if (heard is Heard.Ready or Heard.Answer || hasServed || replica.Members.Any(IsStopped))
        {
            replica.Silences = 0;
            return;
        }

        if (replica.Silences++ == 0) replica.SilentSinceTimestamp = asked;
        if (replica.Silences < _parts.Silence.Most) return;
        var said = heard == Heard.NotReady ? "said that it is not ready" : heard == Heard.Refused ? "refused connections" : "answered nothing";
        EndHung_NeedsLock(replica, $"{said} on {replica.Record.ReadyPath}, asked {replica.Silences} times in "
            + $"{Durations.Show(_time.GetElapsedTime(replica.SilentSinceTimestamp))} after it was ready, and was ended");
    }

    private void EndHung_NeedsLock(LocalReplica replica, string why)
    {
        replica.Hung = why;
        LogHung(replica.Id, why);
        // What answers nothing for so long will not end in order either, and requests are in it.
        replica.KillAt = Now_NeedsLock();
        Enter_NeedsLock(replica, ReplicaState.Stopping);
        replica.Signal(Native.SigKill);
    }

    private static bool IsStopped(ProcessIdentity process) => ProcessStat.Read(process.Pid) is { IsStopped: true };

    private long Later(long timestamp, TimeSpan time) => timestamp + (long)(time.TotalSeconds * _time.TimestampFrequency);

    private async Task<bool> AnswersAsync(LocalReplica replica, string path) =>
        await HearAsync(replica, path, ProbePatience).ConfigureAwait(false) == Heard.Ready;

    private async Task<Heard> HearAsync(LocalReplica replica, string path, TimeSpan patience)
    {
        try
        {
            using var limit = Limit(patience);
            using var answer = await _http.GetAsync(
                new Uri(replica.Record.Address, path), HttpCompletionOption.ResponseHeadersRead, limit.Token).ConfigureAwait(false);
            return answer.IsSuccessStatusCode ? Heard.Ready
                : answer.StatusCode == HttpStatusCode.ServiceUnavailable ? Heard.NotReady : Heard.Answer;
        }
        catch (Exception e) when (e is HttpRequestException or SocketException || (e is TaskCanceledException && !_end.IsCancellationRequested))
        {
            return (e as SocketException ?? e.InnerException as SocketException)?.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => Heard.Refused,
                SocketError.TooManyOpenSockets => Heard.Unasked,
                _ => Heard.Nothing,
            };
        }
    }
}
