using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Plimsoll.Bench;

/// <summary>
/// A mixture of experts in Qwen3-MoE's layout: 94 layers, 4,096 wide, every expert's three matrices a tensor of its own, as
/// it is published; about 400 GB in bfloat16. Only headers are written: the files are sparse.
/// </summary>
internal static class MixtureFolder
{
    private const int Layers = 94;
    private const int Hidden = 4096;
    private const int Vocabulary = 151_936;

    /// <summary>Writes it.</summary>
    /// <param name="folder">Where.</param>
    /// <param name="shards">Files of weights.</param>
    /// <param name="experts">Experts of a layer: 70 make 20,589 tensors, 354 make 100,677.</param>
    /// <returns>Tensors and their bytes.</returns>
    public static (int Tensors, long Bytes) Write(string folder, int shards, int experts)
    {
        // 400 GB over all experts' matrices, in steps of 16.
        var width = (int)(392_500_000_000L / ((long)Layers * experts * 3 * Hidden * 2) / 16 * 16);
        var tensors = Tensors(experts, width).ToList();
        var bytes = tensors.Sum(tensor => Size(tensor.Shape));
        File.WriteAllText(Path.Combine(folder, "config.json"), string.Create(CultureInfo.InvariantCulture,
            $$"""
            {"architectures":["Qwen3MoeForCausalLM"],"model_type":"qwen3_moe","torch_dtype":"bfloat16","hidden_size":{{Hidden}},"num_hidden_layers":{{Layers}},
             "num_attention_heads":64,"num_key_value_heads":4,"head_dim":128,"intermediate_size":12288,"moe_intermediate_size":{{width}},"num_experts":{{experts}},
             "num_experts_per_tok":8,"decoder_sparse_step":1,"mlp_only_layers":[],"vocab_size":{{Vocabulary}},"max_position_embeddings":40960,"tie_word_embeddings":false}
            """));
        var map = new StringBuilder();
        var (next, written) = (0, 0L);
        for (var shard = 0; shard < shards; shard++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:00000}-of-{shards:00000}.safetensors");
            var header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
            var at = 0L;
            for (; next < tensors.Count && (written < bytes / shards * (shard + 1) || shard == shards - 1); next++)
            {
                var (tensor, shape) = tensors[next];
                var size = Size(shape);
                header.Append(CultureInfo.InvariantCulture, $",\"{tensor}\":{{\"dtype\":\"BF16\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{at},{at + size}]}}");
                map.Append(CultureInfo.InvariantCulture, $"{(map.Length > 0 ? "," : "")}\"{tensor}\":\"{name}\"");
                (at, written) = (at + size, written + size);
            }

            WriteSparse(Path.Combine(folder, name), header.Append('}').ToString(), at);
        }

        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), $$$"""{"metadata":{"total_size":{{{bytes}}}},"weight_map":{""" + map + "}}");
        return (tensors.Count, bytes);
    }

    private static void WriteSparse(string path, string header, long data)
    {
        var text = Encoding.UTF8.GetBytes(header);
        using var file = File.Create(path);
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, text.Length);
        file.Write(length);
        file.Write(text);
        file.SetLength(8 + text.Length + data);
    }

    private static long Size(long[] shape) => 2 * shape.Aggregate(1L, (product, size) => product * size);

    private static IEnumerable<(string Name, long[] Shape)> Tensors(int experts, int width)
    {
        yield return ("model.embed_tokens.weight", [Vocabulary, Hidden]);
        for (var i = 0; i < Layers; i++)
        {
            var layer = $"model.layers.{i}";
            for (var expert = 0; expert < experts; expert++)
            {
                yield return ($"{layer}.mlp.experts.{expert}.down_proj.weight", [Hidden, width]);
                yield return ($"{layer}.mlp.experts.{expert}.gate_proj.weight", [width, Hidden]);
                yield return ($"{layer}.mlp.experts.{expert}.up_proj.weight", [width, Hidden]);
            }

            yield return ($"{layer}.mlp.gate.weight", [experts, Hidden]);
            yield return ($"{layer}.input_layernorm.weight", [Hidden]);
            yield return ($"{layer}.post_attention_layernorm.weight", [Hidden]);
            yield return ($"{layer}.self_attn.q_norm.weight", [128]);
            yield return ($"{layer}.self_attn.k_norm.weight", [128]);
            yield return ($"{layer}.self_attn.q_proj.weight", [8192, Hidden]);
            yield return ($"{layer}.self_attn.k_proj.weight", [512, Hidden]);
            yield return ($"{layer}.self_attn.v_proj.weight", [512, Hidden]);
            yield return ($"{layer}.self_attn.o_proj.weight", [Hidden, 8192]);
        }

        yield return ("model.norm.weight", [Hidden]);
        yield return ("lm_head.weight", [Vocabulary, Hidden]);
    }
}
