using System.Globalization;
using Plimsoll.Artifacts.Tests;
using static Plimsoll.Local.Tests.CacheFixture;

namespace Plimsoll.Local.Tests;

public sealed class ModelCacheHttpTests : IAsyncLifetime
{
    private readonly CacheFixture _fixture = new();
    private readonly byte[] _content = Content(2_000_000);
    private ArtifactServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await ArtifactServer.StartAsync(_content);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _fixture.Dispose();
    }

    [Fact]
    public async Task A_cut_transfer_goes_on_where_it_was_cut()
    {
        for (var i = 0; i < 3; i++) _server.Faults.Enqueue(context => _server.CutAfterAsync(context, 400_000));
        await using var cache = _fixture.Open();

        var fetched = await FetchAsync(cache, From(_server.Url, ("weights.bin", Sha(_content))));

        Assert.Null(fetched.Why);
        Assert.Equal(_content, File.ReadAllBytes(fetched.Path!));
        var ranges = _server.Ranges.ToArray();
        Assert.Equal(4, ranges.Length);
        Assert.Equal("", ranges[0]);
        Assert.All(ranges[1..], range => Assert.StartsWith("bytes=", range, StringComparison.Ordinal));
        Assert.Equal(2_000_000, fetched.Moved.Value);
    }

    [Fact]
    public async Task A_file_that_changed_meanwhile_is_fetched_anew()
    {
        var changed = Content(2_000_000, 7);
        _server.Faults.Enqueue(async context =>
        {
            await _server.CutAfterAsync(context, 500_000);
            (_server.Content, _server.ETag) = (changed, "\"two\"");
        });
        await using var cache = _fixture.Open();

        var fetched = await FetchAsync(cache, From(_server.Url));

        Assert.Null(fetched.Why);
        Assert.Equal(changed, File.ReadAllBytes(fetched.Path!));
    }

    [Theory]
    [InlineData(false, "\"one\"")]
    [InlineData(true, null)]
    public async Task Without_ranges_or_validators_it_begins_again(bool knowsRanges, string? tag)
    {
        (_server.KnowsRanges, _server.ETag) = (knowsRanges, tag);
        _server.Faults.Enqueue(context => _server.CutAfterAsync(context, 500_000));
        await using var cache = _fixture.Open();

        var fetched = await FetchAsync(cache, From(_server.Url));

        Assert.Null(fetched.Why);
        Assert.Equal(_content, File.ReadAllBytes(fetched.Path!));
        Assert.True(fetched.Moved.Value > 2_000_000);
    }

    [Theory]
    [InlineData(1000, 0, "weights.bin from {0}/weights.bin ended after 1000 of 1500 bytes; given up after 6 tries")]
    [InlineData(1000, 1500, null)]
    [InlineData(1501, 0, "is longer than the 1500 bytes it was said to be")]
    public async Task An_answer_that_ends_when_the_connection_does_is_as_long_as_was_weighed(int first, int then, string? why)
    {
        var asked = 0;
        await using var server = new RawServer(_ => $"HTTP/1.1 200 OK\r\nETag: \"one\"\r\nConnection: close\r\n\r\n{new string('x', ++asked > 1 && then > 0 ? then : first)}");
        await using var cache = _fixture.Open();

        var fetched = await FetchAsync(cache, From(server.Address + "/weights.bin") with { Files = [new FetchFile("weights.bin", new Bytes(1500))] });

        Assert.Equal(why is null, fetched.Why is null);
        if (why is not null)
            Assert.Contains(string.Format(CultureInfo.InvariantCulture, why, server.Address), fetched.Why, StringComparison.Ordinal);
        else
            Assert.Equal(1500, new FileInfo(fetched.Path!).Length);
    }

    [Fact]
    public async Task A_body_sent_compressed_is_not_the_file()
    {
        _server.Faults.Enqueue(context =>
        {
            context.Response.Headers.ContentEncoding = "gzip";
            return _server.CutAfterAsync(context, 2_000_000);
        });
        await using var cache = _fixture.Open();

        Assert.Contains("is sent compressed although it was asked for as it is", (await FetchAsync(cache, From(_server.Url))).Why, StringComparison.Ordinal);
        Assert.Empty(cache.List());
        Assert.Null((await FetchAsync(cache, From(_server.Url))).Why);
    }

    // The moment lasts less than a microsecond, and is seldom met: the one who comes begins ever a little later.
    [Fact]
    public async Task A_caller_that_comes_while_the_last_one_leaves_is_not_cancelled_with_it()
    {
        var source = _fixture.Source(("a", Content(1_000_000)));
        await using var cache = _fixture.Open(_fixture.Options with { Bandwidth = new BytesPerSecond(1000) });
        for (var i = 0; i < 60; i++)
        {
            using var leaving = new CancellationTokenSource();
            using var coming = new CancellationTokenSource();
            var first = cache.FetchAsync(Model, "v1", From(source), null, leaving.Token);
            using var together = new Barrier(2);
            var leave = new Thread(() =>
            {
                together.SignalAndWait();
                leaving.Cancel();
            });
            leave.Start();
            together.SignalAndWait(TestContext.Current.CancellationToken);
            Thread.SpinWait(i * 100);
            var second = cache.FetchAsync(Model, "v1", From(source), null, coming.Token);
            leave.Join();
            await Task.WhenAny(second, Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, TestContext.Current.CancellationToken));

            Assert.False(second.IsCanceled, $"cancelled by nobody in round {i}");
            await coming.CancelAsync();
            await Task.WhenAny(first);
            await Task.WhenAny(second);
        }
    }

    [Fact]
    public async Task A_corrupt_file_is_refused_and_nothing_of_it_stays()
    {
        await using var cache = _fixture.Open();

        var refused = await FetchAsync(cache, From(_server.Url + "?token=secret", ("weights.bin", Sha(Content(2_000_000, 3)))));

        Assert.Contains("is corrupt and was refused", refused.Why, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refused.Why, StringComparison.Ordinal);
        Assert.Single(_server.Ranges);
        Assert.Empty(cache.List());
        Assert.Equal([".lock"], Directory.EnumerateFileSystemEntries(_fixture.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Halves_that_do_not_fit_are_fetched_anew_as_a_whole()
    {
        // A server without validators that serves other bytes after the cut: only the checksum can tell.
        _server.ETag = null;
        var other = Content(2_000_000, 5);
        _server.Content = other;
        _server.Faults.Enqueue(async context =>
        {
            await _server.CutAfterAsync(context, 500_000);
            _server.Content = _content;
        });
        await using var cache = _fixture.Open();

        var fetched = await FetchAsync(cache, From(_server.Url, ("weights.bin", Sha(_content))));

        Assert.Null(fetched.Why);
        Assert.Equal(_content, File.ReadAllBytes(fetched.Path!));
        Assert.Equal(3, _server.Ranges.Count);
    }

    [Fact]
    public async Task What_is_not_there_is_asked_for_once_and_a_troubled_server_again()
    {
        _server.Faults.Enqueue(context => Status(context, 404));
        for (var i = 0; i < 3; i++) _server.Faults.Enqueue(context => Status(context, 503));
        await using var cache = _fixture.Open();

        Assert.Contains("/weights.bin answered 404", (await FetchAsync(cache, From(_server.Url + "?token=secret"))).Why, StringComparison.Ordinal);
        Assert.Single(_server.Ranges);
        Assert.Null((await FetchAsync(cache, From(_server.Url))).Why);
        Assert.Equal(5, _server.Ranges.Count);
    }

    [Fact]
    public async Task A_server_that_never_recovers_is_given_up_and_secrets_stay_out_of_the_sentence()
    {
        for (var i = 0; i < 20; i++) _server.Faults.Enqueue(context => Status(context, 500));
        await using var cache = _fixture.Open();

        var result = await FetchAsync(cache, From(_server.Url + "?token=secret"));

        Assert.Contains("answered 500", result.Why, StringComparison.Ordinal);
        Assert.Contains("given up after 5 tries", result.Why, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", result.Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/again", "more than 5 redirects")]
    [InlineData("file:///etc/passwd", "which is not followed")]
    public async Task Redirects_that_lead_nowhere_are_not_followed(string location, string part)
    {
        for (var i = 0; i < 20; i++)
        {
            _server.Faults.Enqueue(context =>
            {
                context.Response.Headers.Location = location;
                return Status(context, 302);
            });
        }

        await using var cache = _fixture.Open();

        Assert.Contains(part, (await FetchAsync(cache, From(_server.Url))).Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stalled_transfer_is_cut_and_goes_on()
    {
        _server.Faults.Enqueue(async context =>
        {
            context.Response.ContentLength = 2_000_000;
            context.Response.Headers.ETag = "\"one\"";
            await context.Response.Body.WriteAsync(_content.AsMemory(0, 300_000), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted);
        });
        await using var cache = _fixture.Open(_fixture.Options with { Stall = TimeSpan.FromSeconds(1) });

        var fetched = await FetchAsync(cache, From(_server.Url));

        Assert.Null(fetched.Why);
        Assert.Equal(_content, File.ReadAllBytes(fetched.Path!));
        Assert.Contains("bytes=", _server.Ranges.Last(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_for_the_same_artefact_share_one_fetch()
    {
        var open = new TaskCompletionSource();
        _server.Faults.Enqueue(async context =>
        {
            await open.Task;
            await _server.CutAfterAsync(context, 2_000_000);
        });
        await using var cache = _fixture.Open();
        using var impatient = new CancellationTokenSource();

        var first = cache.FetchAsync(Model, "v1", From(_server.Url), null, impatient.Token);
        var second = FetchAsync(cache, From(_server.Url));
        Assert.Contains("being fetched", cache.Evict(Model, "v1"), StringComparison.Ordinal);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        open.SetResult();

        Assert.Null((await second).Why);
        Assert.InRange(_server.Ranges.Count, 1, 2);
        Assert.Equal(_content, File.ReadAllBytes(cache.PathOf(Model, "v1")!));
    }

    [Fact]
    public async Task A_cancelled_fetch_is_listed_unfinished_and_goes_on_after_a_restart()
    {
        using var cancel = new CancellationTokenSource();
        await using (var cache = _fixture.Open(_fixture.Options with { Bandwidth = new BytesPerSecond(8_000_000) }))
        {
            var fetch = cache.FetchAsync(Model, "v1", From(_server.Url), new OnFirst(700_000, cancel.Cancel), cancel.Token);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fetch);
            var row = Assert.Single(cache.List());
            Assert.False(row.Complete || row.Pinned);
            Assert.InRange(row.Size.Value, 700_000, 1_999_999);
        }

        await using var again = _fixture.Open();
        Assert.InRange(Assert.Single(again.List()).Size.Value, 700_000, 1_999_999);
        var fetched = await FetchAsync(again, From(_server.Url));

        Assert.Null(fetched.Why);
        Assert.InRange(fetched.Moved.Value, 1, 1_300_000);
        Assert.Equal(_content, File.ReadAllBytes(fetched.Path!));
    }

    [Fact]
    public async Task A_fetch_killed_at_any_moment_goes_on_and_is_whole()
    {
        var random = new Random(77);
        for (var round = 0; round < 5; round++)
        {
            var folder = Path.Combine(_fixture.Root, $"killed-{round}");
            using (var host = JournalFixture.StartHost("fetch", folder, _server.Url, "4000000"))
            {
                var killAt = random.Next(300_000, 1_900_000);
                while (await host.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line
                    && long.Parse(line, CultureInfo.InvariantCulture) < killAt)
                {
                    // Not there yet.
                }

                host.Kill();
                await host.WaitForExitAsync(TestContext.Current.CancellationToken);
            }

            await using var cache = _fixture.Open(_fixture.Options with { Folder = folder });
            Assert.False(Assert.Single(cache.List()).Complete);
            var fetched = await cache.FetchAsync(
                ModelId.Of("model"), "v1", From(_server.Url), null, TestContext.Current.CancellationToken);

            Assert.Null(fetched.Why);
            Assert.InRange(fetched.Moved.Value, 1, 1_999_999);
            Assert.Equal(_content, File.ReadAllBytes(fetched.Path!));
        }
    }

    [Fact]
    public async Task Files_beside_the_model_are_fetched_beside_it()
    {
        await using var cache = _fixture.Open();

        var fetched = await FetchAsync(cache, From(_server.Url + "?token=secret") with
        {
            Files = [new FetchFile("weights.bin", new Bytes(2_000_000), "\"one\""), new FetchFile("data/part 1.bin", new Bytes(2_000_000))],
        });

        Assert.Null(fetched.Why);
        Assert.EndsWith("/weights.bin", fetched.Path, StringComparison.Ordinal);
        Assert.Equal(_content, File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(fetched.Path!)!, "data", "part 1.bin")));
        Assert.Equal(["/weights.bin?token=secret", "/data/part 1.bin?token=secret"], _server.Paths);
        Assert.Equal(4_000_000, Assert.Single(cache.List()).Size.Value);
    }

    [Theory]
    [InlineData("../other.bin")]
    [InlineData("/etc/passwd")]
    [InlineData("a//b")]
    [InlineData(".plimsoll-manifest.json")]
    [InlineData("weights.bin")]
    public async Task A_file_beside_the_model_that_may_not_lie_there_is_refused_before_anything_is_asked_for(string name)
    {
        await using var cache = _fixture.Open();

        var refused = await FetchAsync(cache, From(_server.Url) with { Files = [new FetchFile("weights.bin"), new FetchFile(name)] });

        Assert.NotNull(refused.Why);
        Assert.Empty(_server.Ranges);
        Assert.Empty(cache.List());
    }

    [Theory]
    [InlineData(2_000_001, "\"one\"")]
    [InlineData(2_000_000, "\"two\"")]
    public async Task What_is_not_as_it_was_weighed_is_refused(int size, string validator)
    {
        await using var cache = _fixture.Open();

        var refused = await FetchAsync(cache, From(_server.Url) with { Files = [new FetchFile("weights.bin", new Bytes(size), validator)] });

        Assert.Contains("changed since it was weighed", refused.Why, StringComparison.Ordinal);
        Assert.Empty(cache.List());
    }

    [Fact]
    public async Task A_slow_fetch_marks_by_time()
    {
        var folder = Path.Combine(_fixture.Root, "slow");
        await using var cache = _fixture.Open(_fixture.Options with
        {
            Folder = folder,
            MarkEvery = Bytes.MiB(16),
            MarkAfter = TimeSpan.FromMilliseconds(200),
            Bandwidth = new BytesPerSecond(1_500_000),
        });
        var fetch = FetchAsync(cache, From(_server.Url));
        var marks = new HashSet<string>();
        while (!fetch.IsCompleted)
        {
            var mark = Path.Combine(folder, "org%2Fmodel@v1.partial", ".plimsoll-fetch.json");
            try
            {
                marks.Add(await File.ReadAllTextAsync(mark, TestContext.Current.CancellationToken));
            }
            catch (IOException)
            {
                // Not begun yet, or whole already.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, TestContext.Current.CancellationToken);
        }

        Assert.Null((await fetch).Why);
        // One without a mark, and several with.
        Assert.InRange(marks.Count, 3, 20);
    }

    private static Task Status(Microsoft.AspNetCore.Http.HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    }
}
