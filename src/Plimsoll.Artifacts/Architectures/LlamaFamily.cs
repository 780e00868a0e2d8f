using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>
/// Decoders of Llama's build: norm, attention, norm, gated feed-forward part, with separate projections. What
/// tells them apart are biases, norms on queries and keys, windows, and whether the head is the embedding.
/// </summary>
internal static class LlamaFamily
{
    /// <param name="Bias">Biases on queries, keys and values where attention_bias does not say.</param>
    /// <param name="Tied">Whether the head is the embedding where tie_word_embeddings does not say.</param>
    /// <param name="QkNorm">Norms on queries and keys.</param>
    private sealed record Traits(bool Bias = false, bool Tied = false, QkNorm QkNorm = QkNorm.None)
    {
        public bool OutBias { get; init; } = true;

        public bool NormBias { get; init; }

        public ImmutableArray<string> Norms { get; init; } = ["input_layernorm", "post_attention_layernorm"];

        public bool Gated { get; init; } = true;

        public Func<DecoderFields, int, bool> Slides { get; init; } = (_, _) => false;

        public AttentionNames Attention { get; init; } = AttentionNames.Llama;

        public DenseNames Dense { get; init; } = DenseNames.Llama;
    }

    private static readonly ImmutableArray<string> FourNorms =
        ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"];

    private static readonly Dictionary<string, Traits> ByType = new(StringComparer.Ordinal)
    {
        ["llama"] = new(),
        ["mistral"] = new() { Slides = (_, _) => true },
        ["ministral"] = new() { Slides = (_, _) => true },
        ["ministral3"] = new() { Slides = (_, _) => true },
        ["granite"] = new(),
        ["smollm3"] = new(Tied: true),
        ["seed_oss"] = new(Bias: true) { OutBias = false },
        ["exaone4"] = new(QkNorm: QkNorm.Head) { Norms = ["post_attention_layernorm", "post_feedforward_layernorm"], Slides = (_, i) => (i + 1) % 4 != 0 },
        ["mimo"] = new(Bias: true) { OutBias = false },
        ["qwen2"] = new(Bias: true) { OutBias = false, Slides = WindowedBeyond },
        ["qwen3"] = new(QkNorm: QkNorm.Head) { Slides = WindowedBeyond },
        ["qwen3_vl_text"] = new(QkNorm: QkNorm.Head),
        ["qwen2_vl"] = new(Bias: true) { OutBias = false },
        ["qwen2_vl_text"] = new(Bias: true) { OutBias = false },
        ["qwen2_5_vl"] = new(Bias: true) { OutBias = false },
        ["qwen2_5_vl_text"] = new(Bias: true) { OutBias = false },
        ["gemma"] = new(Tied: true),
        ["gemma2"] = new(Tied: true) { Norms = FourNorms, Slides = (_, i) => i % 2 == 0 },
        ["gemma3_text"] = new(Tied: true, QkNorm: QkNorm.Head)
        {
            Norms = FourNorms,
            Slides = (fields, i) => (i + 1) % Math.Max(1, fields.Config.Int("sliding_window_pattern", 6)) != 0,
        },
        ["olmo"] = new() { Norms = [] },
        ["olmo2"] = new(QkNorm: QkNorm.Full) { Norms = ["post_attention_layernorm", "post_feedforward_layernorm"] },
        ["olmo3"] = new(QkNorm: QkNorm.Full) { Norms = ["post_attention_layernorm", "post_feedforward_layernorm"], Slides = (_, i) => (i + 1) % 4 != 0 },
        ["cohere"] = new(Tied: true) { Norms = ["input_layernorm"] },
        ["cohere2"] = new(Tied: true) { Norms = ["input_layernorm"], Slides = (fields, i) => (i + 1) % Math.Max(1, fields.Config.Int("sliding_window_pattern", 4)) != 0 },
        ["stablelm"] = new() { NormBias = true, OutBias = false },
        ["starcoder2"] = new(Bias: true, Tied: true)
        {
            NormBias = true,
            Gated = false,
            Slides = (_, _) => true,
            Dense = new DenseNames("mlp", "", "c_fc", "c_proj"),
        },
        ["nemotron"] = new() { NormBias = true, Gated = false },
        ["arcee"] = new() { Gated = false },
        ["phi3"] = new()
        {
            Slides = (_, _) => true,
            Attention = AttentionNames.Llama with { Fused = "qkv_proj" },
            Dense = new DenseNames("mlp", "", "", "down_proj", FusedGate: "gate_up_proj"),
        },
        ["glm"] = new(Bias: true)
        {
            OutBias = false,
            Dense = new DenseNames("mlp", "", "", "down_proj", FusedGate: "gate_up_proj"),
        },
        ["glm4"] = new(Bias: true)
        {
            OutBias = false,
            Norms = ["input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm"],
            Dense = new DenseNames("mlp", "", "", "down_proj", FusedGate: "gate_up_proj"),
        },
        ["internlm2"] = new()
        {
            Attention = new AttentionNames("attention", "", "", "", "wo", Fused: "wqkv"),
            Dense = new DenseNames("feed_forward", "w1", "w3", "w2"),
            Norms = ["attention_norm", "ffn_norm"],
        },
        ["baichuan"] = new() { Attention = AttentionNames.Llama with { Fused = "W_pack" } },
    };

    public static IEnumerable<string> Types => ByType.Keys;

    public static ArchitectureSpec Read(DecoderFields fields, string type)
    {
        var (config, traits) = (fields.Config, ByType[type]);
        var bias = config.Bool("attention_bias", config.Bool("use_qkv_bias", config.Bool("use_bias", config.Bool("qkv_bias", traits.Bias))));
        var (heads, kv, width) = (fields.NeedHeads(), fields.KvHeads, fields.HeadWidth);
        var dense = new FeedForward.Dense(fields.Width, traits.Gated)
        {
            Bias = config.Bool("mlp_bias", type == "starcoder2" && config.Bool("use_bias", true)),
            Names = traits.Dense,
        };
        // Cohere and StableLM norm each head with weights of its own.
        var qkNorm = traits.QkNorm != QkNorm.None ? traits.QkNorm
            : config.Bool("use_qk_norm") || config.Bool("qk_layernorm") ? QkNorm.Full : QkNorm.None;
        var layers = ImmutableArray.CreateBuilder<LayerSpec>(fields.Layers);
        for (var i = 0; i < fields.Layers; i++)
        {
            layers.Add(new LayerSpec(new Mixer.Attention(heads, kv, width)
            {
                QueryBias = bias,
                KeyBias = bias,
                ValueBias = bias,
                OutBias = bias && traits.OutBias,
                QkNorm = qkNorm,
                Window = fields.Window(i, layer => traits.Slides(fields, layer)),
                Names = traits.Attention,
            }, dense));
        }

        var form = new DecoderForm { LayerNorms = traits.Norms, NormBias = traits.NormBias };
        if (type == "internlm2")
            form = form with { Embedding = "tok_embeddings" };
        if (type == "olmo")
            form = form with { FinalNorm = "" };
        if (type == "mimo")
            form = Predictors.OwnStack(fields, form, "mtp_layers", layers[0]);
        return Decoder.Spec(fields, form, fields.Tied(traits.Tied), layers.MoveToImmutable()) with { RotaryWidth = fields.RotaryWidth };
    }

    // Qwen's larger windows hold for the layers from max_window_layers on, and only when switched on.
    private static bool WindowedBeyond(DecoderFields fields, int layer) =>
        fields.Config.Bool("use_sliding_window") && layer >= fields.Config.Int("max_window_layers", 28);
}
