using System.Globalization;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>
/// Whether an agent is heard of. Clocks of nodes differ, so what counts is when we saw its heartbeat change; only of one
/// that we have just come to know does its own time count, since nobody saw it change yet.
/// </summary>
internal sealed class NodeCacheLiveness(TimeProvider time)
{
    // Three missed heartbeats, and what the API server and the watch may take.
    private const int Missed = 3;
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan UsualHeartbeat = TimeSpan.FromMinutes(2);

    private readonly Dictionary<string, (string Heartbeat, long Seen, bool Changed)> _heard = new(StringComparer.Ordinal);

    /// <summary>Why the cache is unknown; null when its status can be relied on.</summary>
    public string? Unknown(NodeCacheView view)
    {
        if (view.Problem is { } problem) return problem;
        if (view.Status is not { } status || status.Heartbeat is not { } heartbeat || view.Heartbeat is not { } at) return "its agent has told nothing yet";
        var silence = Silence(status);
        if (!_heard.TryGetValue(view.Uid, out var heard)) heard = _heard[view.Uid] = (heartbeat, time.GetTimestamp(), false);
        else if (heard.Heartbeat != heartbeat) heard = _heard[view.Uid] = (heartbeat, time.GetTimestamp(), true);
        var quiet = time.GetElapsedTime(heard.Seen);
        if (!heard.Changed)
        {
            var age = time.GetUtcNow() - at;
            quiet = age.Duration() > silence ? age.Duration() : quiet;
        }

        if (quiet > silence) return string.Create(CultureInfo.InvariantCulture, $"its agent was last heard of at {heartbeat}");
        var ready = status.Conditions?.FirstOrDefault(condition => condition.Type == ConditionTypes.Ready);
        return ready?.Status == "True" ? null : ready?.Message ?? "its agent does not say that it is ready";
    }

    /// <summary>Forgets caches that are gone.</summary>
    public void Keep(IEnumerable<string> uids)
    {
        foreach (var gone in _heard.Keys.Except(uids).ToArray()) _heard.Remove(gone);
    }

    private static TimeSpan Silence(NodeModelCacheStatus status) =>
        ((status.HeartbeatSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : UsualHeartbeat) * Missed) + Slack;
}
