using System.Globalization;

namespace Plimsoll.Artifacts;

internal enum ModelSection { Before, Layers, After, NotServed }

/// <summary>Where a tensor belongs: a part of the model, a layer, a component, and how engines split it.</summary>
/// <param name="Section">Before the layers, in one, after them, or not loaded.</param>
/// <param name="Layer">The layer's index; 0 outside layers.</param>
/// <param name="Component">A component of <see cref="WeightGroup"/>.</param>
/// <param name="Split">How engines divide it.</param>
/// <param name="Fused">Queries, keys and values in one tensor, whose parts split differently.</param>
internal readonly record struct TensorPlace(ModelSection Section, int Layer, string Component, WeightSplit Split, bool Fused = false);

/// <summary>
/// Places tensors by their names, in the spellings of the published libraries and of GGUF: one rule for the tensors
/// that a header lists and for those that a configuration implies.
/// </summary>
internal sealed class TensorPlaces(bool encoderDecoder, int layers)
{
    private static readonly HashSet<string> LayerWords = new(StringComparer.Ordinal)
        { "layers", "layer", "h", "blocks", "block", "blk", "resblocks" };

    private static readonly HashSet<string> VisionWords = new(StringComparer.Ordinal)
    {
        "vision_tower", "vision_model", "visual", "vision", "vision_encoder", "multi_modal_projector", "mm_projector",
        "image_newline", "patch_merge_mlp", "embed_vision", "connector", "vit", "image_encoder", "patch_merger", "vision_projector",
    };

    private static readonly HashSet<string> AudioWords = new(StringComparer.Ordinal)
        { "audio_tower", "audio", "embed_audio", "audio_model", "audio_encoder", "speech_encoder", "audio_projector" };

    /// <param name="name">The tensor's name.</param>
    public TensorPlace Of(string name)
    {
        var parts = name.Split('.');
        var (at, layer) = LayerOf(parts);
        for (var i = 0; i < (at < 0 ? parts.Length : at); i++)
        {
            var part = parts[i];
            if (part.StartsWith("mtp", StringComparison.Ordinal) || part.StartsWith("nextn", StringComparison.Ordinal))
                return new TensorPlace(ModelSection.NotServed, 0, "predictor", WeightSplit.Tensor);
            if (VisionWords.Contains(part) || (i == 0 && parts.Length > 2 && part is "v" or "mm"))
                return Tower("vision", parts, at);
            if (AudioWords.Contains(part) || (i == 0 && parts.Length > 2 && part is "a"))
                return Tower("audio", parts, at);
            if (encoderDecoder && part is "encoder" or "enc")
                return Tower("encoder", parts, at);
        }

        if (at < 0)
            return Outside(parts);
        if (layers > 0 && layer >= layers)
            return new TensorPlace(ModelSection.NotServed, 0, "predictor", WeightSplit.Tensor);
        var (component, split, fused) = LayerParts.Of(parts.AsSpan(at + 1));
        return new TensorPlace(ModelSection.Layers, layer, component, split, fused);
    }

    // Engines divide an encoder's matrices as they do the model's, and keep what is not in a layer whole.
    private static TensorPlace Tower(string component, string[] parts, int at)
    {
        var split = at < 0 ? WeightSplit.Replicated : LayerParts.Of(parts.AsSpan(at + 1)).Split;
        return new TensorPlace(ModelSection.Before, 0, component, split == WeightSplit.Replicated ? split : WeightSplit.Tensor);
    }

    private static (int At, int Layer) LayerOf(string[] parts)
    {
        for (var i = 0; i + 1 < parts.Length; i++)
        {
            if (LayerWords.Contains(parts[i]) && parts[i + 1].Length is > 0 and <= 6
                && int.TryParse(parts[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var layer))
                return (i + 1, layer);
            // MiMo's stack of predictors has a name of its own.
            if (parts[i].StartsWith("mtp", StringComparison.Ordinal))
                return (i + 1, 0);
        }

        return (-1, 0);
    }

    private static TensorPlace Outside(string[] parts)
    {
        foreach (var part in parts)
        {
            if (part is "lm_head" or "embed_out" or "proj_out" or "head" || (part is "output" && parts.Length == 2))
                return new TensorPlace(ModelSection.After, 0, "head", WeightSplit.Vocabulary);
            if (part is "pooler" or "classifier" or "pre_classifier" or "score" or "cls" or "qa_outputs")
                return new TensorPlace(ModelSection.After, 0, "head", WeightSplit.Replicated);
        }

        var before = Array.Exists(parts, part => part.Contains("emb", StringComparison.Ordinal));
        if (Array.Exists(parts, LayerParts.IsNorm))
            return new TensorPlace(before ? ModelSection.Before : ModelSection.After, 0, "norm", WeightSplit.Replicated);
        if (Array.Exists(parts, part => part.Contains("position", StringComparison.Ordinal) || part is "wpe" or "token_type_embeddings" or "token_types"))
            return new TensorPlace(ModelSection.Before, 0, "embedding", WeightSplit.Replicated);
        return before || Array.Exists(parts, part => part is "wte" or "shared")
            ? new TensorPlace(ModelSection.Before, 0, "embedding", WeightSplit.Vocabulary)
            : new TensorPlace(ModelSection.Before, 0, "other", WeightSplit.Replicated);
    }
}
