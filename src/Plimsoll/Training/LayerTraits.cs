namespace Plimsoll;

/// <summary>Widths of one layer that its activations follow, in elements per token.</summary>
internal sealed record LayerTraits
{
    public required int Hidden { get; init; }

    public required int Heads { get; init; }

    public required long Query { get; init; }

    public required long Key { get; init; }

    public required long Value { get; init; }

    /// <summary>The attention's output before its projection.</summary>
    public required long Mixed { get; init; }

    /// <summary>Feed-forward width a token passes, all its experts together.</summary>
    public required long Inner { get; init; }

    public required bool Gated { get; init; }

    public required double Norms { get; init; }

    public required bool RmsNorm { get; init; }

    /// <summary>Copies of a token that are sent to experts; 0 for a dense layer.</summary>
    public required int Experts { get; init; }

    /// <summary>False for kinds of layers whose activations are a guess: experts, latent attention, state-space layers.</summary>
    public required bool Derived { get; init; }

    public static LayerTraits Of(ModelShape shape, LayerRun layer)
    {
        var (h, cache) = (shape.HiddenSize, layer.Cache);
        // A latent cache expands to a key without its rotary part and a value per head, about half each.
        var (key, value) = cache.Kind switch
        {
            CacheKind.KeyValue => (cache.KeyWidth, cache.ValueWidth > 0 ? cache.ValueWidth : cache.KeyWidth),
            CacheKind.Latent => (cache.LatentHeadWidth / 2 + shape.RotaryWidth, cache.LatentHeadWidth / 2),
            _ => (0, 0),
        };
        var heads = shape.AttentionHeads;
        var keyHeads = cache.Kind == CacheKind.KeyValue ? cache.KvHeads : heads;
        // An encoder caches nothing, but its attention is of the model's width all the same.
        if (key == 0 && heads > 0 && layer.Weights.Any(group => group.Component == "attention")) (key, value) = (h / heads, h / heads);
        var mixes = key > 0;
        var feeds = layer.Weights.Where(group => group.Component is "mlp" or "shared experts" or "experts").Sum(group => group.Parameters);
        var width = Total(layer);
        // Three matrices with a gate, two without; a bias is far less than half a matrix.
        var gated = width > 0 && feeds > 2.5 * h * width;
        var norm = layer.Weights.Where(group => group.Component == "norm").Sum(group => group.Parameters);
        return new LayerTraits
        {
            Hidden = h,
            Heads = heads,
            // A state-space layer: what it widens to is not in the shape; twice the width is its usual.
            Query = mixes ? (long)heads * key : 2L * h,
            Key = mixes ? (long)keyHeads * key : 2L * h,
            Value = mixes ? (long)keyHeads * value : 2L * h,
            Mixed = mixes ? (long)heads * value : 2L * h,
            Inner = layer.ActiveWidth,
            Gated = gated,
            RmsNorm = gated,
            // A layer norm has a bias beside its weight; norms of single heads are less than one.
            Norms = norm == 0 ? 2 : Math.Clamp(Math.Floor((double)norm / (gated ? h : 2L * h)), 1, 4),
            Experts = layer.ExpertsPerToken,
            Derived = layer.Experts == 0 && mixes && cache.Kind is (CacheKind.KeyValue or CacheKind.None),
        };
    }

    // All experts' widths together, to tell a gate by the weights.
    private static long Total(LayerRun layer) => layer.Experts == 0 ? layer.ActiveWidth
        : (long)layer.Experts * layer.ExpertWidth + Math.Max(0, layer.ActiveWidth - (long)layer.ExpertsPerToken * layer.ExpertWidth);
}
