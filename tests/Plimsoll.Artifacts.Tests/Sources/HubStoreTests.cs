using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Artifacts.Tests;

public sealed class HubStoreTests : IAsyncLifetime
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";
    private const string Token = "hf_s3cr3tT0ken";

    private readonly Dictionary<string, (byte[] Beginning, long Length)> _files = new(StringComparer.Ordinal)
    {
        ["config.json"] = ([1, 2], 2),
        ["gguf/m.gguf"] = ([7, 8, 9], 3),
    };

    private readonly TemporaryFolder _folder = new();
    private StubServer _hub = null!;
    private StubServer _elsewhere = null!;
    private Func<HttpContext, bool>? _instead;

    public async ValueTask InitializeAsync()
    {
        _elsewhere = await StubServer.StartAsync((server, context) => _files.TryGetValue(context.Request.Path.Value![1..], out var file)
            ? server.SendAsync(context, file.Beginning, file.Length) : server.TextAsync(context, "", 404));
        _hub = await StubServer.StartAsync(AnswerAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        await _elsewhere.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public void A_sharded_model_of_400_GB_is_read_with_less_than_700_KB_and_no_other_host_hears_the_token()
    {
        _files.Clear();
        foreach (var (name, file) in ShardedModel.Files) _files[name] = file;

        using var source = StubServer.Open("hf://org/name@v1", Settings(("HF_TOKEN", Token)));
        ShardedModel.AssertRead(source);

        Assert.InRange(_hub.Sent + _elsewhere.Sent, 200_000, 700_000);
        Assert.Equal("/api/models/org/name/revision/v1?blobs=true", _hub.Asked.First());
        // What is asked after the listing is asked of the commit that it told.
        Assert.All(_hub.Asked.Skip(1), asked => Assert.StartsWith($"/org/name/resolve/{Commit}/", asked, StringComparison.Ordinal));
        Assert.All(_hub.Authorizations, header => Assert.Equal($"Bearer {Token}", header));
        Assert.InRange(_elsewhere.Authorizations.Count, 202, 1000);
        Assert.All(_elsewhere.Authorizations, header => Assert.Equal("", header));
    }

    [Fact]
    public void A_part_of_a_model_is_a_file_or_a_folder_with_what_the_hub_says_of_it()
    {
        using var file = StubServer.Open("hf://org/name/gguf/m.gguf", Settings());
        using var folder = StubServer.Open("hf://org/name/gguf", Settings());

        Assert.True(file.IsFile);
        Assert.Equal(("hf://org/name/gguf/m.gguf", 3L), (file.OpenFile().Name, file.OpenFile().Length));
        var listed = Assert.Single(file.FilesToFetch());
        Assert.Equal(listed.Validator, file.OpenFile().Validator);
        Assert.Equal(("m.gguf", 3L, new string('a', 64)), (listed.Name, listed.Bytes, listed.Sha256));
        Assert.Equal("m.gguf", Assert.Single(folder.Files!).Name);
        Assert.Equal(3, folder.OpenFolder().Open("m.gguf")!.Length);
        Assert.Null(folder.OpenFolder().Open("config.json"));
        Assert.Contains("org/name has no such file or folder in main", StubServer.Refusal("hf://org/name/none", Settings()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403, "GatedRepo", "hf://org/name answered 403 Forbidden: its owner lets in only whom they know; ask for access on the model's page, and set HF_TOKEN")]
    [InlineData(401, "RepoNotFound", "there is no such model, or it is private and HF_TOKEN should be set to a token that may read it.")]
    [InlineData(404, "RevisionNotFound", "the model has no revision main.")]
    [InlineData(404, "", "there is no such model or file.")]
    [InlineData(429, "", "it answers no more requests without a token for now; try again later, or set HF_TOKEN.")]
    [InlineData(500, "", "answered 500 Internal Server Error.")]
    public void What_the_hub_refuses_is_one_sentence_that_says_what_would_do(int status, string code, string part)
    {
        _instead = context =>
        {
            context.Response.StatusCode = status;
            if (code.Length > 0) context.Response.Headers["X-Error-Code"] = code;
            context.Response.Headers["X-Error-Message"] = "<b>server words</b>";
            return true;
        };

        Assert.Contains(part, StubServer.Refusal("hf://org/name", Settings()), StringComparison.Ordinal);
        var known = StubServer.Refusal("hf://org/name", Settings(("HF_TOKEN", Token)));
        Assert.DoesNotContain(Token, known, StringComparison.Ordinal);
        Assert.DoesNotContain("server words", known, StringComparison.Ordinal);
    }

    [Fact]
    public void A_pause_that_is_asked_for_is_made_when_it_is_short_and_told_when_it_is_long()
    {
        var pauses = 2;
        var seconds = "0";
        _instead = context =>
        {
            if (pauses-- <= 0) return false;
            (context.Response.StatusCode, context.Response.Headers.RetryAfter) = (429, seconds);
            return true;
        };

        using (StubServer.Open("hf://org/name", Settings()))
            Assert.Equal(3, _hub.Asked.Count);
        (pauses, seconds) = (1, "3600");
        Assert.Contains("it answers no more requests for 3600 s; try again then.", StubServer.Refusal("hf://org/name", Settings()), StringComparison.Ordinal);
        (pauses, seconds) = (int.MaxValue, "0");
        Assert.Contains("answered 429 Too Many Requests", StubServer.Refusal("hf://org/name", Settings()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("<html>")]
    [InlineData("""{"siblings":[{"rfilename":"a","size":-1}]}""")]
    [InlineData("""{"siblings":[{"rfilename":"a","size":1,"lfs":{"sha256":"short"}}]}""")]
    public void A_listing_that_is_none_is_refused(string listing)
    {
        _instead = context =>
        {
            _hub.TextAsync(context, listing).GetAwaiter().GetResult();
            return true;
        };

        Assert.Contains("what is no listing of a model; see whether HF_ENDPOINT is a hub.", StubServer.Refusal("hf://org/name", Settings()), StringComparison.Ordinal);
    }

    [Fact]
    public void The_token_is_taken_from_the_file_that_the_hubs_tools_write()
    {
        File.WriteAllText(_folder.File("token"), Token + "\n");
        using (StubServer.Open("hf://org/name", Settings(("HF_HOME", _folder.Path))))
        using (StubServer.Open("hf://org/name", Settings(("HF_TOKEN_PATH", _folder.File("none"))))) { }

        Assert.Equal([$"Bearer {Token}", ""], _hub.Authorizations);
        File.WriteAllText(_folder.File("token"), "two words");
        var message = StubServer.Refusal("hf://org/name", Settings(("HF_HOME", _folder.Path)));
        Assert.Contains("holds no token", message, StringComparison.Ordinal);
        Assert.DoesNotContain("two words", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_lies_whole_in_the_hubs_cache_is_read_there_and_nobody_is_asked()
    {
        var snapshot = Cached("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "config.json");

        using var model = StubServer.Open("hf://org/name", Settings(("HF_HUB_CACHE", _folder.Path)));
        using var file = StubServer.Open($"hf://org/name@{Commit}/config.json", Settings(("HF_HUB_CACHE", _folder.Path), ("HF_HUB_OFFLINE", "1")));

        Assert.Equal(snapshot, model.LocalPath);
        Assert.Equal(Path.Combine(snapshot, "config.json"), file.LocalPath);
        Assert.Equal(3, model.OpenFolder().Files!.Count);
        Assert.Empty(_hub.Asked);
    }

    [Theory]
    [InlineData("model-00001-of-00002.safetensors config.json")]
    [InlineData("config.json")]
    [InlineData("model-00001-of-00001.safetensors config.json model.safetensors.index.json")]
    public void A_model_that_is_not_whole_in_the_cache_is_asked_for(string files)
    {
        var snapshot = Cached(files.Split(' '));
        if (files.Contains("index", StringComparison.Ordinal))
            File.WriteAllText(Path.Combine(snapshot, "model.safetensors.index.json"), """{"weight_map":{"a":"model-00001-of-00001.safetensors","b":"other.safetensors"}}""");

        using var model = StubServer.Open("hf://org/name", Settings(("HF_HUB_CACHE", _folder.Path)));

        Assert.Null(model.LocalPath);
        Assert.Single(_hub.Asked);
        Assert.Contains("HF_HUB_OFFLINE forbids to ask the hub",
            StubServer.Refusal("hf://org/name", Settings(("HF_HUB_CACHE", _folder.Path), ("HF_HUB_OFFLINE", "1"))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ON", true)]
    [InlineData("yes", true)]
    [InlineData("True", true)]
    [InlineData("1", true)]
    [InlineData("off", false)]
    [InlineData("2", false)]
    [InlineData("False", false)]
    public void Only_what_the_hubs_tools_take_for_yes_forbids_to_ask(string told, bool offline)
    {
        var settings = Settings(("HF_HUB_CACHE", _folder.Path), ("HF_HUB_OFFLINE", told));
        if (offline)
        {
            Assert.Contains("HF_HUB_OFFLINE forbids to ask the hub", StubServer.Refusal("hf://org/name", settings), StringComparison.Ordinal);
            return;
        }

        using var model = StubServer.Open("hf://org/name", settings);
        Assert.Single(_hub.Asked);
    }

    [Theory]
    [InlineData("m-00001-of-00002.gguf", "m-00002-of-00002.gguf")]
    [InlineData("model.safetensors.index.json", "other.safetensors")]
    public void A_file_that_is_nothing_without_others_is_whole_only_with_them(string file, string other)
    {
        var settings = Settings(("HF_HUB_CACHE", _folder.Path), ("HF_HUB_OFFLINE", "1"));
        var snapshot = Cached(file);
        File.WriteAllText(Path.Combine(snapshot, file), """{"weight_map":{"b":"other.safetensors"}}""");

        Assert.Contains("is not whole in the hub's cache folder", StubServer.Refusal($"hf://org/name@{Commit}/{file}", settings), StringComparison.Ordinal);
        Cached(other);
        using var whole = StubServer.Open($"hf://org/name@{Commit}/{file}", settings);
        Assert.Equal(Path.Combine(snapshot, file), whole.LocalPath);
    }

    private string Cached(params string[] files)
    {
        var model = Path.Combine(_folder.Path, "models--org--name");
        var snapshot = Path.Combine(model, "snapshots", Commit);
        foreach (var folder in new[] { Path.Combine(model, "refs"), Path.Combine(model, "blobs"), snapshot }) Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(model, "refs", "main"), Commit);
        foreach (var name in files)
        {
            // As the hub's tools lay them: the bytes are among the blobs.
            File.WriteAllBytes(Path.Combine(model, "blobs", name), [1, 2, 3]);
            File.CreateSymbolicLink(Path.Combine(snapshot, name), $"../../blobs/{name}");
        }

        return snapshot;
    }

    private SourceSettings Settings(params (string, string)[] more) => StubServer.Settings([("HF_ENDPOINT", _hub.Address + "/"), .. more]);

    private Task AnswerAsync(StubServer server, HttpContext context)
    {
        if (_instead?.Invoke(context) == true) return Task.CompletedTask;
        var path = context.Request.Path.Value!;
        if (path.StartsWith("/api/models/org/name/revision/", StringComparison.Ordinal))
        {
            var siblings = _files.Select(file => string.Create(CultureInfo.InvariantCulture,
                $"{{\"rfilename\":\"{file.Key}\",\"size\":{file.Value.Length},\"blobId\":\"b{file.Key.Length}\",")
                + string.Create(CultureInfo.InvariantCulture, $"\"lfs\":{{\"sha256\":\"{new string('a', 64)}\",\"size\":{file.Value.Length},\"pointerSize\":135}}}}"));
            return server.TextAsync(context, $$"""{"id":"org/name","sha":"{{Commit}}","gated":false,"siblings":[{{string.Join(',', siblings)}}]}""");
        }

        context.Response.Redirect($"{_elsewhere.Address}/{path[$"/org/name/resolve/{Commit}/".Length..]}?signature=hidden");
        return Task.CompletedTask;
    }
}
