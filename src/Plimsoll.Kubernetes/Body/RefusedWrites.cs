using System.Collections.Concurrent;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Objects that the server refused to have written: each waits before it is tried again, twice as long after each refusal, so that those that
/// are refused for ever keep no others waiting. Safe for several threads.
/// </summary>
internal sealed class RefusedWrites(TimeProvider time)
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);
    private const int DoublingsMax = 6;

    private readonly ConcurrentDictionary<ObjectName, (string Why, int Times, long At)> _refused = [];

    /// <summary>Whether it is not to be tried yet.</summary>
    public bool Waits(ObjectName name) =>
        _refused.TryGetValue(name, out var refused) && time.GetElapsedTime(refused.At) < First * (1 << Math.Min(refused.Times - 1, DoublingsMax));

    /// <summary>How many times it was refused since it was last written.</summary>
    public int Times(ObjectName name) => _refused.TryGetValue(name, out var refused) ? refused.Times : 0;

    /// <summary>Notes a refusal.</summary>
    /// <returns>Whether it says something else than the time before.</returns>
    public bool Add(ObjectName name, string why)
    {
        var before = _refused.GetValueOrDefault(name);
        _refused[name] = (why, before.Times + 1, time.GetTimestamp());
        return before.Why != why;
    }

    /// <summary>It was written.</summary>
    public void Remove(ObjectName name) => _refused.TryRemove(name, out _);

    /// <summary>Forgets those that are gone.</summary>
    public void Keep(IEnumerable<ObjectName> there)
    {
        if (_refused.IsEmpty) return;
        foreach (var gone in _refused.Keys.Except(there)) _refused.TryRemove(gone, out _);
    }
}
