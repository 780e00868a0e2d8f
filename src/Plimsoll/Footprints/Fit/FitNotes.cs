using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>What a reader of a fit should know beside its numbers: what they leave out, and what they assume.</summary>
internal static class FitNotes
{
    public static ImmutableArray<string> Of(Footprint footprint, ServingVariant variant)
    {
        var notes = ImmutableArray.CreateBuilder<string>();
        if (footprint.Shape is not { } shape)
        {
            notes.Add(WithoutShape(footprint));
        }
        else
        {
            if (shape.MaxPositions > 0 && variant.Context > shape.PositionsMax)
                notes.Add($"a context of {variant.Context} is beyond the {shape.PositionsMax} positions the model was made for");
            if (shape.StatedCache is { } cache && variant.KvDtype.Equals("auto", StringComparison.OrdinalIgnoreCase))
            {
                notes.Add(variant.Engine.TakesCacheOf(cache.Method)
                    ? $"keys and values are kept in {cache.Dtype}, as the checkpoint says"
                    : $"the checkpoint would have keys and values in {cache.Dtype}, which {variant.Engine.Name} {variant.Engine.Version} is not known to go by; --kv-dtype {cache.Dtype} counts them so");
            }
        }

        if (variant.Device.MemoryCertainty != Certainty.Exact)
            notes.Add($"the memory of {variant.Device.Name} is taken from its nominal size, not seen on one");
        return notes.ToImmutable();
    }

    private static string WithoutShape(Footprint footprint) => footprint.Format switch
    {
        ArtifactFormat.Lora => "an adapter is served on top of its base model, whose weights and cache are not counted here",
        ArtifactFormat.Diffusers => "the weights are those of all components at once; the working set is assumed, and grows with the images' size",
        ArtifactFormat.Unknown or ArtifactFormat.TensorRt =>
            "only the bytes on disk are known: what it takes in a device's memory, and keeps per request, is assumed",
        ArtifactFormat.Onnx or ArtifactFormat.TritonRepository or ArtifactFormat.PyTorch =>
            "the weights are known, not what the model computes with them: the working set is assumed, and a cache is not counted",
        _ => "the architecture is not known: the working set is assumed, and a cache of keys and values is not counted",
    };
}
