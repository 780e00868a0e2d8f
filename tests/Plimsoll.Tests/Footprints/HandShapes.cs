using System.Collections.Immutable;

namespace Plimsoll.Tests.Footprints;

/// <summary>Shapes typed from published architectures, parameter counts multiplied out by hand.</summary>
internal static class HandShapes
{
    public static readonly Accelerator H100 = Device("h100-80gb", 79.19);

    public static Accelerator Device(string name, double gib, string? sliceOf = null) => new()
    {
        Name = name,
        Vendor = "nvidia",
        Memory = Bytes.GiB(gib),
        SliceOf = sliceOf,
        LinkDomainDevices = sliceOf is null ? 8 : 1,
        Source = "typed by hand for tests",
    };

    /// <summary>Llama 3.1 8B: 8,030,261,248 parameters.</summary>
    public static Footprint Llama31() => Of(Llama31Shape());

    public static ModelShape Llama31Shape() => new()
    {
        Architecture = "LlamaForCausalLM",
        Task = ModelTask.Generate,
        HiddenSize = 4096,
        VocabularySize = 128_256,
        MaxPositions = 131_072,
        AttentionHeads = 32,
        RotaryWidth = 128,
        Before = [Group("embedding", WeightSplit.Vocabulary, 525_336_576)],
        Layers =
        [
            new LayerRun
            {
                First = 0,
                Count = 32,
                ActiveWidth = 14_336,
                Cache = new LayerCache { Kind = CacheKind.KeyValue, KvHeads = 8, KeyWidth = 128, ValueWidth = 128 },
                Weights =
                [
                    Group("attention", WeightSplit.Tensor, 33_554_432),
                    Group("attention", WeightSplit.KeyValueHeads, 8_388_608),
                    Group("mlp", WeightSplit.Tensor, 176_160_768),
                    Group("norm", WeightSplit.Replicated, 8_192),
                ],
            },
        ],
        After =
        [
            Group("norm", WeightSplit.Replicated, 4_096),
            Group("head", WeightSplit.Vocabulary, 525_336_576),
        ],
    };

    /// <summary>Gemma 3 27B's layers: 62, every sixth one without a window of 1,024; 16 key-value heads of 128.</summary>
    public static ModelShape WindowedShape()
    {
        var runs = ImmutableArray.CreateBuilder<LayerRun>();
        for (var first = 0; first < 62; first += 6)
        {
            runs.Add(Windowed(first, Math.Min(5, 62 - first), 1024));
            if (first + 5 < 62) runs.Add(Windowed(first + 5, 1, null));
        }

        return Llama31Shape() with { HiddenSize = 5376, VocabularySize = 262_208, Layers = runs.ToImmutable() };
    }

    /// <summary>DeepSeek V3 and R1: 671 billion parameters in 8-bit floats, scales left out; 256 experts of 2,048 in all layers but three.</summary>
    public static ModelShape DeepSeekV3Shape()
    {
        // Down to 1,536 and 576 on every rank; up to 128 heads of 192 and of 128 + 128, and back from 128 × 128.
        WeightGroup[] attention = [Byte("attention", WeightSplit.Replicated, 15_138_816), Byte("attention", WeightSplit.Tensor, 171_966_464)];
        var cache = new LayerCache { Kind = CacheKind.Latent, KeyWidth = 576, LatentHeadWidth = 256 };
        return Llama31Shape() with
        {
            HiddenSize = 7168,
            VocabularySize = 129_280,
            MaxPositions = 163_840,
            AttentionHeads = 128,
            RotaryWidth = 64,
            WeightBlock = new WeightBlock(128, 128),
            Before = [Group("embedding", WeightSplit.Vocabulary, 926_679_040)],
            Layers =
            [
                new LayerRun { First = 0, Count = 3, ActiveWidth = 18_432, Cache = cache, Weights = [.. attention, Byte("mlp", WeightSplit.Tensor, 396_361_728)] },
                new LayerRun
                {
                    First = 3,
                    Count = 58,
                    Experts = 256,
                    ExpertsPerToken = 8,
                    ExpertWidth = 2048,
                    ActiveWidth = 9 * 2048,
                    Cache = cache,
                    Weights = [.. attention, Byte("experts", WeightSplit.Experts, 256 * 44_040_192L), Byte("shared experts", WeightSplit.Tensor, 44_040_192)],
                },
            ],
            After = [Group("head", WeightSplit.Vocabulary, 926_679_040)],
        };

        static WeightGroup Byte(string component, WeightSplit split, long parameters) =>
            new(component, split, parameters, new Bytes(parameters), "float8_e4m3fn");
    }

    private static LayerRun Windowed(int first, int count, int? window) => new()
    {
        First = first,
        Count = count,
        ActiveWidth = 21_504,
        Weights = [],
        Cache = new LayerCache
        {
            Kind = CacheKind.KeyValue,
            KvHeads = 16,
            KeyWidth = 128,
            ValueWidth = 128,
            Window = window,
        },
    };

    public static Footprint Of(ModelShape shape)
    {
        var weights = Sum(shape.Before) + Sum(shape.After) + shape.Layers.Sum(run => run.Count * Sum(run.Weights));
        return new Footprint
        {
            Format = ArtifactFormat.HuggingFace,
            Source = FootprintSource.Architecture,
            Digest = "by hand",
            OnDisk = new Bytes(weights),
            Weights = new Bytes(weights),
            Shape = shape,
        };

        static long Sum(ImmutableArray<WeightGroup> groups) => groups.Sum(group => group.Weights.Value);
    }

    public static WeightGroup Group(string component, WeightSplit split, long parameters) =>
        new(component, split, parameters, new Bytes(parameters * 2), "bfloat16");
}
