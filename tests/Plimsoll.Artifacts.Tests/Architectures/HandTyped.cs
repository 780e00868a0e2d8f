using System.Globalization;

namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>
/// Tensors of published models, their names and shapes typed by hand from the architectures as published. A name with
/// {i} stands for one tensor a layer, one with {e} for one an expert as well.
/// </summary>
internal sealed record HandTyped(string Model, int Layers, int Experts, string Dtype, (string Name, long[] Shape)[] Tensors)
{
    public static readonly HandTyped Llama2 = new("meta-llama/Llama-2-7b-hf", 32, 0, "float16",
    [
        ("model.embed_tokens.weight", [32000, 4096]),
        ("model.layers.{i}.input_layernorm.weight", [4096]),
        ("model.layers.{i}.self_attn.q_proj.weight", [4096, 4096]),
        ("model.layers.{i}.self_attn.k_proj.weight", [4096, 4096]),
        ("model.layers.{i}.self_attn.v_proj.weight", [4096, 4096]),
        ("model.layers.{i}.self_attn.o_proj.weight", [4096, 4096]),
        ("model.layers.{i}.post_attention_layernorm.weight", [4096]),
        ("model.layers.{i}.mlp.gate_proj.weight", [11008, 4096]),
        ("model.layers.{i}.mlp.up_proj.weight", [11008, 4096]),
        ("model.layers.{i}.mlp.down_proj.weight", [4096, 11008]),
        ("model.norm.weight", [4096]),
        ("lm_head.weight", [32000, 4096]),
    ]);

    /// <summary>Tied: no head in the files.</summary>
    public static readonly HandTyped Qwen25 = new("Qwen/Qwen2.5-1.5B", 28, 0, "bfloat16",
    [
        ("model.embed_tokens.weight", [151936, 1536]),
        ("model.layers.{i}.input_layernorm.weight", [1536]),
        ("model.layers.{i}.self_attn.q_proj.weight", [1536, 1536]),
        ("model.layers.{i}.self_attn.q_proj.bias", [1536]),
        ("model.layers.{i}.self_attn.k_proj.weight", [256, 1536]),
        ("model.layers.{i}.self_attn.k_proj.bias", [256]),
        ("model.layers.{i}.self_attn.v_proj.weight", [256, 1536]),
        ("model.layers.{i}.self_attn.v_proj.bias", [256]),
        ("model.layers.{i}.self_attn.o_proj.weight", [1536, 1536]),
        ("model.layers.{i}.post_attention_layernorm.weight", [1536]),
        ("model.layers.{i}.mlp.gate_proj.weight", [8960, 1536]),
        ("model.layers.{i}.mlp.up_proj.weight", [8960, 1536]),
        ("model.layers.{i}.mlp.down_proj.weight", [1536, 8960]),
        ("model.norm.weight", [1536]),
    ]);

    public static readonly HandTyped Mixtral = new("mistralai/Mixtral-8x7B-v0.1", 32, 8, "bfloat16",
    [
        ("model.embed_tokens.weight", [32000, 4096]),
        ("model.layers.{i}.input_layernorm.weight", [4096]),
        ("model.layers.{i}.self_attn.q_proj.weight", [4096, 4096]),
        ("model.layers.{i}.self_attn.k_proj.weight", [1024, 4096]),
        ("model.layers.{i}.self_attn.v_proj.weight", [1024, 4096]),
        ("model.layers.{i}.self_attn.o_proj.weight", [4096, 4096]),
        ("model.layers.{i}.post_attention_layernorm.weight", [4096]),
        ("model.layers.{i}.block_sparse_moe.gate.weight", [8, 4096]),
        ("model.layers.{i}.block_sparse_moe.experts.{e}.w1.weight", [14336, 4096]),
        ("model.layers.{i}.block_sparse_moe.experts.{e}.w2.weight", [4096, 14336]),
        ("model.layers.{i}.block_sparse_moe.experts.{e}.w3.weight", [14336, 4096]),
        ("model.norm.weight", [4096]),
        ("lm_head.weight", [32000, 4096]),
    ]);

    public static readonly HandTyped Gemma2 = new("google/gemma-2-2b-it", 26, 0, "bfloat16",
    [
        ("model.embed_tokens.weight", [256000, 2304]),
        ("model.layers.{i}.input_layernorm.weight", [2304]),
        ("model.layers.{i}.self_attn.q_proj.weight", [2048, 2304]),
        ("model.layers.{i}.self_attn.k_proj.weight", [1024, 2304]),
        ("model.layers.{i}.self_attn.v_proj.weight", [1024, 2304]),
        ("model.layers.{i}.self_attn.o_proj.weight", [2304, 2048]),
        ("model.layers.{i}.post_attention_layernorm.weight", [2304]),
        ("model.layers.{i}.pre_feedforward_layernorm.weight", [2304]),
        ("model.layers.{i}.mlp.gate_proj.weight", [9216, 2304]),
        ("model.layers.{i}.mlp.up_proj.weight", [9216, 2304]),
        ("model.layers.{i}.mlp.down_proj.weight", [2304, 9216]),
        ("model.layers.{i}.post_feedforward_layernorm.weight", [2304]),
        ("model.norm.weight", [2304]),
    ]);

