namespace Plimsoll.Tests.Training;

/// <summary>Published architectures, typed by hand.</summary>
internal static class Shapes
{
    /// <summary>A GPT: layer norms with biases, an inner width of four times the hidden size, dropout in training.</summary>
    public static ModelShape Gpt(int layers, int hidden, int heads, int vocabulary = 51200)
    {
        long square = (long)hidden * hidden;
        return Of("GPT", layers, hidden, heads, heads, hidden / heads, 4 * hidden, vocabulary, [
            new WeightGroup("attention", WeightSplit.Tensor, 2 * square, new Bytes(4 * square), "float16"),
            new WeightGroup("attention", WeightSplit.KeyValueHeads, 2 * square, new Bytes(4 * square), "float16"),
            new WeightGroup("mlp", WeightSplit.Tensor, 8 * square, new Bytes(16 * square), "float16"),
            new WeightGroup("norm", WeightSplit.Replicated, 4L * hidden, new Bytes(8L * hidden), "float16"),
        ]);
    }

    /// <summary>A LLaMA: RMS norms, a gate, grouped keys and values, no dropout.</summary>
    public static ModelShape Llama(int layers, int hidden, int heads, int kvHeads, int inner, int vocabulary)
    {
        long square = (long)hidden * hidden;
        var kv = 2 * square * kvHeads / heads;
        var mlp = 3L * hidden * inner;
        return Of("LlamaForCausalLM", layers, hidden, heads, kvHeads, hidden / heads, inner, vocabulary, [
            new WeightGroup("attention", WeightSplit.Tensor, 2 * square, new Bytes(4 * square), "bfloat16"),
            new WeightGroup("attention", WeightSplit.KeyValueHeads, kv, new Bytes(2 * kv), "bfloat16"),
            new WeightGroup("mlp", WeightSplit.Tensor, mlp, new Bytes(2 * mlp), "bfloat16"),
            new WeightGroup("norm", WeightSplit.Replicated, 2L * hidden, new Bytes(4L * hidden), "bfloat16"),
        ]);
    }

    public static readonly ModelShape Llama2Of7B = Llama(32, 4096, 32, 32, 11008, 32000);

    public static readonly ModelShape Llama31Of8B = Llama(32, 4096, 32, 8, 14336, 128256);

    public static Footprint Footprint(ModelShape shape) => new()
    {
        Format = ArtifactFormat.HuggingFace,
        Source = FootprintSource.Architecture,
        Digest = "test",
        OnDisk = Bytes.Zero,
        Weights = Bytes.Zero,
        Shape = shape,
    };

    private static ModelShape Of(
        string architecture, int layers, int hidden, int heads, int kvHeads, int width, int inner, int vocabulary, WeightGroup[] weights)
    {
        var table = (long)vocabulary * hidden;
        return new ModelShape
        {
            Architecture = architecture,
            Task = ModelTask.Generate,
            HiddenSize = hidden,
            VocabularySize = vocabulary,
            AttentionHeads = heads,
            Before = [new WeightGroup("embedding", WeightSplit.Vocabulary, table, new Bytes(2 * table), "bfloat16")],
            Layers =
            [
                new LayerRun
                {
                    First = 0,
                    Count = layers,
                    Weights = [.. weights],
                    Cache = new LayerCache { Kind = CacheKind.KeyValue, KvHeads = kvHeads, KeyWidth = width, ValueWidth = width },
                    ActiveWidth = inner,
                },
            ],
            After = [new WeightGroup("head", WeightSplit.Vocabulary, table, new Bytes(2 * table), "bfloat16")],
        };
    }
}
