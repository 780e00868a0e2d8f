using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Decoders whose feed-forward parts are mixtures of experts over attention of Llama's build.</summary>
internal static class MixtureFamily
{
    private static readonly MixtureNames GraniteNames = new("block_sparse_moe", "router.layer", "", "", "", "output_linear.weight")
    {
        GateUp = "input_linear.weight",
    };

    private static readonly Dictionary<string, Func<DecoderFields, ArchitectureSpec>> ByType = new(StringComparer.Ordinal)
    {
        ["mixtral"] = fields => Simple(fields, new(MixtureNames.Mixtral), _ => true),
        ["phimoe"] = fields => Simple(fields, new(MixtureNames.Mixtral) { NormBias = true, HeadBias = fields.Config.Bool("lm_head_bias") }, _ => true),
        ["granitemoe"] = fields => Simple(fields, new(GraniteNames) { Stacked = true }, _ => true),
        ["qwen2_moe"] = fields => Simple(fields, new(MixtureNames.Qwen with { Shared = "shared_expert" }) { Bias = true, SharedGate = true }, Sparse(fields)),
        ["qwen3_moe"] = fields => Simple(fields, new(MixtureNames.Qwen with { Shared = "shared_expert" }) { QkNorm = QkNorm.Head, SharedGate = true }, Sparse(fields)),
        ["qwen3_vl_moe_text"] = fields => Simple(fields, new(MixtureNames.Qwen) { QkNorm = QkNorm.Head, Stacked = true }, Sparse(fields)),
        ["olmoe"] = fields => Simple(fields, new(MixtureNames.Qwen) { QkNorm = QkNorm.Full }, _ => true),
        ["minimax_m2"] = fields => Simple(fields, new(MixtureNames.Mixtral)
        {
            QkNorm = fields.Config.Text("qk_norm_type") == "per_head" ? QkNorm.Head : QkNorm.Full,
            Correction = "e_score_correction_bias",
        }, _ => true),
        ["glm4_moe"] = fields => Simple(fields, new(MixtureNames.Qwen)
        {
            QkNorm = fields.Config.Bool("use_qk_norm") ? QkNorm.Head : QkNorm.None,
            Correction = "gate.e_score_correction_bias",
            Next = true,
        }, DenseFirst(fields)),
        ["dots1"] = fields => Simple(fields, new(MixtureNames.Qwen) { QkNorm = QkNorm.Head, Correction = "gate.e_score_correction_bias" }, DenseFirst(fields)),
        ["ernie4_5_moe"] = fields => Simple(fields, new(MixtureNames.Qwen) { Correction = "moe_statics.e_score_correction_bias", Tied = true }, i => i >= fields.Config.Int("moe_layer_start_index", 1)),
        ["gpt_oss"] = GptOss,
        ["llama4_text"] = Llama4,
        ["mimo_v2_flash"] = MiMoFlash,
        ["step3p7"] = Step,
    };

    private sealed record Traits(MixtureNames Names)
    {
        public bool Bias { get; init; }

        public QkNorm QkNorm { get; init; }

        public bool NormBias { get; init; }

        public bool HeadBias { get; init; }

        public bool Stacked { get; init; }

        public bool SharedGate { get; init; }

        /// <summary>Whether the head is the embedding where tie_word_embeddings does not say.</summary>
        public bool Tied { get; init; }

        public string? Correction { get; init; }

        /// <summary>The files hold layers that predict further tokens, after DeepSeek's pattern.</summary>
        public bool Next { get; init; }
    }

    public static IEnumerable<string> Types => ByType.Keys;

    public static ArchitectureSpec Read(DecoderFields fields, string type) => ByType[type](fields);

