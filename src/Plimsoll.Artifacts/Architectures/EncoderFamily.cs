using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Encoders: BERT, RoBERTa, XLM-R and what embeds, ranks and classifies with their build.</summary>
internal static class EncoderFamily
{
    private static readonly Dictionary<string, Func<DecoderFields, ArchitectureSpec>> ByType = new(StringComparer.Ordinal)
    {
        ["bert"] = fields => Bert(fields, "bert"),
        ["roberta"] = fields => Bert(fields, "roberta"),
        ["xlm-roberta"] = fields => Bert(fields, "roberta"),
        ["camembert"] = fields => Bert(fields, "roberta"),
        ["distilbert"] = DistilBert,
        ["modernbert"] = ModernBert,
    };

    private static readonly AttentionNames BertAttention =
        new("attention", "self.query", "self.key", "self.value", "output.dense");

    public static IEnumerable<string> Types => ByType.Keys;

    public static ArchitectureSpec Read(DecoderFields fields, string type) => ByType[type](fields);

    private static ArchitectureSpec Bert(DecoderFields fields, string prefix)
    {
        var config = fields.Config;
        var architecture = fields.Architecture;
        // A bare encoder's tensors have no prefix; one with a head has its encoder's name before them.
        var bare = architecture.EndsWith("Model", StringComparison.Ordinal) || architecture == config.Text("model_type");
        var root = bare ? "" : prefix + ".";
        var positions = config.Positive("max_position_embeddings");
        var layer = new LayerSpec(
            EncoderAttention(fields, BertAttention, bias: true),
            new FeedForward.Dense(fields.Width, Gated: false) { Bias = true, Names = new DenseNames("", "", "intermediate.dense", "output.dense") });
        var form = new DecoderForm { LayerNorms = ["attention.output.LayerNorm", "output.LayerNorm"], NormBias = true };
        var labels = ModelClass.Labels(config);
        return Spec(fields, Enumerable.Repeat(layer, fields.Layers), (plan, layers) =>
        {
            plan.Plain($"{root}embeddings.word_embeddings.weight", fields.Vocabulary, fields.Hidden);
            plan.Plain($"{root}embeddings.position_embeddings.weight", positions, fields.Hidden);
            plan.Plain($"{root}embeddings.token_type_embeddings.weight", config.Int("type_vocab_size", 2), fields.Hidden);
            plan.Norm($"{root}embeddings.LayerNorm", fields.Hidden, bias: true);
            for (var i = 0; i < layers.Length; i++)
                Decoder.Layer(plan, $"{root}encoder.layer.{i}", fields.Hidden, form, layers[i], i);
            if (bare || (prefix == "bert" && !architecture.EndsWith("MaskedLM", StringComparison.Ordinal)))
                plan.Linear($"{root}pooler.dense", fields.Hidden, fields.Hidden, bias: true, head: true);
            BertHead(plan, architecture, prefix, fields, labels);
        });
    }

    private static void BertHead(TensorPlan plan, string architecture, string prefix, DecoderFields fields, int labels)
    {
        if (architecture.EndsWith("SequenceClassification", StringComparison.Ordinal) || architecture.EndsWith("TokenClassification", StringComparison.Ordinal))
        {
            if (prefix == "bert" || architecture.EndsWith("TokenClassification", StringComparison.Ordinal))
            {
                plan.Linear("classifier", labels, fields.Hidden, bias: true, head: true);
            }
            else
            {
                plan.Linear("classifier.dense", fields.Hidden, fields.Hidden, bias: true, head: true);
                plan.Linear("classifier.out_proj", labels, fields.Hidden, bias: true, head: true);
            }
        }
        else if (architecture.EndsWith("MaskedLM", StringComparison.Ordinal))
        {
            var (dense, norm, bias) = prefix == "bert"
                ? ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias")
                : ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias");
            plan.Linear(dense, fields.Hidden, fields.Hidden, bias: true, head: true);
            plan.Norm(norm, fields.Hidden, bias: true);
            plan.Plain(bias, fields.Vocabulary);
        }
    }

