using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>
/// Small configurations of every family. One text holds the fields of them all, so that one family's fields meet another's
/// reader once its model_type is swapped.
/// </summary>
internal static class SmallConfigs
{
    public static readonly string[] Decoders =
    [
        "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "phi", "phi3", "starcoder2", "stablelm", "cohere", "cohere2", "granite", "olmo2",
        "internlm2", "glm4", "exaone4", "smollm3", "mixtral", "qwen2_moe", "qwen3_moe", "gpt_oss", "granitemoe", "olmoe", "glm4_moe", "dots1", "ernie4_5_moe",
        "minimax_m2", "llama4_text", "phimoe", "mimo_v2_flash", "step3p7", "deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa", "longcat_flash",
        "deepseek_v4", "qwen3_next", "qwen3_5_text", "qwen3_5_moe_text", "nemotron_h", "mamba", "mamba2", "kimi_linear", "nemotron-nas", "gemma4_text", "minimax_m3",
        "jamba", "gpt2", "gpt_bigcode", "gptj", "gpt_neox", "opt", "bloom", "falcon", "mpt", "baichuan", "no_such_model",
    ];

    public static readonly string[] Others =
        ["bert", "roberta", "electra", "distilbert", "modernbert", "t5", "mt5", "bart", "mbart", "whisper"];

    public static readonly string[] WithVision =
    [
        "gemma3", "gemma4", "llava", "llava_next", "mistral3", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "llama4", "kimi_vl",
        "kimi_k25", "kimi_k3", "minimax_m3_vl",
    ];

    /// <summary>The types a model with vision may have as its text.</summary>
    private static readonly Dictionary<string, string> TextOf = new(StringComparer.Ordinal)
    {
        ["gemma3"] = "gemma3_text",
        ["gemma4"] = "gemma4_text",
        ["mistral3"] = "mistral",
        ["qwen2_vl"] = "qwen2",
        ["qwen2_5_vl"] = "qwen2",
        ["qwen3_vl"] = "qwen3",
        ["qwen3_vl_moe"] = "qwen3_moe",
        ["qwen3_5"] = "qwen3_5_text",
        ["qwen3_5_moe"] = "qwen3_5_moe_text",
        ["llama4"] = "llama4_text",
        ["kimi_vl"] = "deepseek_v3",
        ["kimi_k25"] = "kimi_k2",
        ["kimi_k3"] = "kimi_linear",
    };

    public static readonly string[] Quantizations =
    [
        """{"quant_method":"fp8","weight_block_size":[128,128],"modules_to_not_convert":["lm_head"],"activation_scheme":"static"}""",
        """{"quant_method":"gptq","bits":4,"group_size":128,"lm_head":false}""",
        """{"quant_method":"awq","w_bit":4,"group_size":64,"modules_to_not_convert":["gate"]}""",
        """{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_use_double_quant":true}""",
        """{"quant_method":"bitsandbytes","load_in_8bit":true,"llm_int8_skip_modules":["lm_head"]}""",
        """{"quant_method":"mxfp4","modules_to_not_convert":["model.layers.*.self_attn","lm_head"]}""",
        """{"quant_method":"compressed-tensors","format":"pack-quantized","ignore":["lm_head","re:.*gate$"],"config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":4,"type":"int","group_size":128,"symmetric":false,"strategy":"group"}}}}""",
        """{"quant_method":"compressed-tensors","config_groups":{"g":{"targets":["re:.*mlp.*"],"input_activations":{"dynamic":false},"weights":{"num_bits":8,"type":"float","block_structure":[128,128],"strategy":"block"}}}}""",
        """{"quant_method":"modelopt","quant_algo":"NVFP4","ignore":["lm_head"],"quantized_layers":{"model.layers.0.mlp.up_proj":{"quant_algo":"FP8"}}}""",
        """{"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"-:.*self_attn.*":{},"+:.*down_proj":{"bits":8,"group_size":64},".*up_proj":{"bits":3}}}""",
        """{"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":4,"type":"int","group_size":128}},"group_1":{"targets":["re:.*mlp.*"],"weights":{"num_bits":8,"type":"int","group_size":64}}}}""",
    ];

    /// <summary>Classes without a vocabulary's head.</summary>
    public static readonly string[] Classes = ["FuzzedModel", "FuzzedForSequenceClassification", "FuzzedForTokenClassification", "Qwen2ForRewardModel"];

