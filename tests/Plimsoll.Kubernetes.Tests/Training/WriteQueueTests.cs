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
    public async Task While_nothing_is_heard_what_was_written_is_believed_for_as_long_as_decisions_are_made_on_the_picture()
    {
        var time = new FakeTimeProvider();
        var queue = new WriteQueue<Ask>(Parts(time), (_, _) => Task.FromResult(true));
        var (pauses, heard) = (new Shows(false), new Shows(true));
        await queue.WriteAsync([new Ask("a", 5, "1")], new HashSet<string> { "a" }, Cancel);
        await queue.EndAsync();
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.Equal(5, queue.Asked("a", "1", pauses)?.Value);
        Assert.Null(queue.Asked("a", "1", heard));

        await queue.WriteAsync([new Ask("a", 6, "1")], new HashSet<string> { "a" }, Cancel);
        await queue.EndAsync();
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Null(queue.Asked("a", "1", pauses));
    }

    [Fact]
    public async Task What_is_refused_is_told_once_and_not_believed()
    {
        var queue = new WriteQueue<Ask>(Parts(TimeProvider.System), (_, _) => throw new ApiException("not so"));
        Assert.Empty(await queue.WriteAsync([new Ask("a", 5, "1")], new HashSet<string> { "a" }, Cancel));
        Assert.Null(queue.Asked("a", "1"));
        Assert.Equal([("a", "not so")], queue.TakeRefused().Select(one => (one.Request.Of, one.Why)));
        Assert.Empty(queue.TakeRefused());
    }

    [Fact]
    public async Task Who_may_not_write_any_more_writes_nothing_and_is_refused_nothing()
    {
        var writes = 0;
        var queue = new WriteQueue<Ask>(Parts(TimeProvider.System, mayWrite: false), (_, _) => Task.FromResult(Interlocked.Increment(ref writes)));
        Assert.Empty(await queue.WriteAsync([new Ask("a", 5, "1")], new HashSet<string> { "a" }, Cancel));
        Assert.Equal((0, null), (writes, queue.Asked("a", "1")?.Value));
        Assert.Empty(queue.TakeRefused());
    }

    [Theory]
    [InlineData(1, 2, 0)]
    [InlineData(100, 6, 1)]
    public async Task Where_somebody_wrote_meanwhile_it_is_tried_again_five_times(int conflicts, int tries, int refused)
    {
        var writes = 0;
        var queue = new WriteQueue<Ask>(Parts(TimeProvider.System), (_, _) => Interlocked.Increment(ref writes) <= conflicts
            ? throw new ApiException("somebody did", System.Net.HttpStatusCode.Conflict) : Task.CompletedTask);
        await queue.WriteAsync([new Ask("a", 5, "1")], new HashSet<string> { "a" }, Cancel);
        await queue.EndAsync();
        Assert.Equal((tries, refused), (writes, queue.TakeRefused().Count));
    }

    private sealed class Shows(bool hasHeard) : IWatched
    {
        public string Path => "apis/batch/v1/jobs";

        public bool Synced => true;

        public string? Problem => null;

        public TimeSpan SinceHeard => TimeSpan.Zero;

        public bool HasHeardSince(long timestamp) => hasHeard;

        public Task RunAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private static KubernetesFleetParts Parts(TimeProvider time, bool mayWrite = true) => new()
    {
        Cluster = null!,
        Footprints = new FootprintStore(new SourceSettings { Variable = _ => null }, time),
        ReadPods = (_, _) => throw new InvalidOperationException("no pods are read here"),
        Desired = new DesiredScales(time),
        MayWrite = () => mayWrite,
        Time = time,
        Log = _ => { },
    };
}
