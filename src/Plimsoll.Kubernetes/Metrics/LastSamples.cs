using System.Collections.Concurrent;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>The last good sample of each pod, so that a pod that stops answering is stale and not unknown.</summary>
internal sealed class LastSamples
{
    private readonly ConcurrentDictionary<string, ServerSample> _byUid = new(StringComparer.Ordinal);

    /// <summary>Forgets pods that are not asked for any more.</summary>
    public void Keep(HashSet<string> wanted)
    {
        foreach (var (uid, _) in _byUid)
        {
            if (!wanted.Contains(uid)) _byUid.TryRemove(uid, out _);
        }
    }

    public PodReading Good(PodEndpoint pod, ServerSample sample)
    {
        _byUid[pod.Uid] = sample;
        return new PodReading(pod, Signal.Known(sample, sample.At));
    }

    /// <summary>The last good sample as still true, where it is not from before that moment.</summary>
    public PodReading? Fresh(PodEndpoint pod, DateTimeOffset notBefore) => _byUid.TryGetValue(pod.Uid, out var last) && last.At >= notBefore
        ? new PodReading(pod, Signal.Known(last, last.At)) : null;

    /// <summary>Whose series its last good sample was made of; null where there is none.</summary>
    public string? Target(PodEndpoint pod) => _byUid.TryGetValue(pod.Uid, out var last) ? last.Target : null;

    /// <summary>Stale with the last good sample, or missing where there never was one.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="why">What went wrong, after the pod's name and address.</param>
    public PodReading Bad(PodEndpoint pod, string why)
    {
        var sentence = $"{pod.Pod} at {pod.Metrics}: {why}";
        return new PodReading(pod, _byUid.TryGetValue(pod.Uid, out var last)
            ? Signal.Stale(last, last.At, sentence) : Signal.Missing<ServerSample>(sentence));
    }
}
