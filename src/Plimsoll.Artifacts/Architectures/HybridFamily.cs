using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Decoders whose layers differ in kind: states beside attention, windows of other shapes, layers left out.</summary>
internal static class HybridFamily
{
    private static readonly Dictionary<string, Func<DecoderFields, ArchitectureSpec>> ByType = new(StringComparer.Ordinal)
    {
        ["qwen3_next"] = fields => Qwen(fields, joined: true),
        ["qwen3_5_text"] = fields => Qwen(fields, joined: false),
        ["qwen3_5_moe_text"] = fields => Qwen(fields, joined: false),
        ["nemotron_h"] = NemotronH,
        ["mamba"] = fields => PureMamba(fields, StateMixers.Mamba(fields.Config, fields.Hidden)),
        ["mamba2"] = fields => PureMamba(fields, StateMixers.Mamba2(fields.Config)),
        ["kimi_linear"] = KimiLinear,
        ["nemotron-nas"] = NemotronNas,
        ["gemma4_text"] = Gemma4,
        ["minimax_m3"] = MiniMaxM3,
        ["jamba"] = Jamba,
    };

    public static IEnumerable<string> Types => ByType.Keys;

    public static ArchitectureSpec Read(DecoderFields fields, string type) => ByType[type](fields);

    // Qwen3-Next and 3.5: three gated delta layers to one of gated attention, over dense parts or mixtures.
    private static ArchitectureSpec Qwen(DecoderFields fields, bool joined)
    {
        var config = fields.Config;
        var types = fields.LayerTypes();
        var interval = Math.Max(1, config.Int("full_attention_interval", 4));
        var delta = StateMixers.GatedDelta(config, joined);
        var attention = new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth) { Gated = true, QkNorm = QkNorm.Head };
        FeedForward part = config.OptionalInt("num_experts") is null or 0
            ? new FeedForward.Dense(fields.Width, Gated: true)
            : new FeedForward.Mixture(MixtureFamily.Experts(config), MixtureFamily.PerToken(config), MixtureFamily.ExpertWidth(config))
            {
                SharedWidth = MixtureFamily.SharedWidth(config),
                SharedGate = true,
                Names = MixtureNames.Qwen with { Shared = "shared_expert" },
            };
        var layers = Enumerable.Range(0, fields.Layers).Select(i => new LayerSpec(
            (types is { } named ? named[i] == "full_attention" : (i + 1) % interval == 0) ? attention : delta, part)).ToImmutableArray();
        var form = new DecoderForm();
        form = form with
        {
            After = (plan, _) =>
            {
                for (var i = 0; i < Math.Min(16, config.Int("mtp_num_hidden_layers", 0)); i++)
                    Decoder.Layer(plan, $"mtp.layers.{i}", fields.Hidden, form, new LayerSpec(attention, part), i);
                if (config.Int("mtp_num_hidden_layers", 0) == 0)
                    return;
                plan.Linear("mtp.fc", fields.Hidden, 2L * fields.Hidden, head: true);
                foreach (var norm in (ReadOnlySpan<string>)["norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden"])
                    plan.Norm($"mtp.{norm}", fields.Hidden);
            },
        };
        return Decoder.Spec(fields, form, fields.Tied(false), layers) with { RotaryWidth = fields.RotaryWidth };
    }

    // Nemotron-H and 3 (NVIDIA 2025): each layer is one thing, named by a letter or a word.
    private static ArchitectureSpec NemotronH(DecoderFields above)
    {
        var config = above.Config;
        var kinds = config.Texts("layers_block_type") is { IsEmpty: false } words ? words
            : config.Text("hybrid_override_pattern") is { Length: > 0 and <= 4096 } pattern
                ? [.. pattern.Select(letter => letter switch { 'M' => "mamba", 'E' => "moe", '*' => "attention", '-' => "mlp", _ => $"{letter}" })]
                : throw new ArtifactException(
                    $"{config.File} has neither layers_block_type nor hybrid_override_pattern, which its architecture needs.");
        var fields = above.Under("backbone");
        fields.LayerCount(kinds.Length);
        var layers = kinds.Select(kind => NemotronLayer(fields, kind)).ToImmutableArray();
        var form = new DecoderForm { Embedding = "embeddings", LayerNorms = ["norm"], FinalNorm = "norm_f" };
        var further = config.Texts("mtp_layers_block_type") is { IsEmpty: false } named ? named
            : [.. (config.Text("mtp_hybrid_override_pattern") ?? "").Take(16).Select(letter => letter == '*' ? "attention" : letter == 'E' ? "moe" : "mamba")];
        form = form with
        {
            After = (plan, _) =>
            {
                for (var i = 0; i < Math.Min(16, further.Length); i++)
                    Decoder.Layer(plan, $"mtp.layers.{i}", fields.Hidden, form, NemotronLayer(fields, further[i]), i);
                if (further.IsEmpty)
                    return;
                plan.Linear("mtp.layers.0.eh_proj", fields.Hidden, 2L * fields.Hidden, head: true);
                foreach (var norm in (ReadOnlySpan<string>)["enorm", "hnorm", "final_layernorm"])
                    plan.Norm($"mtp.layers.0.{norm}", fields.Hidden);
            },
        };
        return Decoder.Spec(fields, form, fields.Tied(false), layers);
    }

    private static LayerSpec NemotronLayer(DecoderFields fields, string kind)
    {
        var config = fields.Config;
        return kind switch
        {
            "mamba" => new LayerSpec(StateMixers.Mamba2(config), new FeedForward.Nothing()),
            "attention" => new LayerSpec(new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth)
            {
                Names = AttentionNames.Llama with { Module = "mixer" },
            }, new FeedForward.Nothing()),
            "mlp" => new LayerSpec(new Mixer.Nothing(), new FeedForward.Dense(fields.Width, Gated: false)
            {
                Names = DenseNames.Llama with { Module = "mixer" },
            }),
            "moe" => new LayerSpec(new Mixer.Nothing(), new FeedForward.Mixture(
                MixtureFamily.Experts(config), MixtureFamily.PerToken(config), MixtureFamily.ExpertWidth(config))
            {
                Gated = false,
                Correction = "gate.e_score_correction_bias",
                SharedWidth = MixtureFamily.SharedWidth(config),
                Latent = config.Int("moe_latent_size", 0),
                Names = MixtureNames.Qwen with { Module = "mixer" },
            }),
            _ => throw config.Wrong("layers_block_type", kind, "mamba, attention, moe or mlp"),
        };
    }

    private static ArchitectureSpec PureMamba(DecoderFields above, Mixer mixer)
    {
        var fields = above.Under("backbone");
        var layers = Enumerable.Repeat(new LayerSpec(mixer, new FeedForward.Nothing()), fields.Layers).ToImmutableArray();
        var form = new DecoderForm { Embedding = "embeddings", LayerNorms = ["norm"], FinalNorm = "norm_f" };
        return Decoder.Spec(fields, form, fields.Tied(true), layers);
    }

    // Kimi Linear and K3: delta attention and latent attention in turn, counted from 1 in the configuration.
    private static ArchitectureSpec KimiLinear(DecoderFields fields)
    {
        var config = fields.Config;
        var linear = config.Section("linear_attn_config")
            ?? throw new ArtifactException($"{config.File} has no linear_attn_config, which its architecture needs.");
        var full = linear.Ints("full_attn_layers").ToHashSet();
        var (delta, latent) = (StateMixers.KimiDelta(linear), LatentFamily.Attention(fields));
        var dense = new FeedForward.Dense(fields.Width, Gated: true);
        var mixture = new FeedForward.Mixture(MixtureFamily.Experts(config), MixtureFamily.PerToken(config), MixtureFamily.ExpertWidth(config))
        {
            Correction = "gate.e_score_correction_bias",
            SharedWidth = MixtureFamily.SharedWidth(config),
            Latent = config.Int("routed_expert_hidden_size", 0),
            LatentIn = "routed_expert_down_proj",
            LatentOut = "routed_expert_up_proj",
            Names = MixtureNames.Mixtral with { },
        };
        var first = config.Int("first_k_dense_replace", 0);
        var layers = Enumerable.Range(0, fields.Layers)
            .Select(i => new LayerSpec(full.Contains(i + 1) ? latent : delta, i < first ? dense : mixture)).ToImmutableArray();
        var spec = Decoder.Spec(fields, new DecoderForm(), fields.Tied(false), layers) with { RotaryWidth = latent.RotaryWidth };
        return config.Has("attn_res_block_size")
            ? spec with
            {
                Notes = ["Kimi K3's attention residuals and norms within its experts are left out: some millions of parameters, "
                    + "under 0.01 % of the model."],
            }
            : spec;
    }

    // Nemotron NAS (NVIDIA 2024): Llama's layers, each with its own width and groups, or without attention.
    private static ArchitectureSpec NemotronNas(DecoderFields fields)
    {
        var config = fields.Config;
        var blocks = config.Sections("block_configs");
        if (blocks.Length != fields.Layers)
            throw config.Wrong("block_configs", $"{blocks.Length} entries", $"one for each of {fields.Layers} layers");
        var layers = blocks.Select(block =>
        {
            var (attention, part) = (block.Section("attention"), block.Section("ffn"));
            var group = attention?.OptionalInt("n_heads_in_group") ?? 1;
            Mixer mixer = attention is null || attention.Bool("no_op") ? new Mixer.Nothing()
                : attention.Bool("replace_with_linear")
                    ? new Mixer.Own(LayerCache.None, (plan, at, hidden) => plan.Linear($"{at}.self_attn.linear_attn", hidden, hidden))
                : new Mixer.Attention(fields.NeedHeads(), fields.Heads / Math.Max(1, group), fields.HeadWidth);
            FeedForward ffn = part is null || part.Bool("no_op") ? new FeedForward.Nothing()
                : new FeedForward.Dense(Multiple(part.Number("ffn_mult") ?? 1, fields.Hidden), Gated: true);
            return new LayerSpec(mixer, ffn);
        }).ToImmutableArray();
        // A layer without attention, or without its feed-forward part, has no norm for it.
        var form = new DecoderForm
        {
            LayerNorms = [],
            EachLayer = (plan, at, i) =>
            {
                if (layers[i].Mixer is not Mixer.Nothing)
                    plan.Norm($"{at}.input_layernorm", fields.Hidden);
                if (layers[i].FeedForward is not FeedForward.Nothing)
                    plan.Norm($"{at}.post_attention_layernorm", fields.Hidden);
            },
        };
        return Decoder.Spec(fields, form, fields.Tied(false), layers) with { RotaryWidth = fields.RotaryWidth };
    }

    // Two thirds of twice the multiple, as a whole multiple of 256: 2.625 × 8192 gives 14,336.
    private static int Multiple(double multiple, int hidden) => multiple is > 0 and < 1000
        ? checked(((int)(2 * multiple * hidden / 3) + 255) / 256 * 256)
        : throw new ArtifactException($"config.json: block_configs has an ffn_mult of {multiple}; expected a number above 0 and below 1000.");

    // Gemma 4 (Google 2026): global layers with wider heads whose keys serve as values; optionally a mixture beside each dense part.
    private static ArchitectureSpec Gemma4(DecoderFields fields)
    {
        var config = fields.Config;
        var types = fields.LayerTypes() ?? throw new ArtifactException($"{config.File} has no layer_types, which its architecture needs.");
        var shared = config.Int("num_kv_shared_layers", 0);
        var equal = config.Bool("attention_k_eq_v");
        var perLayer = config.Int("hidden_size_per_layer_input", 0);
        var mixed = config.Bool("enable_moe_block");
        var layers = Enumerable.Range(0, fields.Layers).Select(i =>
        {
            var sliding = types[i] == "sliding_attention";
            var borrowed = shared > 0 && i >= fields.Layers - shared;
            var kv = !sliding && equal ? config.Int("num_global_key_value_heads", fields.KvHeads) : fields.KvHeads;
            var attention = new Mixer.Attention(fields.NeedHeads(), kv, sliding ? fields.HeadWidth : config.Int("global_head_dim", fields.HeadWidth))
            {
                QkNorm = QkNorm.Head,
                KeysAreValues = !sliding && equal,
                Shared = borrowed,
                Window = fields.Window(i, _ => sliding),
            };
            var dense = new FeedForward.Dense(checked(fields.Width * (borrowed && config.Bool("use_double_wide_mlp") ? 2 : 1)), Gated: true);
            return new LayerSpec(attention, mixed ? new FeedForward.Both(dense, Gemma4Mixture(config)) : dense);
        }).ToImmutableArray();
        var norms = ImmutableArray.Create("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm");
        var form = new DecoderForm
        {
            LayerNorms = mixed ? [.. norms, "post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"] : norms,
            EachLayer = (plan, at, _) =>
            {
                plan.Plain($"{at}.layer_scalar", 1);
                if (mixed)
                {
                    plan.Plain($"{at}.router.scale", fields.Hidden);
                    plan.Plain($"{at}.router.per_expert_scale", MixtureFamily.Experts(config));
                }

                if (perLayer == 0)
                    return;
                plan.Linear($"{at}.per_layer_input_gate", perLayer, fields.Hidden);
                plan.Linear($"{at}.per_layer_projection", fields.Hidden, perLayer);
                plan.Norm($"{at}.post_per_layer_input_norm", fields.Hidden);
            },
            Before = perLayer == 0 ? null : (plan, root) =>
            {
                var rows = config.Positive("vocab_size_per_layer_input");
                plan.Plain($"{root}embed_tokens_per_layer.weight", rows, checked((long)fields.Layers * perLayer));
                plan.Linear($"{root}per_layer_model_projection", checked((long)fields.Layers * perLayer), fields.Hidden);
                plan.Norm($"{root}per_layer_projection_norm", perLayer);
            },
        };
        return Decoder.Spec(fields, form, fields.Tied(true), layers) with { RotaryWidth = fields.RotaryWidth };
    }

    private static FeedForward.Mixture Gemma4Mixture(ModelConfig config) =>
        new(MixtureFamily.Experts(config), MixtureFamily.PerToken(config), MixtureFamily.ExpertWidth(config))
        {
            Names = MixtureNames.Qwen with { Module = "", Router = "router.proj" },
        };

    // MiniMax M3: dense layers first, then mixtures; an indexer of a few heads on the sparse layers.
    private static ArchitectureSpec MiniMaxM3(DecoderFields fields)
    {
        var config = fields.Config;
        var sparse = fields.PerLayer("moe_layer_freq");
        var selection = config.Section("sparse_attention_config");
        var indexed = selection?.Ints("sparse_attention_freq") ?? [];
        var dense = new FeedForward.Dense(config.Positive("dense_intermediate_size", "intermediate_size"), Gated: true);
        var mixture = new FeedForward.Mixture(
            MixtureFamily.Experts(config), MixtureFamily.PerToken(config), MixtureFamily.ExpertWidth(config))
        {
            Correction = config.Bool("use_routing_bias") ? "e_score_correction_bias" : null,
            SharedWidth = config.Int("shared_intermediate_size", 0),
            Names = MixtureNames.Mixtral,
        };
        var attention = new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth)
        {
            QkNorm = !config.Bool("use_qk_norm") ? QkNorm.None : config.Text("qk_norm_type") == "per_layer" ? QkNorm.Full : QkNorm.Head,
        };
        var (indexHeads, indexWidth) = (selection?.Int("sparse_num_index_heads", 0) ?? 0, selection?.Int("sparse_index_dim", 0) ?? 0);
        var layers = Enumerable.Range(0, fields.Layers).Select(i => new LayerSpec(attention, sparse is { } at && at[i] == 0 ? dense : mixture)
        {
            Cache = indexHeads > 0 && i < indexed.Length && indexed[i] != 0
                ? attention.Cache with { ExtraBytesPerToken = checked(2 * indexWidth) } : attention.Cache,
        }).ToImmutableArray();
        var form = new DecoderForm
        {
            EachLayer = (plan, at, i) =>
            {
                if (indexHeads == 0 || i >= indexed.Length || indexed[i] == 0)
                    return;
                plan.Plain($"{at}.self_attn.index_q_proj.weight", (long)indexHeads * indexWidth, fields.Hidden);
                plan.Plain($"{at}.self_attn.index_k_proj.weight", indexWidth, fields.Hidden);
                plan.Norm($"{at}.self_attn.index_q_norm", indexWidth);
                plan.Norm($"{at}.self_attn.index_k_norm", indexWidth);
            },
        };
        return Decoder.Spec(fields, form, fields.Tied(false), layers) with
        {
            RotaryWidth = fields.RotaryWidth,
            Notes = ["MiniMax M3's indexer is estimated from sparse_attention_config: about 0.05 % of the model."],
        };
    }

    // Jamba (AI21 2024): one layer of attention in eight, a mixture in every other.
    private static ArchitectureSpec Jamba(DecoderFields fields)
    {
        var config = fields.Config;
        var (attentionEvery, attentionAt) = (Math.Max(1, config.Int("attn_layer_period", 8)), config.Int("attn_layer_offset", 4));
        var (expertEvery, expertAt) = (Math.Max(1, config.Int("expert_layer_period", 2)), config.Int("expert_layer_offset", 1));
        var attention = new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth);
        var mamba = StateMixers.Jamba(config, fields.Hidden);
        var dense = new FeedForward.Dense(fields.Width, Gated: true) { Names = DenseNames.Llama with { Module = "feed_forward" } };
        FeedForward mixture = config.Int("num_experts", 16) <= 1 ? dense : new FeedForward.Mixture(
            MixtureFamily.Experts(config), MixtureFamily.PerToken(config), fields.Width)
        {
            Names = MixtureNames.Qwen with { Module = "feed_forward", Router = "router" },
        };
        var layers = Enumerable.Range(0, fields.Layers).Select(i => new LayerSpec(
            i % attentionEvery == attentionAt ? attention : mamba, i % expertEvery == expertAt ? mixture : dense)).ToImmutableArray();
        var form = new DecoderForm { LayerNorms = ["input_layernorm", "pre_ff_layernorm"], FinalNorm = "final_layernorm" };
        return Decoder.Spec(fields, form, fields.Tied(false), layers);
    }
}
