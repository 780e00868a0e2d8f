using System.Text;
using Microsoft.AspNetCore.Http;
using Plimsoll.Artifacts;
using static Plimsoll.Local.Tests.CacheFixture;

namespace Plimsoll.Local.Tests;

public sealed class AddressFetchTests : IAsyncLifetime
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly CacheFixture _fixture = new();
    private readonly byte[] _shard1 = Content(900_000, 1), _shard2 = Content(700_000, 2), _config = Encoding.UTF8.GetBytes("{}");
    private readonly byte[] _index = Encoding.UTF8.GetBytes("""{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}""");
    private TreeServer _server = null!;
    private TreeServer _elsewhere = null!;

    private Dictionary<string, byte[]> Model => new(StringComparer.Ordinal)
    {
        ["config.json"] = _config,
        ["model-1.safetensors"] = _shard1,
        ["model-2.safetensors"] = _shard2,
        ["model.safetensors.index.json"] = _index,
    };

    public async ValueTask InitializeAsync() => (_server, _elsewhere) = (await TreeServer.StartAsync(), await TreeServer.StartAsync());

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _elsewhere.DisposeAsync();
        _fixture.Dispose();
    }

    [Fact]
    public async Task A_whole_file_of_a_fetch_that_was_cut_is_brought_again_where_it_changed_meanwhile()
    {
        foreach (var (name, content) in Model) _server.Files[$"/m/{name}"] = content;
        var cut = true;
        await using (var cache = _fixture.Open(_fixture.Options with { FruitlessTries = 1 }))
        {
            _server.Instead = async context =>
            {
                if (!cut || !context.Request.Path.Value!.EndsWith("model-2.safetensors", StringComparison.Ordinal)) return false;
                if (context.Request.Headers.Range.ToString() is ['b', ..] look && !look.EndsWith('-')) return false;
                if (context.Request.Headers.Range.Count == 0) await _server.SendAsync(context, cutAfter: 300_000);
                else context.Response.StatusCode = 500;
                return true;
            };
            Assert.NotNull((await FetchAsync(cache, From($"{_server.Address}/m/"))).Why);
        }

        // Both are published anew, in the same sizes and under the same version.
        var (first, second) = (Content(900_000, 11), Content(700_000, 12));
        (cut, _server.Files["/m/model-1.safetensors"], _server.Files["/m/model-2.safetensors"]) = (false, first, second);
        await using var again = Open();

        AssertFolder(await FetchAsync(again, From($"{_server.Address}/m/")), [.. Model.Where(file => !file.Key.StartsWith("model-", StringComparison.Ordinal)), new("model-1.safetensors", first), new("model-2.safetensors", second)]);
    }

    [Fact]
    public async Task What_stands_behind_a_transformer_is_fetched_with_it()
    {
        foreach (var (name, content) in Model) _server.Files[$"/m/{name}"] = content;
        var modules = Encoding.UTF8.GetBytes("""[{"idx":0,"path":"","type":"Transformer"},{"idx":1,"path":"1_Pooling"},{"idx":2,"path":"2_Dense"},{"idx":3,"path":"../x"}]""");
        Dictionary<string, byte[]> more = new(StringComparer.Ordinal)
        {
            ["modules.json"] = modules,
            ["1_Pooling/config.json"] = Encoding.UTF8.GetBytes("""{"pooling_mode_mean_tokens":true}"""),
            ["2_Dense/config.json"] = _config,
            ["2_Dense/model.safetensors"] = Content(5000, 7),
        };
        foreach (var (name, content) in more) _server.Files[$"/m/{name}"] = content;
        await using var cache = Open();

        AssertFolder(await FetchAsync(cache, From($"{_server.Address}/m/")), [.. Model, .. more]);
    }

    [Fact]
    public async Task A_folder_behind_a_web_server_is_fetched_with_what_its_index_names()
    {
        foreach (var (name, content) in Model) _server.Files[$"/m/{name}"] = content;
        _server.Files["/m/tokenizer.json"] = [1, 2, 3];
        _server.Files["/m/README.md"] = [9];
        await using var cache = Open();

        var fetched = await FetchAsync(cache, From($"{_server.Address}/m/"));

        AssertFolder(fetched, [.. Model, new("tokenizer.json", [1, 2, 3])]);
    }

    [Fact]
    public async Task A_fetch_of_many_files_that_was_cut_goes_on_with_the_one_that_was_cut()
    {
        foreach (var (name, content) in Model) _server.Files[$"/m/{name}"] = content;
        var cut = true;
        var options = _fixture.Options with { FruitlessTries = 1 };
        await using (var cache = _fixture.Open(options))
        {
            _server.Instead = async context =>
            {
                var path = context.Request.Path.Value!;
                if (!cut || !path.EndsWith("model-2.safetensors", StringComparison.Ordinal)) return false;
                // The little look at its beginning is answered; of the fetch a part, and then nothing any more.
                if (context.Request.Headers.Range.ToString() is ['b', ..] look && !look.EndsWith('-')) return false;
                if (context.Request.Headers.Range.Count == 0) await _server.SendAsync(context, cutAfter: 300_000);
                else context.Response.StatusCode = 500;
                return true;
            };
            Assert.NotNull((await FetchAsync(cache, From($"{_server.Address}/m/"))).Why);
        }

        cut = false;
        _server.Asked.Clear();
        await using var again = Open();
        var fetched = await FetchAsync(again, From($"{_server.Address}/m/"));

        AssertFolder(fetched, Model);
        Assert.InRange(fetched.Moved.Value, 1, 600_000);
        // Looked at for its size, but its bytes are here.
        Assert.DoesNotContain("/m/model-1.safetensors", _server.Asked);
        Assert.Contains(_server.Asked, asked => asked.StartsWith("/m/model-2.safetensors bytes=", StringComparison.Ordinal) && asked.EndsWith('-'));
    }

    [Fact]
    public async Task A_model_of_a_hub_is_fetched_whole_and_checked_by_what_the_hub_says_of_it()
    {
        Hub(Model);
        await using var cache = Open(("HF_TOKEN", "hf_hidden"));

        var fetched = await FetchAsync(cache, From("hf://org/name"));

        AssertFolder(fetched, Model);
        Assert.All(_server.Authorizations, header => Assert.Equal("Bearer hf_hidden", header));
        Assert.Equal(4, _elsewhere.Authorizations.Count);
        Assert.All(_elsewhere.Authorizations, header => Assert.Equal("", header));
    }

    [Fact]
    public async Task A_file_that_is_not_what_the_hub_says_is_refused()
    {
        Hub(Model);
        var damaged = (byte[])_shard2.Clone();
        damaged[600_000] ^= 1;
        _elsewhere.Files["/model-2.safetensors"] = damaged;
        await using var cache = Open();

        var refused = await FetchAsync(cache, From("hf://org/name"));

        Assert.Contains("model-2.safetensors from hf://org/name is corrupt and was refused: its SHA-256 is ", refused.Why, StringComparison.Ordinal);
        Assert.Empty(cache.List());
    }

    [Fact]
    public async Task Of_a_weighed_model_only_the_files_it_was_weighed_by_are_fetched_and_only_as_they_were()
    {
        Hub(new(Model, StringComparer.Ordinal) { ["original.bin"] = _shard1 });
        var weighed = From("hf://org/name@main") with
        {
            Files = [.. Model.Select(file => new FetchFile(file.Key, new Bytes(file.Value.Length), Sha(file.Value)))],
        };
        await using var cache = Open();

        AssertFolder(await FetchAsync(cache, weighed), Model);
        Hub(new(Model, StringComparer.Ordinal) { ["config.json"] = [1, 2] });
        var changed = await FetchAsync(cache, weighed, "v2");
        Assert.Contains("config.json from hf://org/name changed since it was weighed", changed.Why, StringComparison.Ordinal);
        var gone = await FetchAsync(cache, weighed with { Files = weighed.Files.Add(new FetchFile("gone.json")) }, "v3");
        Assert.Contains("gone.json is not at hf://org/name any more", gone.Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_file_of_a_hub_is_a_file_in_the_cache()
    {
        Hub(new(StringComparer.Ordinal) { ["q4/m.gguf"] = _shard1, ["README.md"] = [1] });
        await using var cache = Open();

        var fetched = await FetchAsync(cache, From("hf://org/name/q4/m.gguf"));

        Assert.Null(fetched.Why);
        Assert.Equal("m.gguf", Path.GetFileName(fetched.Path));
        Assert.Equal(_shard1, File.ReadAllBytes(fetched.Path!));
    }

    [Fact]
    public async Task What_a_hub_refuses_is_one_sentence_without_the_token()
    {
        _server.Instead = context =>
        {
            (context.Response.StatusCode, context.Response.Headers["X-Error-Code"]) = (403, "GatedRepo");
            return Task.FromResult(true);
        };
        await using var cache = Open(("HF_TOKEN", "hf_hidden"));

        var refused = await FetchAsync(cache, From("hf://org/name"));

        Assert.Contains("hf://org/name answered 403 Forbidden: its owner lets in only whom they know", refused.Why, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", refused.Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_of_a_bucket_is_fetched_and_an_object_is_checked_by_the_checksum_it_was_uploaded_with()
    {
        foreach (var (name, content) in Model) _server.Files[$"/bucket/m/{name}"] = content;
        var checksum = Convert.ToBase64String(Convert.FromHexString(Sha(_shard1)));
        _server.Instead = async context =>
        {
            if (context.Request.Path.Value!.EndsWith("model-1.safetensors", StringComparison.Ordinal))
                context.Response.Headers["x-amz-checksum-sha256"] = checksum;
            if (context.Request.Query["list-type"] != "2") return false;
            await context.Response.WriteAsync($"<ListBucketResult>{string.Concat(Model.Select(file =>
                $"<Contents><Key>m/{file.Key}</Key><ETag>&quot;{Sha(file.Value)[..8]}&quot;</ETag><Size>{file.Value.Length}</Size></Contents>"))}</ListBucketResult>");
            return true;
        };
        await using var cache = Open();

        AssertFolder(await FetchAsync(cache, From("s3://bucket/m")), Model);
        // One of several parts says how many; it is no hash of the bytes.
        checksum = Convert.ToBase64String(Convert.FromHexString(Sha([1]))) + "-2";
        AssertFolder(await FetchAsync(cache, From("s3://bucket/m"), "v2"), Model);
        checksum = Convert.ToBase64String(Convert.FromHexString(Sha([1])));
        Assert.Contains("model-1.safetensors from s3://bucket/m is corrupt and was refused", (await FetchAsync(cache, From("s3://bucket/m"), "v3")).Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_volume_claim_and_a_hubs_cache_are_copied_from_where_they_lie()
    {
        var claim = Path.Combine(_fixture.Root, "claims", "claim", "m");
        var model = Path.Combine(_fixture.Root, "hub", "models--org--name");
        var snapshot = Path.Combine(model, "snapshots", Commit);
        foreach (var folder in new[] { claim, snapshot, Path.Combine(model, "blobs") }) Directory.CreateDirectory(folder);
        foreach (var (name, content) in Model)
        {
            File.WriteAllBytes(Path.Combine(claim, name), content);
            File.WriteAllBytes(Path.Combine(model, "blobs", name), content);
            File.CreateSymbolicLink(Path.Combine(snapshot, name), $"../../blobs/{name}");
        }

        await using var cache = Open(("PLIMSOLL_PVC_ROOT", Path.Combine(_fixture.Root, "claims")), ("HF_HUB_CACHE", Path.Combine(_fixture.Root, "hub")));

        AssertFolder(await FetchAsync(cache, From("pvc://claim/m")), Model);
        AssertFolder(await FetchAsync(cache, From($"hf://org/name@{Commit}"), "v2"), Model);
        Assert.Empty(_server.Asked);
        // What it was not weighed by stays where it is: no room was kept for it.
        File.WriteAllBytes(Path.Combine(claim, "original.pth"), new byte[1000]);
        var weighed = From("pvc://claim/m") with { IsFolder = true, Files = [.. Model.Select(file => new FetchFile(file.Key, new Bytes(file.Value.Length)))] };
        AssertFolder(await FetchAsync(cache, weighed, "v4"), Model);
        File.Delete(Path.Combine(snapshot, "config.json"));
        File.CreateSymbolicLink(Path.Combine(snapshot, "config.json"), "/etc/hostname");
        Assert.Contains("is a link that leads out of", (await FetchAsync(cache, From($"hf://org/name@{Commit}"), "v3")).Why, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_behind_a_user_is_fetched_with_that_user_and_shown_and_kept_without()
    {
        foreach (var (name, content) in Model) _server.Files[$"/m/{name}"] = content;
        _server.Instead = context =>
        {
            var welcome = context.Request.Headers.Authorization == "Basic bWU6aGlkZGVu" && context.Request.QueryString.Value == "?sig=hidden";
            if (!welcome) context.Response.StatusCode = 401;
            return Task.FromResult(!welcome);
        };
        var source = $"{_server.Address.Replace("://", "://me:hidden@", StringComparison.Ordinal)}/m/?sig=hidden";
        await using var cache = Open();

        var fetched = await FetchAsync(cache, From(source));

        AssertFolder(fetched, Model);
        Assert.DoesNotContain("hidden", From(source).Shown, StringComparison.Ordinal);
        Assert.All(Directory.EnumerateFiles(_fixture.Folder, ".plimsoll*", SearchOption.AllDirectories), file =>
            Assert.DoesNotContain("hidden", File.ReadAllText(file), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ftp://user:hidden@h/x", "a path, or https://, s3://")]
    [InlineData("hf://name", "hf://ORG/NAME@REVISION/FILE would do")]
    [InlineData("pvc://claim/m", "with PLIMSOLL_PVC_ROOT=/mnt it would be /mnt/claim/m")]
    public async Task What_cannot_be_a_source_is_one_sentence(string source, string part)
    {
        await using var cache = Open();

        var refused = await FetchAsync(cache, From(source));

        Assert.Contains(part, refused.Why, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", refused.Why + From(source).Shown, StringComparison.Ordinal);
    }

    private ModelCache Open(params (string Name, string Value)[] variables)
    {
        var all = variables.ToDictionary(one => one.Name, one => one.Value, StringComparer.Ordinal);
        all.TryAdd("HF_ENDPOINT", _server.Address);
        all.TryAdd("AWS_ENDPOINT_URL", _server.Address);
        return _fixture.Open(_fixture.Options with { Sources = new SourceSettings { Variable = name => all.GetValueOrDefault(name) } });
    }

    // The hub lists, and sends for every file's bytes to another host.
    private void Hub(Dictionary<string, byte[]> files)
    {
        _elsewhere.Files.Clear();
        foreach (var (name, content) in files) _elsewhere.Files[$"/{name}"] = content;
        _server.Instead = async context =>
        {
            var path = context.Request.Path.Value!;
            if (!path.StartsWith("/api/", StringComparison.Ordinal))
            {
                context.Response.Redirect(_elsewhere.Address + path[$"/org/name/resolve/{Commit}".Length..]);
                return true;
            }

            var siblings = files.Select(file => $"{{\"rfilename\":\"{file.Key}\",\"size\":{file.Value.Length},\"lfs\":{{\"sha256\":\"{Sha(file.Value)}\"}}}}");
            await context.Response.WriteAsync($"{{\"sha\":\"{Commit}\",\"siblings\":[{string.Join(',', siblings)}]}}");
            return true;
        };
    }

    private static void AssertFolder(FetchResult fetched, IEnumerable<KeyValuePair<string, byte[]>> files)
    {
        Assert.Null(fetched.Why);
        Assert.True(Directory.Exists(fetched.Path));
        var there = Directory.EnumerateFiles(fetched.Path!, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(fetched.Path!, path)).Where(name => !name.StartsWith('.')).Order(StringComparer.Ordinal);
        Assert.Equal(files.Select(file => file.Key).Order(StringComparer.Ordinal), there);
        Assert.All(files, file => Assert.Equal(file.Value, File.ReadAllBytes(Path.Combine(fetched.Path!, file.Key))));
    }
}