    public static readonly HandTyped Phi2 = new("microsoft/phi-2", 32, 0, "float16",
    [
        ("model.embed_tokens.weight", [51200, 2560]),
        ("model.layers.{i}.input_layernorm.weight", [2560]),
        ("model.layers.{i}.input_layernorm.bias", [2560]),
        ("model.layers.{i}.self_attn.q_proj.weight", [2560, 2560]),
        ("model.layers.{i}.self_attn.q_proj.bias", [2560]),
        ("model.layers.{i}.self_attn.k_proj.weight", [2560, 2560]),
        ("model.layers.{i}.self_attn.k_proj.bias", [2560]),
        ("model.layers.{i}.self_attn.v_proj.weight", [2560, 2560]),
        ("model.layers.{i}.self_attn.v_proj.bias", [2560]),
        ("model.layers.{i}.self_attn.dense.weight", [2560, 2560]),
        ("model.layers.{i}.self_attn.dense.bias", [2560]),
        ("model.layers.{i}.mlp.fc1.weight", [10240, 2560]),
        ("model.layers.{i}.mlp.fc1.bias", [10240]),
        ("model.layers.{i}.mlp.fc2.weight", [2560, 10240]),
        ("model.layers.{i}.mlp.fc2.bias", [2560]),
        ("model.final_layernorm.weight", [2560]),
        ("model.final_layernorm.bias", [2560]),
        ("lm_head.weight", [51200, 2560]),
        ("lm_head.bias", [51200]),
    ]);

    public static readonly HandTyped Gpt2 = new("gpt2", 12, 0, "float32",
    [
        ("wte.weight", [50257, 768]),
        ("wpe.weight", [1024, 768]),
        ("h.{i}.ln_1.weight", [768]),
        ("h.{i}.ln_1.bias", [768]),
        ("h.{i}.attn.c_attn.weight", [768, 2304]),
        ("h.{i}.attn.c_attn.bias", [2304]),
        ("h.{i}.attn.c_proj.weight", [768, 768]),
        ("h.{i}.attn.c_proj.bias", [768]),
        ("h.{i}.ln_2.weight", [768]),
        ("h.{i}.ln_2.bias", [768]),
        ("h.{i}.mlp.c_fc.weight", [768, 3072]),
        ("h.{i}.mlp.c_fc.bias", [3072]),
        ("h.{i}.mlp.c_proj.weight", [3072, 768]),
        ("h.{i}.mlp.c_proj.bias", [768]),
        ("ln_f.weight", [768]),
        ("ln_f.bias", [768]),
    ]);

    /// <summary>The experts' weights in blocks of 32 four-bit floats, 16 bytes each, with one scale a block.</summary>
    public static readonly HandTyped GptOss = new("openai/gpt-oss-20b", 24, 0, "bfloat16",
    [
        ("model.embed_tokens.weight", [201088, 2880]),
        ("model.layers.{i}.input_layernorm.weight", [2880]),
        ("model.layers.{i}.self_attn.q_proj.weight", [4096, 2880]),
        ("model.layers.{i}.self_attn.q_proj.bias", [4096]),
        ("model.layers.{i}.self_attn.k_proj.weight", [512, 2880]),
        ("model.layers.{i}.self_attn.k_proj.bias", [512]),
        ("model.layers.{i}.self_attn.v_proj.weight", [512, 2880]),
        ("model.layers.{i}.self_attn.v_proj.bias", [512]),
        ("model.layers.{i}.self_attn.o_proj.weight", [2880, 4096]),
        ("model.layers.{i}.self_attn.o_proj.bias", [2880]),
        ("model.layers.{i}.self_attn.sinks", [64]),
        ("model.layers.{i}.post_attention_layernorm.weight", [2880]),
        ("model.layers.{i}.mlp.router.weight", [32, 2880]),
        ("model.layers.{i}.mlp.router.bias", [32]),
        ("uint8:model.layers.{i}.mlp.experts.gate_up_proj_blocks", [32, 5760, 90, 16]),
        ("uint8:model.layers.{i}.mlp.experts.gate_up_proj_scales", [32, 5760, 90]),
        ("model.layers.{i}.mlp.experts.gate_up_proj_bias", [32, 5760]),
        ("uint8:model.layers.{i}.mlp.experts.down_proj_blocks", [32, 2880, 90, 16]),
        ("uint8:model.layers.{i}.mlp.experts.down_proj_scales", [32, 2880, 90]),
        ("model.layers.{i}.mlp.experts.down_proj_bias", [32, 2880]),
        ("model.norm.weight", [2880]),
        ("lm_head.weight", [201088, 2880]),
    ]);