    private const string Fields = """
        "architectures":["FuzzedForCausalLM"],"torch_dtype":"bfloat16","hidden_size":64,"n_embd":64,"d_model":64,"dim":64,"vocab_size":256,"max_position_embeddings":512,
        "n_positions":512,"n_ctx":512,"num_hidden_layers":4,"n_layer":4,"num_layers":4,"n_layers":4,"num_attention_heads":4,"n_head":4,"n_heads":4,"num_key_value_heads":2,
        "head_dim":16,"intermediate_size":128,"ffn_dim":128,"tie_word_embeddings":false,"rope_theta":10000,"rope_scaling":{"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":128},
        "sliding_window":64,"layer_types":["full_attention","sliding_attention","full_attention","sliding_attention"],"partial_rotary_factor":0.5,"rotary_dim":8,
        "num_experts":8,"num_local_experts":8,"n_routed_experts":8,"moe_num_experts":8,"num_experts_per_tok":2,"moe_k":2,"moe_intermediate_size":32,"n_shared_experts":1,
        "shared_expert_intermediate_size":32,"first_k_dense_replace":1,"moe_layer_freq":1,"topk_method":"noaux_tc","num_nextn_predict_layers":1,
        "kv_lora_rank":16,"q_lora_rank":16,"qk_rope_head_dim":8,"qk_nope_head_dim":16,"v_head_dim":16,"index_n_heads":2,"index_head_dim":8,
        "compress_ratios":[0,4,8,4,0],"o_lora_rank":16,"o_groups":2,"hc_mult":2,"num_hash_layers":1,
        "linear_num_key_heads":2,"linear_num_value_heads":4,"linear_key_head_dim":8,"linear_value_head_dim":8,"full_attention_interval":2,"mtp_num_hidden_layers":1,
        "hybrid_override_pattern":"ME*-","mamba_num_heads":4,"mamba_head_dim":16,"ssm_state_size":8,"n_groups":2,"conv_kernel":4,"state_size":8,"num_heads":4,"expand":2,
        "mamba_d_state":8,"mamba_d_conv":4,"mamba_expand":2,"attn_layer_period":2,"attn_layer_offset":1,
        "linear_attn_config":{"num_heads":4,"head_dim":16,"short_conv_kernel_size":4,"full_attn_layers":[2,4]},
        "block_configs":[{"attention":{"n_heads_in_group":2},"ffn":{"ffn_mult":2.5}},{"attention":{"no_op":true},"ffn":{"no_op":true}},{"attention":{"n_heads_in_group":4},"ffn":{"ffn_mult":1.5}},{"attention":{"n_heads_in_group":1},"ffn":{"ffn_mult":2}}],
        "num_kv_shared_layers":1,"hidden_size_per_layer_input":8,"vocab_size_per_layer_input":256,"global_head_dim":32,"enable_moe_block":true,"top_k_experts":2,
        "sparse_attention_config":{"sparse_num_index_heads":2,"sparse_index_dim":8,"sparse_attention_freq":[0,1,1,1]},"shared_intermediate_size":32,
        "hybrid_layer_pattern":[0,1,0,1],"moe_layers":[1,2,3],"interleave_moe_layer_step":2,"attention_chunk_size":128,"intermediate_size_mlp":128,"use_qk_norm":true
        """;

    private const string MoreFields = """
        "type_vocab_size":2,"num_labels":2,"hidden_dim":128,"d_kv":16,"d_ff":128,"num_decoder_layers":2,"feed_forward_proj":"gated-gelu","encoder_layers":2,"decoder_layers":2,
        "encoder_ffn_dim":128,"decoder_ffn_dim":128,"decoder_attention_heads":4,"encoder_attention_heads":4,"max_source_positions":64,"max_target_positions":32,"num_mel_bins":80
        """;

    private const string Vision = """
        "vision_config":{"model_type":"v","hidden_size":32,"num_hidden_layers":2,"num_attention_heads":2,"intermediate_size":64,"image_size":28,"patch_size":14,"num_channels":3,
        "depth":2,"embed_dim":32,"num_heads":2,"mlp_ratio":2,"in_channels":3,"in_chans":3,"out_hidden_size":64,"spatial_merge_size":2,"temporal_patch_size":2,"num_position_embeddings":16,
        "deepstack_visual_indexes":[0,1],"init_pos_emb_height":8,"init_pos_emb_width":8,"merge_kernel_size":[2,2],"vt_hidden_size":32,"vt_num_hidden_layers":2,"vt_intermediate_size":64,
        "vt_num_attention_heads":2,"position_embedding_size":16,"projector_input_dim":64,"projector_output_dim":64,"vision_output_dim":64,"mm_hidden_size":32,"qkv_hidden_size":32,"num_key_value_heads":2,"head_dim":16}
        """;

    public static string Of(string type) => Array.IndexOf(WithVision, type) >= 0
        ? $$"""{"model_type":"{{type}}","architectures":["FuzzedForCausalLM"],{{Vision}},"image_grid_pinpoints":[[28,28],[28,56]],"mm_tokens_per_image":4,"text_config":{"model_type":"{{TextOf.GetValueOrDefault(type, "llama")}}",{{Fields}} } }"""
        : $$"""{"model_type":"{{type}}",{{Fields}},{{MoreFields}} }""";

    public static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>The same with a quantisation.</summary>
    public static string Quantized(string type, string quantization) => $$"""{{Of(type)[..^1]}},"quantization_config":{{quantization}} }""";

    /// <summary>The same under another class.</summary>
    private static string Classed(string type, string name) => Of(type).Replace("FuzzedForCausalLM", name, StringComparison.Ordinal);

    /// <summary>A text part that leaves out all that equals its type's defaults.</summary>
    private static string Sparse(string type) => $$"""{"model_type":"llava",{{Vision}},"text_config":{"model_type":"{{type}}","vocab_size":256} }""";

    public static byte[][] All { get; } =
    [
        .. Decoders.Concat(Others).Concat(WithVision).Select(type => Bytes(Of(type))),
        .. Classes.SelectMany(name => (byte[][])[Bytes(Classed("llama", name)), Bytes(Classed("gpt2", name)), Bytes(Classed("deepseek_v3", name))]),
        .. new[] { "llama", "mistral", "gemma2" }.Select(type => Bytes(Sparse(type))),
    ];

    /// <summary>Every quantisation on a dense model, on mixtures and on one with a tower of images.</summary>
    public static byte[][] AllQuantized { get; } =
    [
        .. Quantizations.SelectMany(one => (byte[][])[Bytes(Quantized("llama", one)), Bytes(Quantized("qwen3_moe", one)), Bytes(Quantized("deepseek_v3", one))]),
        .. Quantizations.Select(one => Bytes(Quantized("qwen2_5_vl", one))),
    ];
}
