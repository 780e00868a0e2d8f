namespace Plimsoll.Artifacts;

/// <summary>
/// What an encoder of images holds at once while it works on one of its largest inputs: the widest of a layer's two halves. Attention
/// holds queries, keys, values, the two that were rotated, and what comes out; a network that widens holds what it widened to and what
/// its activation makes of that, with gate and product where it is gated; both beside the layer's input and its norm. Engines compute
/// attention in parts and hold no matrix of patches by patches. Read in vLLM's towers (releases 0.10 to 0.2x, by source).
/// </summary>
internal static class TowerWork
{
    /// <param name="config">The whole model's.</param>
    /// <param name="vision">Of its encoder, as its tensors are planned by.</param>
    /// <param name="tokens">What it makes of the largest input.</param>
    public static EncoderWork Of(ModelConfig config, ModelConfig vision, int tokens)
    {
        var type = config.Text("model_type");
        long hidden = vision.OptionalInt("embed_dim", "hidden_size", "vt_hidden_size") ?? 768;
        var gated = type is "mistral3" or "qwen2_5_vl" or "gemma4" || vision.Text("model_type") == "pixtral";
        long width = type == "qwen2_vl" ? hidden * vision.Int("mlp_ratio", 4)
            : vision.OptionalInt("intermediate_size", "vt_intermediate_size") ?? (type == "llama4" ? 5632 : 3072);
        var patches = Patches(type, vision, tokens);

        // LLaVA's keeps what every layer makes of its input where the projector takes more than the last.
        long kept = type is "llava" or "llava_next" && config.ArrayLength("vision_feature_layer") > 1 ? VisionTower.Layers(vision) : 0;
        return new EncoderWork(checked(patches * hidden * (2 + kept)), checked(patches * Math.Max(6 * hidden, (gated ? 3 : 2) * width)))
        {
            // Qwen's later towers tap layers, and hand on the taps beside what comes out last.
            OutputWidths = type is "qwen3_vl" or "qwen3_vl_moe" or "qwen3_5" or "qwen3_5_moe" ? 1 + vision.ArrayLength("deepstack_visual_indexes") : 1,
        };
    }

    private static long Patches(string? type, ModelConfig vision, int tokens)
    {
        // Where a configuration leaves them out, what the tensors of its tower are planned by.
        var (image, patch) = type switch
        {
            "gemma3" or "llava" or "llava_next" or "minimax_m3_vl" => (224, 16),
            "llama4" => (448, 14),
            _ => (336, 14),
        };
        long side = vision.Int("image_size", image) / Math.Max(1, vision.Int("patch_size", patch));
        return type switch
        {
            "gemma3" or "llava" or "mistral3" or "minimax_m3_vl" => side * side,
            "llava_next" => side * side * (1 + (tokens / Math.Max(1, side * side))),
            "llama4" => 17 * ((side * side) + 1),
            "gemma4" => (long)tokens * vision.Int("pooling_kernel_size", 3) * vision.Int("pooling_kernel_size", 3),
            _ => 4L * tokens,
        };
    }
}
