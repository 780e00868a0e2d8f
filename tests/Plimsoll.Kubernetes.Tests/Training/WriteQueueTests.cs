using Microsoft.Extensions.Time.Testing;
using Plimsoll.Artifacts;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>What is written beside the turns, and for how long it is believed.</summary>
public sealed class WriteQueueTests
{
    private sealed record Ask(string Of, int Value, string Version) : WriteRequest
    {
        public override string Key => Of;

        public override string Over => Version;
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_is_asked_counts_from_then_on_while_a_slow_server_has_yet_to_take_it()
    {
        var slow = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        var queue = new WriteQueue<Ask>(Parts(TimeProvider.System), (_, _) => slow.Task);
        Assert.Null(queue.Asked("a", "1"));
        Assert.Equal(["a"], await queue.WriteAsync([new Ask("a", 5, "1")], new HashSet<string> { "a" }, Cancel));
        Assert.Equal(5, queue.Asked("a", "1")?.Value);

        // Whatever was written in between: it is under way.
        Assert.Equal(5, queue.Asked("a", "2")?.Value);
        slow.SetResult(true);
        await queue.EndAsync();
        Assert.Equal(5, queue.Asked("a", "1")?.Value);
        Assert.Null(queue.Asked("a", "2"));
    }

    [Fact]
    public async Task What_the_watch_does_not_show_is_believed_for_ten_seconds()
    {
        var time = new FakeTimeProvider();
        var queue = new WriteQueue<Ask>(Parts(time), (_, _) => Task.FromResult(true));
        await queue.WriteAsync([new Ask("a", 5, "1")], new HashSet<string> { "a" }, Cancel);
        await queue.EndAsync();
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(5, queue.Asked("a", "1")?.Value);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(queue.Asked("a", "1"));
    }

    [Fact]
    public async Task What_is_refused_is_told_once_and_not_believed()
    {
        var queue = new WriteQueue<Ask>(Parts(TimeProvider.System), (one, _) => one.Value == 5 ? throw new ApiException("not so") : Task.FromResult(false));
        Assert.Empty(await queue.WriteAsync([new Ask("a", 5, "1"), new Ask("b", 6, "1")], new HashSet<string> { "a", "b" }, Cancel));
        Assert.Null(queue.Asked("a", "1"));
        Assert.Null(queue.Asked("b", "1"));
        Assert.Equal([("a", "not so")], queue.TakeRefused().Select(one => (one.Request.Of, one.Why)));
        Assert.Empty(queue.TakeRefused());
    }

    private static KubernetesFleetParts Parts(TimeProvider time) => new()
    {
        Cluster = null!,
        Footprints = new FootprintStore(new SourceSettings { Variable = _ => null }, time),
        ReadPods = (_, _) => throw new InvalidOperationException("no pods are read here"),
        Desired = new DesiredScales(time),
        MayWrite = () => true,
        Time = time,
        Log = _ => { },
    };
}
