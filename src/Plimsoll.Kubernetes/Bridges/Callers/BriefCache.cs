using System.Diagnostics.CodeAnalysis;

namespace Plimsoll.Kubernetes.Bridges.Callers;

/// <summary>Keeps answers for a short time, the newest <paramref name="capacity"/> of them.</summary>
internal sealed class BriefCache<TValue>(TimeSpan lifetime, int capacity, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (TValue Value, long Since, long Number)> _entries = new(StringComparer.Ordinal);

    // Every addition stands in the line once, oldest first, because all live equally long.
    private readonly Queue<(string Key, long Since, long Number)> _line = new();
    private long _added;

    public int Count
    {
        get
        {
            lock (_lock) return _entries.Count;
        }
    }

    public bool TryGet(string key, [MaybeNullWhen(false)] out TValue value)
    {
        lock (_lock)
        {
            var found = _entries.TryGetValue(key, out var entry) && time.GetElapsedTime(entry.Since) < lifetime;
            value = found ? entry.Value : default;
            return found;
        }
    }

    public void Add(string key, TValue value)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            _entries[key] = (value, now, ++_added);
            _line.Enqueue((key, now, _added));
            while (_line.TryPeek(out var oldest) && (_line.Count > capacity || time.GetElapsedTime(oldest.Since) >= lifetime))
            {
                _line.Dequeue();

                // A key that was added again has a younger place in the line.
                if (_entries.TryGetValue(oldest.Key, out var entry) && entry.Number == oldest.Number) _entries.Remove(oldest.Key);
            }
        }
    }
}
