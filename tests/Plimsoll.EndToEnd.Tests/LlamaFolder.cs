using System.Globalization;
using Plimsoll.Artifacts.Tests;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>A model in the hub's layout: a llama's config.json beside its tensors in bfloat16, whose data is a hole in the file.</summary>
internal static class LlamaFolder
{
    /// <summary>Two layers of width 64, 4 heads and 2 of keys and values: 106,816 parameters, 213,632 bytes.</summary>
    public static string WriteSmall(string folder) => Write(folder, layers: 2, hidden: 64, inner: 128, heads: 4, kvHeads: 2, vocabulary: 256);

    /// <summary>The shape of Llama 3.1 8B: 16,060,522,496 bytes of weights.</summary>
    public static string WriteLarge(string folder) => Write(folder, layers: 32, hidden: 4096, inner: 14336, heads: 32, kvHeads: 8, vocabulary: 128256);

    private static string Write(string folder, int layers, long hidden, long inner, int heads, int kvHeads, long vocabulary)
    {
        Directory.CreateDirectory(folder);
        var width = hidden / heads * kvHeads;
        List<(string, string, long[], long)> tensors =
            [Tensor("model.embed_tokens", vocabulary, hidden), Tensor("model.norm", hidden), Tensor("lm_head", vocabulary, hidden)];
        for (var i = 0; i < layers; i++)
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"model.layers.{i}");
            tensors.AddRange(
            [
                Tensor($"{at}.self_attn.q_proj", hidden, hidden), Tensor($"{at}.self_attn.k_proj", width, hidden),
                Tensor($"{at}.self_attn.v_proj", width, hidden), Tensor($"{at}.self_attn.o_proj", hidden, hidden),
                Tensor($"{at}.mlp.gate_proj", inner, hidden), Tensor($"{at}.mlp.up_proj", inner, hidden), Tensor($"{at}.mlp.down_proj", hidden, inner),
                Tensor($"{at}.input_layernorm", hidden), Tensor($"{at}.post_attention_layernorm", hidden),
            ]);
        }

        var (header, length) = SafetensorsBytes.Sparse([.. tensors]);
        using (var file = File.Create(Path.Combine(folder, "model.safetensors")))
        {
            file.Write(header);
            file.SetLength(length);
        }

        WriteConfiguration(folder, layers, hidden, inner, heads, kvHeads, vocabulary);
        return folder;
    }

    private static void WriteConfiguration(string folder, int layers, long hidden, long inner, int heads, int kvHeads, long vocabulary) =>
        File.WriteAllText(Path.Combine(folder, "config.json"), string.Create(CultureInfo.InvariantCulture,
            $$"""
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": {{hidden}}, "intermediate_size": {{inner}},
             "num_hidden_layers": {{layers}}, "num_attention_heads": {{heads}}, "num_key_value_heads": {{kvHeads}}, "vocab_size": {{vocabulary}},
             "max_position_embeddings": 2048, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
            """));

    private static (string, string, long[], long) Tensor(string name, params long[] shape) =>
        ($"{name}.weight", "BF16", shape, shape.Aggregate(2L, (bytes, axis) => bytes * axis));
}
