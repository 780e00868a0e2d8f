namespace Plimsoll.Artifacts;

/// <summary>
/// Models of an encoder and a decoder that attends to it: T5, BART and Whisper. The encoder comes before the layers; a
/// decoder's layer keeps keys and values per token, and those of the encoder's output for the whole sequence.
/// </summary>
internal static class EncoderDecoderFamily
{
    private static readonly Dictionary<string, Func<DecoderFields, ArchitectureSpec>> ByType = new(StringComparer.Ordinal)
    {
        ["t5"] = T5,
        ["mt5"] = T5,
        ["umt5"] = T5,
        ["bart"] = Bart,
        ["mbart"] = Bart,
        ["whisper"] = Whisper,
    };

    public static IEnumerable<string> Types => ByType.Keys;

    public static ArchitectureSpec Read(DecoderFields fields, string type) => ByType[type](fields);

    // T5: no biases, relative positions in the first layer of each stack (in every layer for umT5), one embedding.
    private static ArchitectureSpec T5(DecoderFields fields)
    {
        var config = fields.Config;
        var (heads, width, dense) = (fields.NeedHeads(), config.Positive("d_kv"), config.Positive("d_ff"));
        var encoders = fields.LayerCount(config.Positive("num_layers"));
        var decoders = fields.LayerCount(config.Has("num_decoder_layers") ? config.Positive("num_decoder_layers") : encoders);
        var inner = checked((long)heads * width);
        var gated = config.Text("feed_forward_proj")?.StartsWith("gated", StringComparison.Ordinal) == true;
        var buckets = config.Int("relative_attention_num_buckets", 32);
        var everywhere = config.Text("model_type") == "umt5";
        var hidden = fields.Hidden;

        void Attend(TensorPlan plan, string at)
        {
            foreach (var part in (ReadOnlySpan<string>)["q", "k", "v"])
                plan.Linear($"{at}.{part}", inner, hidden);
            plan.Linear($"{at}.o", hidden, inner);
        }

        void Stack(TensorPlan plan, string stack, int layers, bool crossed)
        {
            for (var i = 0; i < layers; i++)
            {
                var at = $"{stack}.block.{i}.layer";
                Attend(plan, $"{at}.0.SelfAttention");
                if (i == 0 || everywhere)
                    plan.Plain($"{at}.0.SelfAttention.relative_attention_bias.weight", buckets, heads);
                plan.Norm($"{at}.0.layer_norm", hidden);
                if (crossed)
                {
                    Attend(plan, $"{at}.1.EncDecAttention");
                    plan.Norm($"{at}.1.layer_norm", hidden);
                }

                var last = crossed ? 2 : 1;
                if (gated)
                    plan.Linear($"{at}.{last}.DenseReluDense.wi_0", dense, hidden);
                plan.Linear($"{at}.{last}.DenseReluDense.{(gated ? "wi_1" : "wi")}", dense, hidden);
                plan.Linear($"{at}.{last}.DenseReluDense.wo", hidden, dense);
                plan.Norm($"{at}.{last}.layer_norm", hidden);
            }

            plan.Norm($"{stack}.final_layer_norm", hidden);
        }

        var positions = config.Int("n_positions", 512);
        var alone = fields.Architecture.EndsWith("EncoderModel", StringComparison.Ordinal);
        var tied = fields.Tied(true);
        return Spec(fields, alone ? 0 : decoders, heads, width, positions, dense, plan =>
        {
            plan.Plain("shared.weight", fields.Vocabulary, hidden);
            Stack(plan, "encoder", encoders, crossed: false);
            if (alone)
                return;
            Stack(plan, "decoder", decoders, crossed: true);
            if (!tied)
                plan.Linear("lm_head", fields.Vocabulary, hidden, head: true);
        }) with
        { Tied = tied, Task = alone ? ModelTask.Embed : ModelTask.Generate };
    }

    private static ArchitectureSpec Bart(DecoderFields fields)
    {
        var config = fields.Config;
        var (encoders, decoders) = (config.Positive("encoder_layers"), config.Positive("decoder_layers"));
        var (wide, narrow) = (config.Positive("encoder_ffn_dim"), config.Positive("decoder_ffn_dim"));
        var positions = config.Positive("max_position_embeddings");
        var heads = config.Positive("decoder_attention_heads");
        // mBART norms each stack once more at its end.
        var last = config.Text("model_type") == "mbart";
        return Spec(fields, decoders, heads, fields.Hidden / heads, positions, narrow, plan =>
        {
            plan.Plain("model.shared.weight", fields.Vocabulary, fields.Hidden);
            Stack(plan, "model.encoder", fields, encoders, wide, positions + 2, crossed: false, embeddingNorm: true, last, keyBias: true);
            Stack(plan, "model.decoder", fields, decoders, narrow, positions + 2, crossed: true, embeddingNorm: true, last, keyBias: true);
        });
    }

