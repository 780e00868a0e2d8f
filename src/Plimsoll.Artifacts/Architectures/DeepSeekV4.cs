using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>
/// DeepSeek V4 (DeepSeek-AI 2026): one key-value head of 512 elements that serves as key and value, within a window and
/// beyond it over tokens compressed 4 or 128 to one, residual streams joined by hyper-connections, mixtures throughout.
/// </summary>
internal static class DeepSeekV4
{
    public static readonly ImmutableArray<string> Types = ["deepseek_v4"];

    public static ArchitectureSpec Read(DecoderFields above, string type)
    {
        var config = above.Config;
        var fields = above.Under("", "head");
        var ratios = config.Ints("compress_ratios");
        if (ratios.Length < fields.Layers)
            throw config.Wrong("compress_ratios", $"{ratios.Length} entries", $"one for each of {fields.Layers} layers");
        var streams = config.Int("hc_mult", 4);
        var hashed = config.Int("num_hash_layers", 0);
        var layers = Enumerable.Range(0, fields.Layers)
            .Select(i => new LayerSpec(Attention(fields, ratios[i]), Mixture(config, i >= hashed))).ToImmutableArray();
        var form = new DecoderForm
        {
            Embedding = "embed",
            LayerNorms = ["attn_norm", "ffn_norm"],
            EachLayer = (plan, at, i) => Join(plan, at, i, fields, streams, hashed),
        };
        form = form with
        {
            After = (plan, _) => HyperHead(plan, "hc_head", fields.Hidden, streams),
            Predictors = Math.Min(16, config.Int("num_nextn_predict_layers", 0)),
            Predictor = (plan, _, index) =>
            {
                var at = $"mtp.{index - fields.Layers}";
                plan.Linear($"{at}.e_proj", fields.Hidden, fields.Hidden, head: true);
                plan.Linear($"{at}.h_proj", fields.Hidden, fields.Hidden, head: true);
                foreach (var norm in (ReadOnlySpan<string>)["enorm", "hnorm", "norm"])
                    plan.Norm($"{at}.{norm}", fields.Hidden);
                var layer = new LayerSpec(Attention(fields, ratios[^1]), Mixture(config, corrected: true));
                Decoder.Layer(plan, at, fields.Hidden, form, layer, fields.Layers);
            },
        };
        return Decoder.Spec(fields, form, fields.Tied(false), layers) with { RotaryWidth = config.Positive("qk_rope_head_dim") };
    }

    private static Mixer.Own Attention(DecoderFields fields, int ratio)
    {
        var config = fields.Config;
        var (heads, width) = (fields.NeedHeads(), config.Positive("head_dim"));
        var (queryLatent, outLatent, groups) = (config.Positive("q_lora_rank"), config.Positive("o_lora_rank"), config.Positive("o_groups"));
        var (indexHeads, indexWidth) = (config.Int("index_n_heads", 0), config.Int("index_head_dim", 0));
        return new Mixer.Own(Cache(config, width, ratio, indexWidth), (plan, at, hidden) =>
        {
            var module = $"{at}.attn";
            plan.Fixed($"{module}.attn_sink", "float32", heads);
            plan.Linear($"{module}.wq_a", queryLatent, hidden);
            plan.Norm($"{module}.q_norm", queryLatent);
            plan.Linear($"{module}.wq_b", (long)heads * width, queryLatent);
            plan.Linear($"{module}.wkv", width, hidden);
            plan.Norm($"{module}.kv_norm", width);
            plan.Linear($"{module}.wo_a", (long)groups * outLatent, (long)heads * width / groups);
            plan.Linear($"{module}.wo_b", hidden, (long)groups * outLatent);
            if (ratio == 0)
                return;
            Compressor(plan, $"{module}.compressor", hidden, width, ratio);
            if (ratio != 4)
                return;
            plan.Linear($"{module}.indexer.wq_b", (long)indexHeads * indexWidth, queryLatent);
            plan.Plain($"{module}.indexer.weights_proj.weight", indexHeads, hidden);
            Compressor(plan, $"{module}.indexer.compressor", hidden, indexWidth, ratio);
        });
    }

    // Blocks of four overlap, so theirs are projected twice as wide.
    private static void Compressor(TensorPlan plan, string at, long hidden, int width, int ratio)
    {
        var wide = ratio == 4 ? 2L * width : width;
        plan.Plain($"{at}.wkv.weight", wide, hidden);
        plan.Plain($"{at}.wgate.weight", wide, hidden);
        plan.Fixed($"{at}.ape", "float32", ratio, wide);
        plan.Norm($"{at}.norm", width);
    }

    // Bytes per token are those of compressed tokens, spread over the tokens they stand for, at two bytes an element;
    // the window is kept whole for each sequence.
    private static LayerCache Cache(ModelConfig config, int width, int ratio, int indexWidth) => new()
    {
        Kind = CacheKind.State,
        StateElements = checked((long)width * config.Int("sliding_window", 128)),
        ExtraBytesPerToken = ratio == 0 ? 0 : (2 * width / ratio) + (ratio == 4 ? 2 * indexWidth / ratio : 0),
    };

    private static FeedForward.Mixture Mixture(ModelConfig config, bool corrected) =>
        new(MixtureFamily.Experts(config), MixtureFamily.PerToken(config), MixtureFamily.ExpertWidth(config))
        {
            Correction = corrected ? "gate.bias" : null,
            SharedWidth = MixtureFamily.SharedWidth(config),
            Names = MixtureNames.Mixtral with { Module = "ffn", SharedGate = "w1", SharedUp = "w3", SharedDown = "w2" },
        };

    private static void Join(TensorPlan plan, string at, int layer, DecoderFields fields, int streams, int hashed)
    {
        var mixed = (2L + streams) * streams;
        foreach (var part in (ReadOnlySpan<string>)["attn", "ffn"])
        {
            plan.Fixed($"{at}.hc_{part}_fn", "float32", mixed, (long)streams * fields.Hidden);
            plan.Fixed($"{at}.hc_{part}_base", "float32", mixed);
            plan.Fixed($"{at}.hc_{part}_scale", "float32", 3);
        }

        // The first layers route by a table of tokens.
        if (layer < hashed)
            plan.Fixed($"{at}.ffn.gate.tid2eid", "int64", fields.Vocabulary, MixtureFamily.PerToken(fields.Config));
    }

    private static void HyperHead(TensorPlan plan, string at, long hidden, int streams)
    {
        plan.Fixed($"{at}_fn", "float32", streams, streams * hidden);
        plan.Fixed($"{at}_base", "float32", streams);
        plan.Fixed($"{at}_scale", "float32", 1);
    }
}
