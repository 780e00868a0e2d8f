using System.Text;
using Plimsoll.Tests;
using static Plimsoll.Artifacts.Tests.OnnxBytes;

namespace Plimsoll.Artifacts.Tests;

public sealed class WebFolderTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private FileServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await FileServer.StartAsync(_folder.Path);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public void A_sharded_model_of_400_GB_is_read_with_less_than_700_KB()
    {
        foreach (var (name, (beginning, length)) in ShardedModel.Files)
        {
            using var file = File.Create(_folder.File(name));
            file.Write(beginning);
            file.SetLength(length);
        }

        using var source = StubServer.Open($"{_server.Address}/", StubServer.Settings());
        ShardedModel.AssertRead(source);

        Assert.False(source.IsFile);
        Assert.Null(source.Files);
        Assert.InRange(_server.Announced, 200_000, 700_000);
        Assert.InRange(source.BytesRead, 200_000, 700_000);
    }

    [Fact]
    public void What_an_engine_reads_beside_the_weights_is_found_although_nobody_lists_it()
    {
        _folder.Write("config.json", ShardedModel.Config);
        _folder.Write("tokenizer.json", [1, 2, 3]);
        _folder.Write("README.md", [1]);
        using var source = StubServer.Open($"{_server.Address}/", StubServer.Settings());

        var header = source.ReadHeader();

        Assert.Equal(["config.json", "tokenizer.json"], header.Files.Select(file => file.Name));
        Assert.Equal(["config.json 42", "tokenizer.json 3"], source.FilesToFetch().Select(file => $"{file.Name} {file.Bytes}"));
    }

    [Fact]
    public void A_pipeline_that_nobody_lists_is_fetched_with_its_tokenizers_and_schedulers_or_says_what_was_not_found()
    {
        foreach (var part in new[] { "unet", "tokenizer", "scheduler" }) Directory.CreateDirectory(_folder.File(part));
        _folder.Write("model_index.json", Encoding.UTF8.GetBytes("""
            {"unet":["diffusers","UNet2DConditionModel"],"tokenizer":["transformers","CLIPTokenizer"],"scheduler":["diffusers","DDIMScheduler"],
             "watermark":["own","Watermark"],"image_encoder":[null,null]}
            """));
        _folder.Write("unet/config.json", Encoding.UTF8.GetBytes("{}"));
        _folder.Write("unet/diffusion_pytorch_model.safetensors", SafetensorsBytes.File(("u", "BF16", [2, 2], 8)));
        _folder.Write("tokenizer/vocab.json", [1, 2]);
        _folder.Write("tokenizer/merges.txt", [1]);
        _folder.Write("scheduler/scheduler_config.json", [1, 2, 3]);
        using var source = StubServer.Open($"{_server.Address}/", StubServer.Settings());

        var header = source.ReadHeader();

        string[] names =
        [
            "model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt", "tokenizer/vocab.json", "unet/config.json",
            "unet/diffusion_pytorch_model.safetensors",
        ];
        Assert.Equal(names, header.Files.Select(file => file.Name).Order(StringComparer.Ordinal));
        Assert.Equal(names, source.FilesToFetch().Select(file => file.Name));
        Assert.Equal("Its server does not list its files, and none of a usual name was found of 'watermark': fetched from there, the pipeline may lack them.",
            Assert.Single(header.Notes));
    }

    [Fact]
    public void A_graph_beside_a_configuration_is_read_although_nobody_lists_it()
    {
        _folder.Write("config.json", ShardedModel.Config);
        _folder.Write("model.onnx", Model(Tensor(1, [2, 3], Number(14, 1), Entry("location", "model.onnx_data"))));
        _folder.Write("model.onnx_data", new byte[24]);
        using var source = StubServer.Open($"{_server.Address}/", StubServer.Settings());

        var header = source.ReadHeader();

        Assert.Equal((ArtifactFormat.Onnx, 24L), (header.Format, Assert.Single(header.Tensors).Bytes));
        string[] names = ["config.json", "model.onnx", "model.onnx_data"];
        Assert.Equal(names, header.Files.Select(file => file.Name).Order(StringComparer.Ordinal));
        Assert.Equal(names, source.FilesToFetch().Select(file => file.Name));
    }

    [Fact]
    public void A_configuration_whose_weights_are_not_found_says_that_nobody_lists_them()
    {
        _folder.Write("config.json", ShardedModel.Config);
        using var source = StubServer.Open($"{_server.Address}/", StubServer.Settings());

        Assert.StartsWith("There are no weights of a usual name beside config.json, and its server does not list what else lies there",
            Assert.Single(source.ReadHeader().Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_public_bucket_that_says_forbidden_of_what_is_not_there_is_a_folder_all_the_same()
    {
        _folder.Write("config.json", ShardedModel.Config);
        _server.Instead = context =>
        {
            if (File.Exists(_folder.File(context.Request.Path.Value![1..]))) return Task.FromResult(false);
            context.Response.StatusCode = 403;
            return Task.FromResult(true);
        };
        using var source = StubServer.Open($"{_server.Address}/", StubServer.Settings());
        using var nothing = StubServer.Open($"{_server.Address}/none/", StubServer.Settings());

        Assert.Equal("config.json", Assert.Single(source.FilesToFetch()).Name);
        Assert.Contains("answered 403 Forbidden", Assert.Throws<ArtifactException>(nothing.FilesToFetch).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_holds_nothing_known_is_told()
    {
        using var source = StubServer.Open($"{_server.Address}/", StubServer.Settings());

        Assert.Contains("has neither config.json nor another file", Assert.Throws<ArtifactException>(source.FilesToFetch).Message, StringComparison.Ordinal);
        Assert.Contains("holds no file of a name that is known", Assert.Throws<ArtifactException>(source.ReadHeader).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_without_a_slash_is_found_and_a_user_and_a_query_go_along()
    {
        Directory.CreateDirectory(_folder.File("llama-3.1"));
        _folder.Write("llama-3.1/config.json", [1, 2]);
        var seen = new List<string>();
        _server.Instead = context =>
        {
            seen.Add($"{context.Request.Path}{context.Request.QueryString} {context.Request.Headers.Authorization}");
            return Task.FromResult(false);
        };

        using var source = StubServer.Open($"{_server.Address.Replace("://", "://me:pw@", StringComparison.Ordinal)}/llama-3.1?sig=s", StubServer.Settings());

        Assert.False(source.IsFile);
        Assert.Equal(2, source.OpenFolder().Open("config.json")!.Length);
        Assert.Null(source.OpenFolder().Open("model.safetensors"));
        Assert.Equal(["/llama-3.1?sig=s Basic bWU6cHc=", "/llama-3.1/config.json?sig=s Basic bWU6cHc=", "/llama-3.1/model.safetensors?sig=s Basic bWU6cHc="], seen);
        Assert.Equal($"{_server.Address}/llama-3.1", source.Shown);
    }

    [Fact]
    public void A_user_is_not_told_to_the_host_that_a_redirect_leads_to()
    {
        _folder.Write("m.gguf", [1, 2, 3]);
        var seen = new List<string>();
        _server.Instead = context =>
        {
            seen.Add($"{context.Request.Host.Host} {context.Request.Headers.Authorization}");
            if (context.Request.Host.Host != "127.0.0.1") return Task.FromResult(false);
            context.Response.Redirect($"{_server.Address.Replace("127.0.0.1", "localhost", StringComparison.Ordinal)}/m.gguf");
            return Task.FromResult(true);
        };

        using var source = StubServer.Open($"{_server.Address.Replace("://", "://me:pw@", StringComparison.Ordinal)}/m.gguf", StubServer.Settings());

        Assert.Equal(["127.0.0.1 Basic bWU6cHc=", "localhost "], seen);
    }

    [Fact]
    public void A_volume_claim_is_where_it_is_mounted_or_says_what_would_do()
    {
        Directory.CreateDirectory(_folder.File("claim/models"));
        _folder.Write("claim/models/m.gguf", [1]);

        using var source = StubServer.Open("pvc://claim/models", StubServer.Settings(("PLIMSOLL_PVC_ROOT", _folder.Path)));
        using var file = ArtifactSource.Open(SourceAddress.Parse("pvc://claim/models/m.gguf"), new SourceSettings { ClaimRoot = _folder.Path },
            TimeProvider.System, TestContext.Current.CancellationToken);

        Assert.Equal(_folder.File("claim/models"), source.LocalPath);
        Assert.Equal((true, 1L), (file.IsFile, file.OpenFile().Length));
        Assert.Contains("with PLIMSOLL_PVC_ROOT=/mnt it would be /mnt/claim/models.", StubServer.Refusal("pvc://claim/models", StubServer.Settings()), StringComparison.Ordinal);
        Assert.StartsWith("pvc://none does not exist: there is no ", StubServer.Refusal("pvc://none", StubServer.Settings(("PLIMSOLL_PVC_ROOT", _folder.Path))), StringComparison.Ordinal);
    }
}
