using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Decoders from before Llama's build became usual: learned positions, biases, fused projections.</summary>
internal static class LegacyFamily
{
    private static readonly Dictionary<string, Func<DecoderFields, ArchitectureSpec>> ByType = new(StringComparer.Ordinal)
    {
        ["gpt2"] = Gpt2,
        ["gpt_bigcode"] = Gpt2,
        ["gpt_neox"] = NeoX,
        ["gptj"] = GptJ,
        ["opt"] = Opt,
        ["bloom"] = Bloom,
        ["falcon"] = Falcon,
        ["RefinedWeb"] = Falcon,
        ["RefinedWebModel"] = Falcon,
        ["phi"] = Phi,
        ["mpt"] = Mpt,
    };

    public static IEnumerable<string> Types => ByType.Keys;

    public static ArchitectureSpec Read(DecoderFields fields, string type) => ByType[type](fields);

    private static ArchitectureSpec Gpt2(DecoderFields fields)
    {
        var one = fields.Config.Bool("multi_query");
        var width = fields.Config.OptionalInt("n_inner") ?? checked(4 * fields.Hidden);
        var layer = new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), one ? 1 : fields.Heads, fields.HeadWidth)
            {
                QueryBias = true,
                OutBias = true,
                Names = new AttentionNames("attn", "", "", "", "c_proj", Fused: "c_attn"),
            },
            new FeedForward.Dense(width, Gated: false) { Bias = true, Names = new DenseNames("mlp", "", "c_fc", "c_proj") });
        return Uniform(fields, layer, new DecoderForm
        {
            Embedding = "wte",
            LayersName = "h",
            LayerNorms = ["ln_1", "ln_2"],
            FinalNorm = "ln_f",
            NormBias = true,
            Positions = ("wpe", fields.Config.Positive("n_positions", "n_ctx", "max_position_embeddings")),
        }, tied: true, root: "transformer") with
        { DefaultDtype = "float32" };
    }

    private static ArchitectureSpec NeoX(DecoderFields fields)
    {
        var bias = fields.Config.Bool("attention_bias", true);
        return Uniform(fields, new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), fields.Heads, fields.HeadWidth)
            {
                QueryBias = bias,
                OutBias = bias,
                Names = new AttentionNames("attention", "", "", "", "dense", Fused: "query_key_value"),
            },
            new FeedForward.Dense(fields.Width, Gated: false) { Bias = true, Names = new DenseNames("mlp", "", "dense_h_to_4h", "dense_4h_to_h") }),
            new DecoderForm { Embedding = "embed_in", FinalNorm = "final_layer_norm", NormBias = true }, tied: false, root: "gpt_neox") with
        {
            RotaryWidth = (int)(fields.HeadWidth * (fields.Config.Number("rotary_pct") ?? 0.25)),
        };
    }

    private static ArchitectureSpec GptJ(DecoderFields fields) => Uniform(fields, new LayerSpec(
        new Mixer.Attention(fields.NeedHeads(), fields.Heads, fields.HeadWidth)
        {
            Names = new AttentionNames("attn", "q_proj", "k_proj", "v_proj", "out_proj"),
        },
        new FeedForward.Dense(fields.Config.OptionalInt("n_inner") ?? checked(4 * fields.Hidden), Gated: false)
        {
            Bias = true,
            Names = new DenseNames("mlp", "", "fc_in", "fc_out"),
        }),
        new DecoderForm { Embedding = "wte", LayersName = "h", LayerNorms = ["ln_1"], FinalNorm = "ln_f", NormBias = true, HeadBias = true },
        tied: false, root: "transformer") with
    { RotaryWidth = fields.Config.Int("rotary_dim", 64) };

    private static ArchitectureSpec Opt(DecoderFields fields)
    {
        var config = fields.Config;
        var bias = config.Bool("enable_bias", true);
        var projected = config.Int("word_embed_proj_dim", fields.Hidden);
        return Uniform(fields, new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), fields.Heads, fields.HeadWidth)
            {
                QueryBias = bias,
                KeyBias = bias,
                ValueBias = bias,
                OutBias = bias,
                Names = AttentionNames.Llama with { Out = "out_proj" },
            },
            new FeedForward.Dense(fields.Width, Gated: false) { Bias = bias, Names = new DenseNames("", "", "fc1", "fc2") }),
            new DecoderForm
            {
                EmbeddingWidth = projected,
                LayerNorms = ["self_attn_layer_norm", "final_layer_norm"],
                NormBias = true,
                FinalNorm = config.Bool("do_layer_norm_before", true) && !config.Bool("_remove_final_layer_norm") ? "final_layer_norm" : "",
                // Position 0 lies two rows in, after its padding.
                Positions = ("embed_positions", checked(config.Positive("max_position_embeddings") + 2)),
                Before = projected == fields.Hidden ? null : (plan, root) =>
                {
                    plan.Linear($"{root}project_in", fields.Hidden, projected);
                    plan.Linear($"{root}project_out", projected, fields.Hidden);
                },
            }, tied: true, root: "model.decoder");
    }

    private static ArchitectureSpec Bloom(DecoderFields fields) => Uniform(fields, new LayerSpec(
        new Mixer.Attention(fields.NeedHeads(), fields.Heads, fields.HeadWidth)
        {
            QueryBias = true,
            OutBias = true,
            Names = new AttentionNames("self_attention", "", "", "", "dense", Fused: "query_key_value"),
        },
        new FeedForward.Dense(checked(4 * fields.Hidden), Gated: false) { Bias = true, Names = new DenseNames("mlp", "", "dense_h_to_4h", "dense_4h_to_h") }),
        new DecoderForm
        {
            Embedding = "word_embeddings",
            LayersName = "h",
            FinalNorm = "ln_f",
            NormBias = true,
            Before = (plan, root) => plan.Norm($"{root}word_embeddings_layernorm", fields.Hidden, bias: true),
        }, tied: true, root: "transformer");

    // Falcon 7B has one key-value head and one norm; the later build has groups of heads and a norm for each branch.
    private static ArchitectureSpec Falcon(DecoderFields fields)
    {
        var config = fields.Config;
        var later = config.Bool("new_decoder_architecture", config.OptionalInt("n_head_kv") is > 1);
        var bias = config.Bool("bias");
        var kv = later ? config.OptionalInt("num_kv_heads", "n_head_kv") ?? fields.NeedHeads()
            : config.Bool("multi_query", true) ? 1 : fields.NeedHeads();
        var norms = later && config.Int("num_ln_in_parallel_attn", 2) == 2 ? ImmutableArray.Create("ln_attn", "ln_mlp")
            : !later && !config.Bool("parallel_attn", true) ? ["input_layernorm", "post_attention_layernorm"] : ["input_layernorm"];
        return Uniform(fields, new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), kv, fields.HeadWidth)
            {
                QueryBias = bias,
                OutBias = bias,
                Names = new AttentionNames("self_attention", "", "", "", "dense", Fused: "query_key_value"),
            },
            new FeedForward.Dense(config.OptionalInt("ffn_hidden_size") ?? checked(4 * fields.Hidden), Gated: false)
            {
                Bias = bias,
                Names = new DenseNames("mlp", "", "dense_h_to_4h", "dense_4h_to_h"),
            }),
            new DecoderForm { Embedding = "word_embeddings", LayersName = "h", LayerNorms = norms, FinalNorm = "ln_f", NormBias = true },
            tied: true, root: "transformer") with
        { RotaryWidth = config.Bool("alibi") ? 0 : fields.HeadWidth };
    }

    // Phi 1.5 and 2: attention and feed-forward part side by side behind one norm, biases everywhere, the head's too.
    private static ArchitectureSpec Phi(DecoderFields fields) => Uniform(fields, new LayerSpec(
        new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth)
        {
            QueryBias = true,
            KeyBias = true,
            ValueBias = true,
            OutBias = true,
            QkNorm = fields.Config.Bool("qk_layernorm") ? QkNorm.Head : QkNorm.None,
            QkNormBias = true,
            Names = AttentionNames.Llama with { Out = "dense", QueryNorm = "q_layernorm", KeyNorm = "k_layernorm" },
        },
        new FeedForward.Dense(fields.Config.OptionalInt("intermediate_size", "n_inner") ?? checked(4 * fields.Hidden), Gated: false)
        {
            Bias = true,
            Names = new DenseNames("mlp", "", "fc1", "fc2"),
        }),
        new DecoderForm { LayerNorms = ["input_layernorm"], FinalNorm = "final_layernorm", NormBias = true, HeadBias = true },
        tied: false, root: fields.Root) with
    { RotaryWidth = (int)(fields.HeadWidth * (fields.Config.Number("partial_rotary_factor") ?? 0.5)) };

    private static ArchitectureSpec Mpt(DecoderFields fields)
    {
        var bias = !fields.Config.Bool("no_bias", true);
        var kv = fields.Config.Section("attn_config")?.OptionalInt("kv_n_heads") ?? fields.NeedHeads();
        return Uniform(fields, new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), kv, fields.HeadWidth)
            {
                QueryBias = bias,
                OutBias = bias,
                Names = new AttentionNames("attn", "", "", "", "out_proj", Fused: "Wqkv"),
            },
            new FeedForward.Dense(checked(fields.Config.Int("expansion_ratio", 4) * fields.Hidden), Gated: false)
            {
                Bias = bias,
                Names = new DenseNames("ffn", "", "up_proj", "down_proj"),
            }),
            new DecoderForm { Embedding = "wte", LayersName = "blocks", LayerNorms = ["norm_1", "norm_2"], FinalNorm = "norm_f", NormBias = bias },
            tied: true, root: "transformer");
    }

    private static ArchitectureSpec Uniform(DecoderFields fields, LayerSpec layer, DecoderForm form, bool tied, string root)
    {
        var layers = Enumerable.Repeat(layer, fields.Layers).ToImmutableArray();
        var head = root == "gpt_neox" ? "embed_out" : fields.Head;
        var named = fields.Under(root, head);
        return Decoder.Spec(named, form, named.Tied(tied), layers);
    }
}
