using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using static Plimsoll.Local.Tests.CacheFixture;

namespace Plimsoll.Local.Tests;

public sealed class ModelCacheTests : IDisposable
{
    private readonly CacheFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public async Task A_folder_is_copied_whole_and_is_there_after_a_restart()
    {
        var (weights, config) = (Content(300_000), Content(50, 2));
        var source = _fixture.Source(("model.onnx", weights), ("sub/config.json", config));
        string path;
        await using (var cache = _fixture.Open())
        {
            var fetched = await FetchAsync(cache, From(source, ("model.onnx", Sha(weights))));
            Assert.Null(fetched.Why);
            Assert.Equal(300_050, fetched.Moved.Value);
            path = fetched.Path!;
        }

        await using var again = _fixture.Open();
        var row = Assert.Single(again.List());

        Assert.Equal((Model, "v1", 300_050L, true, false), (row.Model, row.Version, row.Size.Value, row.Complete, row.Pinned));
        Assert.Equal(path, again.PathOf(Model, "v1"));
        Assert.Equal(weights, File.ReadAllBytes(Path.Combine(path, "model.onnx")));
        Assert.Equal(config, File.ReadAllBytes(Path.Combine(path, "sub/config.json")));
        Assert.Null(await again.VerifyAsync(Model, "v1", TestContext.Current.CancellationToken));
        Assert.Equal(0, (await FetchAsync(again, From(source))).Moved.Value);
        Assert.Null(again.PathOf(Model, "v2"));
    }

    [Fact]
    public async Task One_file_gives_the_path_of_the_file()
    {
        var source = _fixture.Source(("model.gguf", Content(1000)));
        await using var cache = _fixture.Open();

        var fetched = await FetchAsync(cache, From(Path.Combine(source, "model.gguf")));

        Assert.Equal("model.gguf", Path.GetFileName(fetched.Path));
        Assert.Equal(Content(1000), File.ReadAllBytes(fetched.Path!));
    }

