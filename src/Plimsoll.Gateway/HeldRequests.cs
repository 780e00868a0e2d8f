namespace Plimsoll.Gateway;

/// <summary>
/// All requests that wait, over all models, within the bounds of count and bytes. When they are full, the newest of the
/// lowest priority make room for a higher one.
/// </summary>
internal sealed class HeldRequests(GatewayOptions options)
{
    private readonly Lock _gate = new();
    private readonly SortedSet<Waiter> _waiters = new(Comparer<Waiter>.Create(NewestOfLowestFirst));
    private long _heldBytes;

    public int Count
    {
        get
        {
            lock (_gate) return _waiters.Count;
        }
    }

    /// <summary>Lets a request wait, if need be in the place of others, who then get no slot.</summary>
    /// <param name="waiter">The request.</param>
    /// <param name="again">It was admitted before: no bound applies.</param>
    public bool TryAdmit(Waiter waiter, bool again)
    {
        lock (_gate)
        {
            var (count, bytes) = (_waiters.Count, _heldBytes);
            bool Fits() => again || (count < options.HeldRequests && bytes + waiter.Bytes <= options.HeldBytes.Value);

            // The newest of the lowest priority make room for a higher one; none of them when they could not make enough.
            var leaving = new List<Waiter>();
            if (!Fits())
            {
                foreach (var lowest in _waiters.TakeWhile(other => other.Priority < waiter.Priority))
                {
                    leaving.Add(lowest);
                    (count, bytes) = (count - 1, bytes - lowest.Bytes);
                    if (Fits()) break;
                }
            }

            if (!Fits()) return false;
            foreach (var lowest in leaving)
            {
                Remove_NeedsLock(lowest);
                lowest.TryGrant(null);
            }

            _waiters.Add(waiter);
            _heldBytes += waiter.Bytes;
            return true;
        }
    }

    /// <summary>It waits no longer.</summary>
    public void Forget(Waiter waiter)
    {
        lock (_gate) Remove_NeedsLock(waiter);
    }

    private void Remove_NeedsLock(Waiter waiter)
    {
        if (_waiters.Remove(waiter)) _heldBytes -= waiter.Bytes;
    }

    private static int NewestOfLowestFirst(Waiter a, Waiter b) =>
        a.Priority != b.Priority ? a.Priority.CompareTo(b.Priority) : b.Sequence.CompareTo(a.Sequence);
}
