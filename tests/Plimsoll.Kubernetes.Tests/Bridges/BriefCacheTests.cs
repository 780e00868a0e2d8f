using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Bridges.Callers;

namespace Plimsoll.Kubernetes.Tests.Bridges;

public sealed class BriefCacheTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void An_answer_is_kept_for_its_time_and_a_newer_one_for_its_own()
    {
        var cache = new BriefCache<int>(TimeSpan.FromSeconds(10), 8, _time);
        cache.Add("a", 1);
        _time.Advance(TimeSpan.FromSeconds(6));
        cache.Add("a", 2);
        _time.Advance(TimeSpan.FromSeconds(6));
        cache.Add("b", 3);
        Assert.True(cache.TryGet("a", out var value));
        Assert.Equal(2, value);
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.False(cache.TryGet("a", out _));
        Assert.True(cache.TryGet("b", out _));
    }

    [Fact]
    public void However_many_come_only_the_newest_stay()
    {
        var cache = new BriefCache<int>(TimeSpan.FromSeconds(10), 8, _time);
        for (var i = 0; i < 1000; i++) cache.Add($"{i}", i);
        Assert.Equal(8, cache.Count);
        Assert.False(cache.TryGet("991", out _));
        Assert.True(cache.TryGet("992", out _));
        for (var i = 0; i < 1000; i++) cache.Add("same", i);
        Assert.True(cache.TryGet("same", out var last));
        Assert.Equal(999, last);
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void A_digest_tells_apart_what_only_looks_alike_side_by_side()
    {
        Assert.NotEqual(Digest.Of("ab", "c"), Digest.Of("a", "bc"));
        Assert.NotEqual(Digest.Of("a", null), Digest.Of("a", ""));
        Assert.Equal(64, Digest.Of(new string('x', 100_000)).Length);
    }
}
