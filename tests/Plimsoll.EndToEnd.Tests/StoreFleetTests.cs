using System.Net;
using System.Text;
using Plimsoll.Artifacts;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>The real program with models of a hub, of a bucket and of a folder: weighed, fetched, served, and there again without their store.</summary>
public sealed class StoreFleetTests : IAsyncLifetime
{
    private readonly Scene _scene = new();
    private FolderStores _stores = null!;

    private string Models => Path.Combine(_scene.Folder, "stores");

    private (string, string)[] Private => [.. _stores.Environment, .. FolderStores.Keys];

    public async ValueTask InitializeAsync()
    {
        _stores = await FolderStores.StartAsync(Models);
        // A folder as exported models are published.
        await SampleModels.EnsureAsync(Path.Combine(Models, "org", "tiny", "onnx"), "model", 1_000_000, cancel: Scene.Cancel);
        File.WriteAllText(Path.Combine(Models, "org", "tiny", "onnx", "README.md"), "for people");
    }

    public async ValueTask DisposeAsync()
    {
        await _stores.DisposeAsync();
        await _scene.DisposeAsync();
    }

    [Theory]
    [InlineData("hf://org/tiny/onnx/model.onnx", true)]
    [InlineData("hf://org/tiny@main/onnx", true)]
    [InlineData("s3://org/tiny/onnx/model.onnx", true)]
    [InlineData("s3://org/tiny/onnx", false)]
    public async Task A_model_of_a_store_is_fetched_and_served_and_comes_back_while_the_store_is_away(string source, bool isPrivate)
    {
        _stores.IsPrivate = isPrivate;
        var environment = isPrivate ? Private : _stores.Environment;
        _scene.Fleet($"machine: {{memory: 1GiB}}\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: '{source}'}}\n");
        var first = _scene.Up(environment: environment);
        await first.LineAsync("fetched tiny: ");
        Assert.Equal(HttpStatusCode.OK, await InferAsync(first));
        await UntilTierAsync("memory");
        var told = first.Output + first.Error + await ToldAsync();
        await _scene.EndAsync(first);
        Assert.All(_stores.Elsewhere.Authorizations, header => Assert.Equal("", header));

        await _stores.DisposeAsync();
        var up = _scene.Up(environment: environment);
        Assert.Equal(HttpStatusCode.OK, await InferAsync(up));
        await _scene.EndAsync(up);

        Assert.Contains("model 'tiny' is served from the model cache as last weighed: ", up.Error, StringComparison.Ordinal);
        var files = Directory.EnumerateFiles(_scene.State, "*", SearchOption.AllDirectories).ToList();
        Assert.Contains(files, path => Path.GetFileName(path) == "journal.db");
        Assert.DoesNotContain(files, path => path.EndsWith("README.md", StringComparison.Ordinal));
        foreach (var text in files.Select(path => Encoding.Latin1.GetString(File.ReadAllBytes(path))).Append(told).Append(up.Output + up.Error))
        {
            Assert.DoesNotContain(FolderStores.Token, text, StringComparison.Ordinal);
            Assert.DoesNotContain(FolderStores.Secret, text, StringComparison.Ordinal);
            Assert.DoesNotContain("s1gnature", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("hf://org/tiny/onnx/model.onnx")]
    [InlineData("s3://org/tiny/onnx")]
    public async Task Damaged_bytes_of_a_store_are_refused_by_the_hash_that_it_tells(string source)
    {
        _stores.Damages = true;
        _scene.Fleet($"machine: {{memory: 1GiB}}\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: '{source}', minReplicas: 1}}\n");
        var up = _scene.Up(environment: _stores.Environment);

        await up.LineAsync("failed prefetch tiny@");

        var explained = "";
        await Scene.UntilAsync(() => (explained = Scene.Unfolded(_scene.SaysAsync("explain", "tiny").GetAwaiter().GetResult()))
            .Contains("is corrupt and was refused: its SHA-256 is ", StringComparison.Ordinal), () => explained);
        Assert.Empty(Directory.EnumerateFiles(_scene.State, "*.onnx", SearchOption.AllDirectories));
        Assert.Empty(_scene.Replicas());
        await _scene.EndAsync(up);
    }

    [Theory]
    [InlineData("")]
    [InlineData(", cache: true")]
    public async Task A_folder_of_this_machine_that_holds_one_model_is_served(string cache)
    {
        _scene.Fleet($"machine: {{memory: 1GiB}}\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: stores/org/tiny/onnx{cache}}}\n");
        var up = _scene.Up();

        Assert.Equal(HttpStatusCode.OK, await InferAsync(up));

        await _scene.EndAsync(up);
    }

    [Fact]
    public async Task A_private_model_without_a_token_is_one_sentence_and_nothing_starts()
    {
        _stores.IsPrivate = true;
        var file = _scene.Fleet("models:\n- {name: tiny, source: 'hf://org/tiny/onnx/model.onnx'}\n");
        var up = _scene.Up(environment: _stores.Environment);

        Assert.Equal(2, await up.ExitAsync());

        Assert.Equal($"plimsoll: {file}:2:24: models[0].source: hf://org/tiny/onnx/model.onnx answered 401 Unauthorized: there is no such model, "
            + "or it is private and HF_TOKEN should be set to a token that may read it.\n", up.Error);
        Assert.False(Directory.Exists(_scene.State));
    }

    private Task UntilTierAsync(string tier)
    {
        var last = "";
        return Scene.UntilAsync(() => (last = _scene.StatusAsync().GetAwaiter().GetResult().Models[0].Tier) == tier, () => $"tier {last}");
    }

    // All that a person can be told of the fleet.
    private async Task<string> ToldAsync() => string.Concat(
        await _scene.SaysAsync("status"), await _scene.SaysAsync("status", "--json"), await _scene.SaysAsync("explain", "tiny"),
        await _scene.SaysAsync("history", "--limit", "500"), (await Scene.RunAsync("explain", "tiny", "--json", "--state", _scene.State)).Output);

    private static async Task<HttpStatusCode> InferAsync(UpProcess up)
    {
        using var client = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };
        using var body = new StringContent(
            """{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]}""", Encoding.UTF8, "application/json");
        using var answer = await client.PostAsync(new Uri("/v2/models/tiny/infer", UriKind.Relative), body, Scene.Cancel);
        return answer.StatusCode;
    }
}