    [Fact]
    public async Task What_a_replica_uses_is_not_evicted()
    {
        var source = _fixture.Source(("a", Content(1000)));
        await using var cache = _fixture.Open();
        Assert.False(cache.Pin(Model, "v1", ReplicaId.Of(Model, 1)));
        await FetchAsync(cache, From(source));

        Assert.True(cache.Pin(Model, "v1", ReplicaId.Of(Model, 1)));
        Assert.True(cache.Pin(Model, "v1", ReplicaId.Of(Model, 2)));
        cache.Unpin(ReplicaId.Of(Model, 1));
        Assert.Contains("in use by org/model-2", cache.Evict(Model, "v1"), StringComparison.Ordinal);
        Assert.True(cache.List()[0].Pinned);

        cache.Unpin(ReplicaId.Of(Model, 2));
        Assert.Null(cache.Evict(Model, "v1"));
        Assert.Empty(cache.List());
        Assert.Equal(0, cache.Used.Value);
        Assert.Equal([".lock"], Directory.EnumerateFileSystemEntries(_fixture.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task What_does_not_fit_the_budget_is_refused_with_its_numbers()
    {
        var source = _fixture.Source(("a", Content(700 * 1024)));
        await using var cache = _fixture.Open(_fixture.Options with { Budget = Bytes.MiB(1) });
        Assert.Null((await FetchAsync(cache, From(source))).Why);

        var refused = await FetchAsync(cache, From(source), "v2");

        Assert.Contains("takes 700 KiB; the model cache may hold 1.00 MiB and 700 KiB of it are taken", refused.Why, StringComparison.Ordinal);
        Assert.Single(cache.List());
        Assert.Null(cache.Evict(Model, "v1"));
        Assert.Null((await FetchAsync(cache, From(source), "v2")).Why);
    }

    [Fact]
    public async Task A_file_changed_behind_its_back_is_found()
    {
        var source = _fixture.Source(("a", Content(1000)));
        string path;
        await using (var cache = _fixture.Open())
        {
            path = Path.Combine((await FetchAsync(cache, From(source))).Path!, "a");
            var before = File.GetLastWriteTimeUtc(path);
            File.WriteAllBytes(path, Content(1000, 9));
            File.SetLastWriteTimeUtc(path, before);

            // Same size, same time: only reading it all can tell.
            cache.Pin(Model, "v1", ReplicaId.Of(Model, 1));
            Assert.Contains("is damaged", await cache.VerifyAsync(Model, "v1", TestContext.Current.CancellationToken), StringComparison.Ordinal);
            Assert.Single(cache.List());
            File.AppendAllText(path, "more");
        }

        await using var again = _fixture.Open();
        Assert.Empty(again.List());
        Assert.False(File.Exists(path));
    }

    [Theory]
    [InlineData("""{"model":null,"version":"v1","source":"s","singleFile":false,"completedAt":"2026-01-01T00:00:00Z","files":[]}""")]
    [InlineData("""{"model":"org/model","version":"v1","source":"s","singleFile":false,"completedAt":"2026-01-01T00:00:00Z","files":[null]}""")]
    [InlineData("""{"model":"org/model","version":"v1","source":"s","singleFile":false,"completedAt":"2026-01-01T00:00:00Z","files":[{"name":null,"size":1,"sha256":"","modified":"2026-01-01T00:00:00Z"}]}""")]
    [InlineData("""{"model":"org/model","version":"v1","source":"s","singleFile":false,"completedAt":"2026-01-01T00:00:00Z","files":[{"name":"a\u0000","size":1,"sha256":"","modified":"2026-01-01T00:00:00Z"}]}""")]
    [InlineData("{")]
    public async Task A_manifest_that_is_none_costs_its_artefact_and_nothing_else(string manifest)
    {
        var source = _fixture.Source(("a", Content(1000)));
        string folder;
        await using (var cache = _fixture.Open()) folder = (await FetchAsync(cache, From(source))).Path!;
        File.WriteAllText(Path.Combine(folder, ".plimsoll-manifest.json"), manifest);

        // A server that runs keeps its files, whatever is known of them; then the next fetch puts them right.
        await using (var used = ModelCache.Open(_fixture.Options, TimeProvider.System, NullLogger.Instance, [new CacheUser(Model, "v1", ReplicaId.Of(Model, 1))]))
        {
            Assert.True(File.Exists(Path.Combine(folder, "a")));
            Assert.Null((await FetchAsync(used, From(source))).Why);
            Assert.Equal((1, 1000), (used.List().Length, used.Used.Value));
        }

        File.WriteAllText(Path.Combine(folder, ".plimsoll-manifest.json"), manifest);
        await using var again = _fixture.Open();
        Assert.Empty(again.List());
        Assert.False(Directory.Exists(folder));
        Assert.Null((await FetchAsync(again, From(source))).Why);
    }

    [Theory]
    [InlineData("""{"model":null,"version":"v1","source":"s","files":{} }""")]
    [InlineData("""{"model":"org/model","version":"v1","source":"s","files":{"a":null} }""")]
    [InlineData("""{"model":"org/model","version":"v1","source":"s","files":null}""")]
    public async Task A_mark_of_an_unfinished_fetch_that_is_none_begins_it_anew(string mark)
    {
        var source = _fixture.Source(("a", Content(1000)));
        var partial = Path.Combine(_fixture.Folder, "org%2Fmodel@v1.partial");
        Directory.CreateDirectory(partial);
        File.WriteAllText(Path.Combine(partial, ".plimsoll-fetch.json"), mark);

        await using var cache = _fixture.Open();

        Assert.Empty(cache.List());
        Assert.False(Directory.Exists(partial));
        Assert.Null((await FetchAsync(cache, From(source))).Why);
    }

    [Fact]
    public async Task A_folder_of_somebody_else_in_its_place_is_named_before_anything_is_brought_and_left_alone()
    {
        var source = _fixture.Source(("a", Content(1000)));
        var theirs = Path.Combine(_fixture.Folder, "org%2Fmodel@v1");
        Directory.CreateDirectory(theirs);
        File.WriteAllText(Path.Combine(theirs, "notes"), "mine");
        await using var cache = _fixture.Open();

        var refused = await FetchAsync(cache, From(source));

        Assert.Equal($"{theirs} is there and was not made by the model cache; moving it away would do", refused.Why);
        Assert.Equal((0, "mine"), (refused.Moved.Value, File.ReadAllText(Path.Combine(theirs, "notes"))));
        Directory.Delete(theirs, recursive: true);
        Assert.Null((await FetchAsync(cache, From(source))).Why);
    }

    [Fact]
    public async Task Links_out_of_the_source_and_special_files_are_refused()
    {
        await using var cache = _fixture.Open();
        var source = _fixture.Source(("a", Content(10)));
        File.CreateSymbolicLink(Path.Combine(source, "inside"), "a");
        Assert.Null((await FetchAsync(cache, From(source), "v0")).Why);

        File.CreateSymbolicLink(Path.Combine(source, "out"), "/etc/hostname");
        Assert.Contains("link that leads out of", (await FetchAsync(cache, From(source))).Why, StringComparison.Ordinal);
        File.Delete(Path.Combine(source, "out"));

        using (var make = Process.Start("mkfifo", [Path.Combine(source, "pipe")])) await make.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Contains("is no regular file", (await FetchAsync(cache, From(source))).Why, StringComparison.Ordinal);
        Assert.Contains("is no regular file", (await FetchAsync(cache, From(Path.Combine(source, "pipe")))).Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/nowhere/at/all", "there is no such file or folder")]
    [InlineData("ftp://host/key", "s3://, gs://, hf:// or pvc:// would do")]
    public async Task A_source_that_cannot_be_used_gives_one_sentence(string source, string part)
    {
        await using var cache = _fixture.Open();

        var result = await FetchAsync(cache, From(source));

        Assert.Null(result.Path);
        Assert.Contains(part, result.Why, StringComparison.Ordinal);
        Assert.Empty(cache.List());
    }

    [Fact]
    public async Task Too_many_files_and_checksums_of_unknown_files_are_refused()
    {
        await using var cache = _fixture.Open(_fixture.Options with { MostFiles = 2 });
        var source = _fixture.Source(("a", Content(1)), ("b", Content(1)));
        Assert.Contains("for c, which", (await FetchAsync(cache, From(source, ("c", Sha([]))))).Why, StringComparison.Ordinal);
        _fixture.Source(("c", Content(1)));
        Assert.Contains("more than 2 files", (await FetchAsync(cache, From(source))).Why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../../escape", "v1")]
    [InlineData("..", "..")]
    [InlineData("a\0b", "x/../../y")]
    [InlineData(".hidden", "v@1")]
    public async Task No_name_leads_out_of_the_cache(string model, string version)
    {
        var source = _fixture.Source(("a", Content(10)));
        await using var cache = _fixture.Open();

        var fetched = await cache.FetchAsync(ModelId.Of(model), version, From(source), null, TestContext.Current.CancellationToken);

        Assert.Equal(_fixture.Folder, Path.GetDirectoryName(Path.GetFullPath(fetched.Path!)));
        Assert.Equal(model, Assert.Single(cache.List()).Model.Value);
    }

    [Fact]
    public async Task A_folder_in_use_by_another_controller_is_refused()
    {
        await using var cache = _fixture.Open();

        Assert.Contains("another controller", Assert.Throws<ModelCacheException>(() => _fixture.Open()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_rate_limit_is_shared_and_takes_its_time()
    {
        var time = new FakeTimeProvider();
        var bucket = new ByteBucket(new BytesPerSecond(1000), time);

        // 100 bytes are the burst; then each thousand takes a second, whoever asks.
        await bucket.TakeAsync(100, TestContext.Current.CancellationToken);
        var first = bucket.TakeAsync(1000, TestContext.Current.CancellationToken).AsTask();
        var second = bucket.TakeAsync(1000, TestContext.Current.CancellationToken).AsTask();
        time.Advance(TimeSpan.FromSeconds(0.99));
        Assert.False(first.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.02));
        await first;
        Assert.False(second.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        await second;
    }

    [Fact]
    public async Task A_full_disk_fails_the_fetch_and_leaves_the_rest_as_it_is()
    {
        using var disk = SmallDisk.Mount(Bytes.MiB(8));
        await using var server = await ArtifactServer.StartAsync(Content(5_000_000));
        var options = _fixture.Options with { Folder = Path.Combine(disk.Folder, "cache") };
        await using var cache = _fixture.Open(options);
        var small = _fixture.Source(("a", Content(100_000)));
        Assert.Null((await FetchAsync(cache, From(small))).Why);
        var filler = Path.Combine(disk.Folder, "filler");

        // Before it begins: the sentence names what is missing.
        await File.WriteAllBytesAsync(filler, new byte[5_000_000], TestContext.Current.CancellationToken);
        Assert.Contains("to stay free", (await FetchAsync(cache, From(server.Url), "big")).Why, StringComparison.Ordinal);
        File.Delete(filler);

        // While it runs: somebody else takes all that is left.
        var full = await cache.FetchAsync(
            Model, "big", From(server.Url), new OnFirst(1_000_000, () => SmallDisk.Fill(filler)), TestContext.Current.CancellationToken);
        Assert.Matches("is full|to stay free", full.Why!);
        Assert.Null(await cache.VerifyAsync(Model, "v1", TestContext.Current.CancellationToken));
        File.Delete(filler);

        var whole = await FetchAsync(cache, From(server.Url), "big");
        Assert.Null(whole.Why);
        Assert.Equal(server.Content, File.ReadAllBytes(whole.Path!));
    }
}

/// <summary>Does something once, when so many bytes are there.</summary>
internal sealed class OnFirst(long bytes, Action action) : IProgress<FetchProgress>
{
    private int _done;

    public void Report(FetchProgress value)
    {
        if (value.Done.Value >= bytes && Interlocked.Exchange(ref _done, 1) == 0) action();
    }
}
