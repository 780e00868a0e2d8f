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
    private const int LayerDigitsMax = 6;

    private static readonly TensorPlace Predictor = new(ModelSection.NotServed, 0, "predictor", WeightSplit.Tensor);

    private static readonly HashSet<string> LayerWords = new(StringComparer.Ordinal)
        { "layers", "layer", "h", "blocks", "block", "blk", "resblocks" };

    private static readonly HashSet<string> VisionWords = new(StringComparer.Ordinal)
    {
        "vision_tower", "vision_model", "visual", "vision", "vision_encoder", "multi_modal_projector", "mm_projector",
        "image_newline", "patch_merge_mlp", "embed_vision", "connector", "vit", "image_encoder", "patch_merger", "vision_projector",
    };

    private static readonly HashSet<string> AudioWords = new(StringComparer.Ordinal)
        { "audio_tower", "audio", "embed_audio", "audio_model", "audio_encoder", "speech_encoder", "audio_projector" };

    // Only the layer's number tells most names apart: a model of 100,000 tensors, experts stored one by one, has some 20 others.
    private readonly Dictionary<string, (TensorPlace Place, int LayerAt)> _byPattern = new(StringComparer.Ordinal);

    /// <param name="name">The tensor's name.</param>
    public TensorPlace Of(string name)
    {
        Span<char> pattern = name.Length <= 256 ? stackalloc char[512] : new char[2 * name.Length];
        pattern = pattern[..Pattern(name, pattern)];
        var known = _byPattern.GetAlternateLookup<ReadOnlySpan<char>>();
        if (!known.TryGetValue(pattern, out var found))
            known[pattern] = found = Told(name);
        if (found.Place.Section != ModelSection.Layers)
            return found.Place;
        var layer = NumberAt(name, found.LayerAt);
        return layers > 0 && layer >= layers ? Predictor : found.Place with { Layer = layer };
    }

    /// <summary>Whether a module lies in one of the text's layers: not before or after them, nor in a tower of images or sound.</summary>
    public static bool IsInLayer(string module)
    {
        var parts = module.Split('.');
        var at = LayerOf(parts);
        return at >= 0 && !parts.Take(at).Any(part => VisionWords.Contains(part) || AudioWords.Contains(part));
    }

    // The name with a sign in place of every part that is a number, as far as one may be a layer's.
    private static int Pattern(ReadOnlySpan<char> name, Span<char> pattern)
    {
        var length = 0;
        foreach (var range in name.Split('.'))
        {
            var part = name[range];
            if (length > 0 || range.Start.Value > 0)
                pattern[length++] = '.';
            if (part.Length is > 0 and <= LayerDigitsMax && !part.ContainsAnyExceptInRange('0', '9'))
            {
                pattern[length++] = '#';
                continue;
            }

            // A part that is or begins with the sign itself is told from a number by one more.
            if (part.StartsWith('#'))
                pattern[length++] = '#';
            part.CopyTo(pattern[length..]);
            length += part.Length;
        }

        return length;
    }

    private static int NumberAt(ReadOnlySpan<char> name, int part)
    {
        foreach (var range in name.Split('.'))
        {
            if (part-- == 0)
                return int.Parse(name[range], NumberStyles.None, CultureInfo.InvariantCulture);
        }

        throw new System.Diagnostics.UnreachableException();
    }

    private (TensorPlace Place, int LayerAt) Told(string name)
    {
        var parts = name.Split('.');
        var at = LayerOf(parts);
        return (Told(parts, at), at);
    }

    private TensorPlace Told(string[] parts, int at)
    {
        for (var i = 0; i < (at < 0 ? parts.Length : at); i++)
        {
            var part = parts[i];
            if (part.StartsWith("mtp", StringComparison.Ordinal) || part.StartsWith("nextn", StringComparison.Ordinal))
                return Predictor;
            if (VisionWords.Contains(part) || (i == 0 && parts.Length > 2 && part is "v" or "mm"))
                return Tower("vision", parts, at);
            if (AudioWords.Contains(part) || (i == 0 && parts.Length > 2 && part is "a"))
                return Tower("audio", parts, at);
            if (encoderDecoder && part is "encoder" or "enc")
                return Tower("encoder", parts, at);
        }

        if (at < 0)
            return Outside(parts);
        var (component, split, fused) = LayerParts.Of(parts.AsSpan(at + 1));
        return new TensorPlace(ModelSection.Layers, 0, component, split, fused);
    }

    // Engines divide an encoder's matrices as they do the model's, and keep what is not in a layer whole.
    private static TensorPlace Tower(string component, string[] parts, int at)
    {
        var split = at < 0 ? WeightSplit.Replicated : LayerParts.Of(parts.AsSpan(at + 1)).Split;
        return new TensorPlace(ModelSection.Before, 0, component, split == WeightSplit.Replicated ? split : WeightSplit.Tensor);
    }

    private static int LayerOf(string[] parts)
    {
        for (var i = 0; i + 1 < parts.Length; i++)
        {
            if (LayerWords.Contains(parts[i]) && parts[i + 1].Length is > 0 and <= LayerDigitsMax
                && int.TryParse(parts[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out _))
                return i + 1;
            // MiMo's stack of predictors has a name of its own.
            if (parts[i].StartsWith("mtp", StringComparison.Ordinal))
                return i + 1;
        }

        return -1;
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
