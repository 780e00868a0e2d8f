using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>What is around a decoder's layers, and how it is called.</summary>
internal sealed record DecoderForm
{
    public string Embedding { get; init; } = "embed_tokens";

    /// <summary>Width of the embedding; 0 for the hidden size.</summary>
    public int EmbeddingWidth { get; init; }

    public string LayersName { get; init; } = "layers";

    public ImmutableArray<string> LayerNorms { get; init; } = ["input_layernorm", "post_attention_layernorm"];

    public bool NormBias { get; init; }

    public string FinalNorm { get; init; } = "norm";

    public bool HeadBias { get; init; }

    /// <summary>Learned positions: their tensor and rows.</summary>
    public (string Name, int Rows)? Positions { get; init; }

    /// <summary>More tensors before the layers, each layer's own, and after them.</summary>
    public Action<TensorPlan, string>? Before { get; init; }

    public Action<TensorPlan, string, int>? EachLayer { get; init; }

    public Action<TensorPlan, string>? After { get; init; }

    /// <summary>Layers that predict further tokens, written down with the index they have in the files.</summary>
    public int Predictors { get; init; }

    public Action<TensorPlan, string, int>? Predictor { get; init; }
}

/// <summary>Puts decoders together from their parts.</summary>
internal static class Decoder
{
    public static ArchitectureSpec Spec(DecoderFields fields, DecoderForm form, bool tied, ImmutableArray<LayerSpec> layers) => new()
    {
        Architecture = fields.Architecture,
        Task = fields.Task,
        Hidden = fields.Hidden,
        Vocabulary = fields.Vocabulary,
        MaxPositions = fields.MaxPositions,
        Heads = fields.Heads,
        RotaryRows = fields.RotaryRows,
        ScaledPositions = fields.ScaledPositions,
        Tied = tied && fields.Task == ModelTask.Generate,
        Layers = layers,
        Plan = plan => Plan(plan, fields, form, tied, layers),
    };

    private static void Plan(
        TensorPlan plan, DecoderFields fields, DecoderForm form, bool tied, ImmutableArray<LayerSpec> layers)
    {
        var root = RootOf(fields);
        long width = form.EmbeddingWidth > 0 ? form.EmbeddingWidth : fields.Hidden;
        plan.Plain($"{root}{form.Embedding}.weight", fields.Vocabulary, width);
        if (form.Positions is { } positions)
            plan.Plain($"{root}{positions.Name}.weight", positions.Rows, fields.Hidden);
        form.Before?.Invoke(plan, root);
        for (var i = 0; i < layers.Length; i++)
            Layer(plan, $"{root}{form.LayersName}.{i}", fields.Hidden, form, layers[i], i);
        for (var i = 0; i < form.Predictors; i++)
            form.Predictor?.Invoke(plan, root, layers.Length + i);
        if (form.FinalNorm.Length > 0)
            plan.Norm($"{root}{form.FinalNorm}", fields.Hidden, form.NormBias);
        form.After?.Invoke(plan, root);
        if (fields.Task == ModelTask.Classify)
            ModelClass.PlanScore(plan, fields);
        else if (fields.Task == ModelTask.Generate && !tied)
            plan.Linear(fields.Head, fields.Vocabulary, width, form.HeadBias, head: true);
    }

    // The layers alone are stored without the name they have in a whole model: "layers.0", and OPT's "decoder.layers.0".
    private static string RootOf(DecoderFields fields)
    {
        var root = fields.Root.Length == 0 ? "" : fields.Root + ".";
        return fields.Task == ModelTask.Embed ? root[(root.IndexOf('.', StringComparison.Ordinal) + 1)..] : root;
    }

    /// <summary>Writes down one layer: norms, mixer, feed-forward part.</summary>
    public static void Layer(TensorPlan plan, string at, long hidden, DecoderForm form, LayerSpec layer, int index)
    {
        foreach (var norm in form.LayerNorms)
            plan.Norm($"{at}.{norm}", hidden, form.NormBias);
        layer.Mixer.Plan(plan, at, hidden);
        layer.FeedForward.Plan(plan, at, hidden);
        form.EachLayer?.Invoke(plan, at, index);
    }
}
