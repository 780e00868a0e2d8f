using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>DeepSeek's V2, V3 and V3.2, and what is built like them: latent attention, and mixtures after dense layers.</summary>
internal static class LatentFamily
{
    public static readonly ImmutableArray<string> Types =
        ["deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa", "glm4_moe_lite"];

    public static ArchitectureSpec Read(DecoderFields fields, string type)
    {
        var config = fields.Config;
        // DeepSeek-OCR and VL2-tiny are of this build with all heads' keys and values.
        var latent = config.Bool("use_mla", true) && !config.IsNull("kv_lora_rank") ? Attention(fields) : null;
        Mixer attention = latent is not null ? latent : Plain(fields);
        var dense = new FeedForward.Dense(fields.Width, Gated: true);
        var first = config.Int("first_k_dense_replace", 0);
        var every = Math.Max(1, config.IsArray("moe_layer_freq") ? 1 : config.Int("moe_layer_freq", 1));
        FeedForward sparse = config.OptionalInt("n_routed_experts", "num_experts") is null ? dense : Mixture(config);
        var layers = Enumerable.Range(0, fields.Layers)
            .Select(i => new LayerSpec(attention, i >= first && i % every == 0 ? sparse : dense)).ToImmutableArray();
        var form = Predictors.NextLayer(fields, new DecoderForm(), new LayerSpec(attention, sparse));
        return Decoder.Spec(fields, form, fields.Tied(false), layers) with { RotaryWidth = latent?.RotaryWidth ?? fields.RotaryWidth };
    }

    private static Mixer.Attention Plain(DecoderFields fields)
    {
        var bias = fields.Config.Bool("attention_bias");
        return new Mixer.Attention(fields.NeedHeads(), fields.KvHeads, fields.HeadWidth) { QueryBias = bias, KeyBias = bias, ValueBias = bias, OutBias = bias };
    }

    internal static Mixer.LatentAttention Attention(DecoderFields fields)
    {
        var config = fields.Config;
        return new Mixer.LatentAttention(
            fields.NeedHeads(), config.Positive("kv_lora_rank"), config.Positive("qk_rope_head_dim"),
            config.Positive("qk_nope_head_dim"), config.Positive("v_head_dim"))
        {
            QueryLatent = config.Int("q_lora_rank", 0),
            Bias = config.Bool("attention_bias"),
            OutputGate = config.Bool("mla_use_output_gate"),
            IndexHeads = config.Int("index_n_heads", 0),
            IndexWidth = config.Int("index_head_dim", 0),
        };
    }

    // The correction of scores came with V3's loss-free balancing, and "noaux_tc" names it.
    private static FeedForward.Mixture Mixture(ModelConfig config) =>
        new(MixtureFamily.Experts(config), MixtureFamily.PerToken(config), MixtureFamily.ExpertWidth(config))
        {
            Correction = config.Text("topk_method") == "noaux_tc" ? "gate.e_score_correction_bias" : null,
            SharedWidth = MixtureFamily.SharedWidth(config),
        };
}
