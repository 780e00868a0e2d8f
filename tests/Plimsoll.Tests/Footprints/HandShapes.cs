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