    private static ArchitectureSpec Simple(DecoderFields fields, Traits traits, Func<int, bool> sparse)
    {
        var config = fields.Config;
        var bias = config.Bool("attention_bias", config.Bool("qkv_bias", traits.Bias));
        var (heads, kv, width) = (fields.NeedHeads(), fields.KvHeads, fields.HeadWidth);
        var mixture = new FeedForward.Mixture(Experts(config), PerToken(config), ExpertWidth(config))
        {
            Correction = traits.Correction,
            SharedWidth = SharedWidth(config),
            SharedGate = traits.SharedGate,
            Stacked = traits.Stacked,
            Names = traits.Names,
        };
        var layers = ImmutableArray.CreateBuilder<LayerSpec>(fields.Layers);
        for (var i = 0; i < fields.Layers; i++)
        {
            var attention = new Mixer.Attention(heads, kv, width)
            {
                QueryBias = bias,
                KeyBias = bias,
                ValueBias = bias,
                // Phi's mixtures have a bias on the output as well; Qwen2's and GLM's have none.
                OutBias = traits.HeadBias && bias,
                QkNorm = traits.QkNorm,
                Window = fields.Window(i, _ => config.Bool("use_sliding_window", config.Text("model_type") == "mixtral")),
            };
            layers.Add(new LayerSpec(attention, sparse(i) ? mixture : new FeedForward.Dense(fields.Width, Gated: true)));
        }

        var form = new DecoderForm { NormBias = traits.NormBias, HeadBias = traits.HeadBias };
        if (traits.Next)
            form = Predictors.NextLayer(fields, form, new LayerSpec(layers[0].Mixer, mixture));
        return Decoder.Spec(fields, form, fields.Tied(traits.Tied), layers.MoveToImmutable()) with { RotaryWidth = fields.RotaryWidth };
    }

