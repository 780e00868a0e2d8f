using Plimsoll.Control;

namespace Plimsoll.Tests.Control;

public sealed class IdleCollectionTests
{
    [Fact]
    public void Collects_once_there_is_something_to_collect()
    {
        var collection = new IdleCollection();
        var left = Enumerable.Range(0, 2048).Select(_ => new byte[32 * 1024]).Sum(part => part.Length);
        Assert.Equal(64 * 1024 * 1024, left);
        var before = GC.CollectionCount(1);
        Assert.True(collection.Collect());
        Assert.True(GC.CollectionCount(1) > before);
    }

    [Fact]
    public void Stops_nobody_for_next_to_nothing()
    {
        // What other tests make meanwhile counts for the whole process.
        var collections = Enumerable.Range(0, 64).Select(_ => new IdleCollection()).Count(one => one.Collect());
        Assert.True(collections < 64);
    }
}
