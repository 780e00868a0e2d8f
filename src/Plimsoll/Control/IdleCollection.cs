namespace Plimsoll.Control;

/// <summary>
/// Collects what a turn has left while nothing waits for it. A collection in the middle of a turn finds all alive that the turn works with and copies it,
/// which takes three times as long and is waited for. For a turn to be without any, the youngest generation has to be as large as what a turn makes
/// (<c>DOTNET_GCgen0size</c>, with <c>DOTNET_GCSegmentSize</c> at twice that at the least: deploy/operator).
/// </summary>
public sealed class IdleCollection
{
    // Of a small fleet there is nothing worth stopping for.
    private static readonly Bytes Least = Bytes.MiB(32);

    private long _allocated = GC.GetTotalAllocatedBytes();

    /// <summary>To be called between two turns.</summary>
    /// <returns>Whether there was enough to collect.</returns>
    public bool Collect()
    {
        if (GC.GetTotalAllocatedBytes() - _allocated < Least.Value) return false;
        GC.Collect(1, GCCollectionMode.Forced, blocking: true);
        _allocated = GC.GetTotalAllocatedBytes();
        return true;
    }
}
