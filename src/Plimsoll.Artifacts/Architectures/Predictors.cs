namespace Plimsoll.Artifacts;

/// <summary>Layers that predict further tokens: in the files, but not loaded by serving unless asked to speculate.</summary>
internal static class Predictors
{
    /// <summary>
    /// DeepSeek-V3's (DeepSeek-AI 2024, section 2.2): one more layer of the model, with two norms, a projection of
    /// both inputs, and copies of embedding and head.
    /// </summary>
    public static DecoderForm NextLayer(DecoderFields fields, DecoderForm form, LayerSpec layer) => form with
    {
        Predictors = Count(fields.Config),
        Predictor = (plan, root, index) =>
        {
            var at = $"{root}{form.LayersName}.{index}";
            plan.Norm($"{at}.enorm", fields.Hidden);
            plan.Norm($"{at}.hnorm", fields.Hidden);
            plan.Linear($"{at}.eh_proj", fields.Hidden, 2L * fields.Hidden, head: true);
            plan.Norm($"{at}.shared_head.norm", fields.Hidden);
            plan.Plain($"{at}.embed_tokens.weight", fields.Vocabulary, fields.Hidden);
            plan.Linear($"{at}.shared_head.head", fields.Vocabulary, fields.Hidden, head: true);
            Decoder.Layer(plan, at, fields.Hidden, form, layer, index);
        },
    };

    /// <summary>A stack of its own, sharing embedding and head with the model.</summary>
    public static DecoderForm OwnStack(DecoderFields fields, DecoderForm form, string stack, params LayerSpec[] layers) => form with
    {
        Predictors = Count(fields.Config),
        Predictor = (plan, root, index) =>
        {
            var at = $"{root}{stack}.{index}";
            plan.Norm($"{at}.token_layernorm", fields.Hidden);
            plan.Norm($"{at}.hidden_layernorm", fields.Hidden);
            plan.Linear($"{at}.input_proj", fields.Hidden, 2L * fields.Hidden, head: true);
            plan.Norm($"{at}.final_layernorm", fields.Hidden);
            foreach (var layer in layers)
                Decoder.Layer(plan, at, fields.Hidden, form, layer, index);
        },
    };

    private static int Count(ModelConfig config)
    {
        var count = config.OptionalInt("num_nextn_predict_layers", "mtp_num_hidden_layers") ?? 0;
        return count <= 16 ? count : throw config.Wrong("num_nextn_predict_layers", $"{count}", "at most 16");
    }
}