    // gpt-oss (OpenAI 2025): biases everywhere, a learned sink a head, windows on every other layer.
    private static ArchitectureSpec GptOss(DecoderFields fields)
    {
        var config = fields.Config;
        var mixture = new FeedForward.Mixture(Experts(config), PerToken(config), fields.Width)
        {
            Bias = true,
            RouterBias = true,
            Stacked = true,
            Names = MixtureNames.Qwen with { Router = "router" },
        };
        var layers = Enumerable.Range(0, fields.Layers).Select(i => new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth)
            {
                QueryBias = true,
                KeyBias = true,
                ValueBias = true,
                OutBias = true,
                Sinks = "sinks",
                Window = fields.Window(i, layer => layer % 2 == 0),
            }, mixture)).ToImmutableArray();
        return Decoder.Spec(fields, new DecoderForm(), fields.Tied(false), layers) with { RotaryWidth = fields.RotaryWidth };
    }

    // Llama 4 (Meta 2025): a shared expert beside the routed ones, dense layers between, chunked attention on three of four.
    private static ArchitectureSpec Llama4(DecoderFields fields)
    {
        var config = fields.Config;
        var step = config.Int("interleave_moe_layer_step", 1);
        var named = config.Ints("moe_layers");
        var mixture = new FeedForward.Mixture(Experts(config), PerToken(config), fields.Width)
        {
            SharedWidth = fields.Width,
            Stacked = true,
            Names = MixtureNames.Qwen with { Module = "feed_forward", Router = "router", Shared = "shared_expert" },
        };
        var dense = new FeedForward.Dense(config.Int("intermediate_size_mlp", fields.Width), Gated: true)
        {
            Names = DenseNames.Llama with { Module = "feed_forward" },
        };
        var layers = Enumerable.Range(0, fields.Layers).Select(i => new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth)
            {
                // Its query and key norms have no weights.
                Window = (i + 1) % 4 != 0 && config.OptionalInt("attention_chunk_size") is { } chunk && chunk < fields.MaxPositions ? chunk : null,
            },
            (named.IsEmpty ? step > 0 && (i + 1) % step == 0 : named.Contains(i)) ? mixture : dense)).ToImmutableArray();
        return Decoder.Spec(fields, new DecoderForm(), fields.Tied(false), layers) with { RotaryWidth = fields.RotaryWidth };
    }

    // MiMo-V2-Flash (Xiaomi 2025): sliding layers with head counts of their own and sinks; values narrower than keys.
    private static ArchitectureSpec MiMoFlash(DecoderFields fields)
    {
        var config = fields.Config;
        var slides = fields.PerLayer("hybrid_layer_pattern");
        var sparse = fields.PerLayer("moe_layer_freq");
        var mixture = new FeedForward.Mixture(Experts(config), PerToken(config), ExpertWidth(config))
        {
            Correction = "gate.e_score_correction_bias",
            SharedWidth = SharedWidth(config),
        };
        var layers = Enumerable.Range(0, fields.Layers).Select(i =>
        {
            var sliding = slides is { } pattern && pattern[i] == 1;
            var swa = sliding ? "swa_" : "";
            return new LayerSpec(
                new Mixer.Attention(
                    config.Int(swa + "num_attention_heads", fields.Heads), config.Int(swa + "num_key_value_heads", fields.KvHeads),
                    config.Int(swa + "head_dim", fields.HeadWidth))
                {
                    ValueWidth = config.Int(swa + "v_head_dim", fields.HeadWidth),
                    Window = sliding ? config.OptionalInt("sliding_window") : null,
                    Sinks = sliding && config.Bool("add_swa_attention_sink_bias") ? "attention_sink_bias" : null,
                },
                sparse is { } at && at[i] == 0 ? new FeedForward.Dense(fields.Width, Gated: true) : mixture);
        }).ToImmutableArray();
        return Decoder.Spec(fields, new DecoderForm(), fields.Tied(false), layers) with { RotaryWidth = fields.RotaryWidth };
    }

    private static ArchitectureSpec Step(DecoderFields fields)
    {
        var config = fields.Config;
        var mixture = new FeedForward.Mixture(Experts(config), PerToken(config), ExpertWidth(config))
        {
            Correction = config.Bool("use_moe_router_bias") ? "router_bias" : null,
            SharedWidth = config.Int("share_expert_dim", 0),
            Names = MixtureNames.Qwen with { Module = "moe", Shared = "share_expert" },
        };
        var dense = config.Int("first_k_dense_replace", 0);
        var layers = Enumerable.Range(0, fields.Layers).Select(i => new LayerSpec(
            new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth)
            {
                QkNorm = QkNorm.Head,
                Window = fields.Window(i, _ => false),
            },
            i < dense ? new FeedForward.Dense(fields.Width, Gated: true) : mixture)).ToImmutableArray();
        var form = Predictors.NextLayer(fields, new DecoderForm(), layers[^1]);
        return Decoder.Spec(fields, form, fields.Tied(false), layers) with
        {
            RotaryWidth = fields.RotaryWidth,
            Notes = ["Step 3.7's layers are taken to be built as its configuration's fields suggest; no published tensor list was compared."],
        };
    }

    // Qwen's mixtures: every decoder_sparse_step-th layer, except those listed.
    private static Func<int, bool> Sparse(DecoderFields fields)
    {
        var step = Math.Max(1, fields.Config.Int("decoder_sparse_step", 1));
        var dense = fields.Config.Ints("mlp_only_layers");
        return i => !dense.Contains(i) && (i + 1) % step == 0;
    }

    private static Func<int, bool> DenseFirst(DecoderFields fields)
    {
        var dense = fields.Config.Int("first_k_dense_replace", 0);
        return i => i >= dense;
    }

    internal static int Experts(ModelConfig config)
    {
        var experts = config.Positive("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts");
        return experts <= 1 << 16 ? experts : throw config.Wrong("num_experts", $"{experts}", "at most 65536");
    }

    internal static int PerToken(ModelConfig config)
    {
        var (each, all) = (config.Positive("num_experts_per_tok", "experts_per_token", "num_experts_per_token", "moe_k", "top_k_experts"), Experts(config));
        return each <= all ? each : throw config.Wrong("num_experts_per_tok", $"{each}", $"at most the {all} experts there are");
    }

    internal static int ExpertWidth(ModelConfig config) =>
        config.Positive("moe_intermediate_size", "expert_intermediate_size", "intermediate_size");

    internal static int SharedWidth(ModelConfig config) => config.OptionalInt("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size")
        ?? checked(config.OptionalInt("n_shared_experts", "num_shared_experts", "moe_num_shared_experts") is { } count ? count * ExpertWidth(config) : 0);
}