    // Whisper (OpenAI 2022): sound as 80 or 128 mel bands, two convolutions, 1,500 positions for 30 seconds.
    private static ArchitectureSpec Whisper(DecoderFields fields)
    {
        var config = fields.Config;
        var (encoders, decoders) = (config.Positive("encoder_layers"), config.Positive("decoder_layers"));
        var (wide, narrow) = (config.Positive("encoder_ffn_dim"), config.Positive("decoder_ffn_dim"));
        var sound = config.Positive("max_source_positions");
        var heads = config.Positive("decoder_attention_heads");
        var bands = config.Int("num_mel_bins", 80);
        var spec = Spec(fields, decoders, heads, fields.Hidden / heads, sound, narrow, plan =>
        {
            plan.Plain("model.encoder.conv1.weight", fields.Hidden, bands, 3);
            plan.Plain("model.encoder.conv1.bias", fields.Hidden);
            plan.Plain("model.encoder.conv2.weight", fields.Hidden, fields.Hidden, 3);
            plan.Plain("model.encoder.conv2.bias", fields.Hidden);
            Stack(plan, "model.encoder", fields, encoders, wide, sound, crossed: false, embeddingNorm: false, last: true, keyBias: false);
            plan.Plain("model.decoder.embed_tokens.weight", fields.Vocabulary, fields.Hidden);
            Stack(plan, "model.decoder", fields, decoders, narrow, config.Positive("max_target_positions"), crossed: true, false, last: true, keyBias: false);
        });
        return spec with
        {
            Task = ModelTask.Transcribe,
            MaxPositions = config.Positive("max_target_positions"),
            EncoderTokensMax = sound,
            // Two steps of sound for each position.
            EncoderInputElements = 2L * sound * bands,
        };
    }

    private static void Stack(
        TensorPlan plan, string stack, DecoderFields fields, int layers, int dense, int positions, bool crossed,
        bool embeddingNorm, bool last, bool keyBias)
    {
        fields.LayerCount(layers);
        var hidden = fields.Hidden;
        plan.Plain($"{stack}.embed_positions.weight", positions, hidden);
        if (embeddingNorm)
            plan.Norm($"{stack}.layernorm_embedding", hidden, bias: true);
        for (var i = 0; i < layers; i++)
        {
            var at = $"{stack}.layers.{i}";
            foreach (var attention in crossed ? new[] { "self_attn", "encoder_attn" } : ["self_attn"])
            {
                plan.Linear($"{at}.{attention}.q_proj", hidden, hidden, bias: true);
                plan.Linear($"{at}.{attention}.k_proj", hidden, hidden, bias: keyBias);
                plan.Linear($"{at}.{attention}.v_proj", hidden, hidden, bias: true);
                plan.Linear($"{at}.{attention}.out_proj", hidden, hidden, bias: true);
                plan.Norm($"{at}.{attention}_layer_norm", hidden, bias: true);
            }

            plan.Linear($"{at}.fc1", dense, hidden, bias: true);
            plan.Linear($"{at}.fc2", hidden, dense, bias: true);
            plan.Norm($"{at}.final_layer_norm", hidden, bias: true);
        }

        if (last)
            plan.Norm($"{stack}.layer_norm", hidden, bias: true);
    }

    private static ArchitectureSpec Spec(DecoderFields fields, int layers, int heads, int width, int encoded, int dense, Action<TensorPlan> plan)
    {
        var cache = new LayerCache
        {
            Kind = CacheKind.KeyValue,
            KvHeads = heads,
            KeyWidth = width,
            ValueWidth = width,
            StateElements = checked(2L * heads * width * encoded),
        };
        var layer = new LayerSpec(new Mixer.Own(cache, (_, _, _) => { }), new FeedForward.Dense(dense, Gated: false));
        return new ArchitectureSpec
        {
            Architecture = fields.Architecture,
            Hidden = fields.Hidden,
            Vocabulary = fields.Vocabulary,
            MaxPositions = fields.MaxPositions,
            Heads = heads,
            Tied = true,
            EncoderDecoder = true,
            EncoderTokensMax = encoded,
            Layers = [.. Enumerable.Repeat(layer, fields.LayerCount(layers))],
            DefaultDtype = "float32",
            Plan = plan,
        };
    }
}
