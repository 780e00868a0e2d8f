using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Plimsoll.Artifacts.Tests;

namespace Plimsoll.Kubernetes.Tests.Operator.EndToEnd;

/// <summary>The shape of a model that follows Llama's architecture.</summary>
internal sealed record LlamaShape(int Layers, long Hidden, long Inner, int Heads, int KvHeads, long Vocabulary);

/// <summary>
/// A hub of models on loopback, whose safetensors files have real headers and, past them, nothing: shapes typed by hand, and
/// as many bytes as those take. Whoever asks for more than the header is sent zeros.
/// </summary>
internal sealed class ModelHub : IAsyncDisposable
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly Dictionary<string, (byte[] Header, long Length, byte[] Configuration)> _models = [];
    private StubServer _server = null!;

    /// <summary>What leads a process to this hub, and to nothing that this machine has.</summary>
    public string[] Environment => [$"HF_ENDPOINT={_server.Address}", "HF_HOME=/nonexistent", "HF_TOKEN="];

    public static async Task<ModelHub> StartAsync(IEnumerable<(string Name, LlamaShape Shape)> models)
    {
        var hub = new ModelHub();
        foreach (var (name, shape) in models)
        {
            var (header, length) = SafetensorsBytes.Sparse([.. Tensors(shape)]);
            hub._models[name] = (header, length, Encoding.UTF8.GetBytes(Configuration(shape)));
        }

        hub._server = await StubServer.StartAsync(hub.AnswerAsync);
        return hub;
    }

    /// <summary>Bytes of a model's weights.</summary>
    public long WeightsOf(string name) => _models[name].Length - _models[name].Header.Length;

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private Task AnswerAsync(StubServer server, HttpContext context)
    {
        var parts = context.Request.Path.Value![1..].Split('/');
        if (parts is ["api", "models", "org", var name, "revision", _] && _models.TryGetValue(name, out var listed))
        {
            return server.TextAsync(context, string.Create(CultureInfo.InvariantCulture, $$"""
                {"id":"org/{{name}}","sha":"{{Commit}}","siblings":[
                  {"rfilename":"model.safetensors","size":{{listed.Length}},"blobId":"w","lfs":{"sha256":"{{Convert.ToHexStringLower(SHA256.HashData(listed.Header))}}","size":{{listed.Length}} } },
                  {"rfilename":"config.json","size":{{listed.Configuration.Length}},"blobId":"c"}]}
                """));
        }

        if (parts is not ["org", var model, "resolve", Commit, var file] || !_models.TryGetValue(model, out var found)) return server.TextAsync(context, "", 404);
        return file == "config.json" ? server.SendAsync(context, found.Configuration, found.Configuration.Length) : server.SendAsync(context, found.Header, found.Length);
    }

    private static IEnumerable<(string, string, long[], long)> Tensors(LlamaShape shape)
    {
        var (hidden, width) = (shape.Hidden, shape.Hidden / shape.Heads * shape.KvHeads);
        yield return Tensor("model.embed_tokens", shape.Vocabulary, hidden);
        yield return Tensor("model.norm", hidden);
        yield return Tensor("lm_head", shape.Vocabulary, hidden);
        for (var i = 0; i < shape.Layers; i++)
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"model.layers.{i}");
            yield return Tensor($"{at}.self_attn.q_proj", hidden, hidden);
            yield return Tensor($"{at}.self_attn.k_proj", width, hidden);
            yield return Tensor($"{at}.self_attn.v_proj", width, hidden);
            yield return Tensor($"{at}.self_attn.o_proj", hidden, hidden);
            yield return Tensor($"{at}.mlp.gate_proj", shape.Inner, hidden);
            yield return Tensor($"{at}.mlp.up_proj", shape.Inner, hidden);
            yield return Tensor($"{at}.mlp.down_proj", hidden, shape.Inner);
            yield return Tensor($"{at}.input_layernorm", hidden);
            yield return Tensor($"{at}.post_attention_layernorm", hidden);
        }
    }

    private static (string, string, long[], long) Tensor(string name, params long[] shape) =>
        ($"{name}.weight", "BF16", shape, shape.Aggregate(2L, (bytes, axis) => bytes * axis));

    private static string Configuration(LlamaShape shape) => string.Create(CultureInfo.InvariantCulture, $$"""
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": {{shape.Hidden}}, "intermediate_size": {{shape.Inner}},
         "num_hidden_layers": {{shape.Layers}}, "num_attention_heads": {{shape.Heads}}, "num_key_value_heads": {{shape.KvHeads}},
         "vocab_size": {{shape.Vocabulary}}, "max_position_embeddings": 2048, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
        """);
}