    private static ArchitectureSpec DistilBert(DecoderFields fields)
    {
        var config = fields.Config;
        var bare = fields.Architecture.EndsWith("Model", StringComparison.Ordinal);
        var root = bare ? "" : "distilbert.";
        var layer = new LayerSpec(
            EncoderAttention(fields, new AttentionNames("attention", "q_lin", "k_lin", "v_lin", "out_lin"), bias: true),
            new FeedForward.Dense(config.OptionalInt("hidden_dim") ?? checked(4 * fields.Hidden), Gated: false)
            {
                Bias = true,
                Names = new DenseNames("ffn", "", "lin1", "lin2"),
            });
        var form = new DecoderForm { LayerNorms = ["sa_layer_norm", "output_layer_norm"], NormBias = true };
        var labels = ModelClass.Labels(config);
        return Spec(fields, Enumerable.Repeat(layer, fields.Layers), (plan, layers) =>
        {
            plan.Plain($"{root}embeddings.word_embeddings.weight", fields.Vocabulary, fields.Hidden);
            plan.Plain($"{root}embeddings.position_embeddings.weight", config.Positive("max_position_embeddings"), fields.Hidden);
            plan.Norm($"{root}embeddings.LayerNorm", fields.Hidden, bias: true);
            for (var i = 0; i < layers.Length; i++)
                Decoder.Layer(plan, $"{root}transformer.layer.{i}", fields.Hidden, form, layers[i], i);
            if (fields.Architecture.EndsWith("SequenceClassification", StringComparison.Ordinal))
            {
                plan.Linear("pre_classifier", fields.Hidden, fields.Hidden, bias: true, head: true);
                plan.Linear("classifier", labels, fields.Hidden, bias: true, head: true);
            }
        });
    }

    // ModernBERT: gated feed-forward parts, no biases, and no norm before the first layer's attention.
    private static ArchitectureSpec ModernBert(DecoderFields fields)
    {
        var config = fields.Config;
        var root = fields.Architecture.EndsWith("Model", StringComparison.Ordinal) ? "" : "model.";
        var layers = Enumerable.Range(0, fields.Layers).Select(i => new LayerSpec(
            EncoderAttention(fields, new AttentionNames("attn", "", "", "", "Wo", Fused: "Wqkv"), bias: config.Bool("attention_bias")),
            new FeedForward.Dense(fields.Width, Gated: true)
            {
                Bias = config.Bool("mlp_bias"),
                Names = new DenseNames("mlp", "", "", "Wo", FusedGate: "Wi"),
            }));
        return Spec(fields, layers, (plan, all) =>
        {
            plan.Plain($"{root}embeddings.tok_embeddings.weight", fields.Vocabulary, fields.Hidden);
            plan.Norm($"{root}embeddings.norm", fields.Hidden, config.Bool("norm_bias"));
            for (var i = 0; i < all.Length; i++)
            {
                var form = new DecoderForm { LayerNorms = i == 0 ? ["mlp_norm"] : ["attn_norm", "mlp_norm"], NormBias = config.Bool("norm_bias") };
                Decoder.Layer(plan, $"{root}layers.{i}", fields.Hidden, form, all[i], i);
            }

            plan.Norm($"{root}final_norm", fields.Hidden, config.Bool("norm_bias"));
            if (fields.Architecture.EndsWith("MaskedLM", StringComparison.Ordinal) || fields.Architecture.EndsWith("Classification", StringComparison.Ordinal))
            {
                plan.Linear("head.dense", fields.Hidden, fields.Hidden, head: true);
                plan.Norm("head.norm", fields.Hidden);
                if (fields.Architecture.EndsWith("MaskedLM", StringComparison.Ordinal))
                    plan.Plain("decoder.bias", fields.Vocabulary);
                else
                    plan.Linear("classifier", ModelClass.Labels(config), fields.Hidden, bias: true, head: true);
            }
        });
    }

    // An encoder sees its input once: nothing is kept for a next token.
    private static Mixer.Own EncoderAttention(DecoderFields fields, AttentionNames names, bool bias)
    {
        var attention = new Mixer.Attention(fields.NeedHeads(), fields.Heads, fields.HeadWidth)
        {
            QueryBias = bias,
            KeyBias = bias,
            ValueBias = bias,
            OutBias = bias,
            Names = names,
        };
        return new Mixer.Own(LayerCache.None, attention.Plan);
    }

    private static ArchitectureSpec Spec(DecoderFields fields, IEnumerable<LayerSpec> layers, Action<TensorPlan, ImmutableArray<LayerSpec>> plan)
    {
        var all = layers.ToImmutableArray();
        return new ArchitectureSpec
        {
            Architecture = fields.Architecture,
            Task = fields.Architecture.EndsWith("Classification", StringComparison.Ordinal) ? ModelTask.Classify : ModelTask.Embed,
            Hidden = fields.Hidden,
            Vocabulary = fields.Vocabulary,
            MaxPositions = fields.MaxPositions,
            Heads = fields.Heads,
            Tied = true,
            Layers = all,
            DefaultDtype = "float32",
            Plan = into => plan(into, all),
        };
    }
}