    /// <summary>One dense layer, then 26 of 64 experts and two shared ones in one; typed out for each kind of layer.</summary>
    public static readonly HandTyped DeepSeekLite = new("deepseek-ai/DeepSeek-V2-Lite-Chat", 27, 64, "bfloat16",
    [
        ("model.embed_tokens.weight", [102400, 2048]),
        ("model.layers.{i}.input_layernorm.weight", [2048]),
        ("model.layers.{i}.self_attn.q_proj.weight", [3072, 2048]),
        ("model.layers.{i}.self_attn.kv_a_proj_with_mqa.weight", [576, 2048]),
        ("model.layers.{i}.self_attn.kv_a_layernorm.weight", [512]),
        ("model.layers.{i}.self_attn.kv_b_proj.weight", [4096, 512]),
        ("model.layers.{i}.self_attn.o_proj.weight", [2048, 2048]),
        ("model.layers.{i}.post_attention_layernorm.weight", [2048]),
        ("model.layers.0.mlp.gate_proj.weight", [10944, 2048]),
        ("model.layers.0.mlp.up_proj.weight", [10944, 2048]),
        ("model.layers.0.mlp.down_proj.weight", [2048, 10944]),
        ("model.layers.{i>0}.mlp.gate.weight", [64, 2048]),
        ("model.layers.{i>0}.mlp.shared_experts.gate_proj.weight", [2816, 2048]),
        ("model.layers.{i>0}.mlp.shared_experts.up_proj.weight", [2816, 2048]),
        ("model.layers.{i>0}.mlp.shared_experts.down_proj.weight", [2048, 2816]),
        ("model.layers.{i>0}.mlp.experts.{e}.gate_proj.weight", [1408, 2048]),
        ("model.layers.{i>0}.mlp.experts.{e}.up_proj.weight", [1408, 2048]),
        ("model.layers.{i>0}.mlp.experts.{e}.down_proj.weight", [2048, 1408]),
        ("model.norm.weight", [2048]),
        ("lm_head.weight", [102400, 2048]),
    ]);

    /// <summary>The models with their published counts, and bytes by hand: at two bytes a parameter where nothing is said.</summary>
    public static TheoryData<string, long, long> Published => new()
    {
        { "Llama2", 6_738_415_616, 13_476_831_232 },
        { "Qwen25", 1_543_714_304, 3_087_428_608 },
        { "Mixtral", 46_702_792_704, 93_405_585_408 },
        { "Gemma2", 2_614_341_888, 5_228_683_776 },
        { "Phi2", 2_779_683_840, 5_559_367_680 },
        // Four bytes each.
        { "Gpt2", 124_439_808, 497_759_232 },
        // 19,110,297,600 weights of experts at 17/32 of a byte, 1,804,459,584 others at two bytes.
        { "GptOss", 20_914_757_184, 13_761_264_768 },
        { "DeepSeekLite", 15_706_484_224, 31_412_968_448 },
    };

    public static HandTyped Named(string name) => name switch
    {
        "Llama2" => Llama2,
        "Qwen25" => Qwen25,
        "Mixtral" => Mixtral,
        "Gemma2" => Gemma2,
        "Phi2" => Phi2,
        "Gpt2" => Gpt2,
        "GptOss" => GptOss,
        _ => DeepSeekLite,
    };

    /// <summary>The model's published configuration, as far as it bears on weight.</summary>
    public static string Configuration(HandTyped typed) => typed.Model switch
    {
        "gpt2" => """{"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","n_ctx":1024,"n_embd":768,"n_head":12,"n_layer":12,"n_positions":1024,"vocab_size":50257}""",
        "Qwen/Qwen2.5-1.5B" => """
            {"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","hidden_size":1536,"intermediate_size":8960,"max_position_embeddings":131072,
             "num_attention_heads":12,"num_hidden_layers":28,"num_key_value_heads":2,"tie_word_embeddings":true,"torch_dtype":"bfloat16","vocab_size":151936}
            """,
        "mistralai/Mixtral-8x7B-v0.1" => PublicData.Configuration("mistralai/Mixtral-8x7B-Instruct-v0.1"),
        _ => PublicData.Configuration(typed.Model),
    };

    /// <summary>Every tensor, written out.</summary>
    public IEnumerable<StoredTensor> Written()
    {
        foreach (var (named, shape) in Tensors)
        {
            var (dtype, pattern) = named.Split(':') is [var own, var rest] ? (own, rest) : (Dtype, named);
            var width = dtype switch { "float32" => 4, "uint8" => 1, _ => 2 };
            foreach (var name in Names(pattern))
                yield return new StoredTensor(name, dtype, [.. shape], shape.Aggregate(1L, (product, size) => product * size) * width);
        }
    }

    private IEnumerable<string> Names(string pattern)
    {
        if (!pattern.Contains("{i", StringComparison.Ordinal))
            return [pattern];
        var first = pattern.Contains("{i>0}", StringComparison.Ordinal) ? 1 : 0;
        var layers = Enumerable.Range(first, Layers - first).Select(i => pattern.Replace("{i>0}", Text(i), StringComparison.Ordinal).Replace("{i}", Text(i), StringComparison.Ordinal));
        return pattern.Contains("{e}", StringComparison.Ordinal)
            ? layers.SelectMany(layer => Enumerable.Range(0, Experts).Select(e => layer.Replace("{e}", Text(e), StringComparison.Ordinal)))
            : layers;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
