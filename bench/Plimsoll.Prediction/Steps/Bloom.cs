namespace Plimsoll.Prediction.Steps;

/// <summary>
/// BLOOM 176B, whose configuration is in no folder here: 70 layers of width 14,336, 112 heads with keys of their own, a
/// feed-forward part four times as wide, 250,880 tokens (BigScience 2022, table 3).
/// </summary>
internal static class Bloom
{
    public const string Name = "bloom-176b";
    private const int Hidden = 14_336, Layers = 70, Heads = 112, Vocabulary = 250_880;

    public static readonly ModelShape Shape = new()
    {
        Architecture = "BloomForCausalLM",
        HiddenSize = Hidden,
        VocabularySize = Vocabulary,
        AttentionHeads = Heads,
        TiedEmbeddings = true,
        Before = [Group("embedding", WeightSplit.Vocabulary, (long)Vocabulary * Hidden)],
        Layers =
        [
            new LayerRun
            {
                First = 0,
                Count = Layers,
                Weights = [Group("attention", WeightSplit.Tensor, 4L * Hidden * Hidden), Group("mlp", WeightSplit.Tensor, 8L * Hidden * Hidden)],
                Cache = new LayerCache { Kind = CacheKind.KeyValue, KvHeads = Heads, KeyWidth = Hidden / Heads, ValueWidth = Hidden / Heads },
            },
        ],
    };

    private static WeightGroup Group(string component, WeightSplit split, long parameters) =>
        new(component, split, parameters, new Bytes(2 * parameters), "bfloat16");
}
