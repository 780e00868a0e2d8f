namespace Plimsoll.Artifacts;

/// <summary>Encoders of images: their tensors, and how many tokens they make of one image at most.</summary>
internal static class VisionTower
{
    /// <summary>SigLIP and CLIP: patches, learned positions, layers with biases, optionally a pooling head.</summary>
    public static void Siglip(TensorPlan plan, string at, ModelConfig vision, bool clip = false)
    {
        var (hidden, width) = (vision.Int("hidden_size", 768), vision.Int("intermediate_size", 3072));
        var (patch, channels) = (vision.Int("patch_size", 16), vision.Int("num_channels", 3));
        var side = vision.Int("image_size", 224) / Math.Max(1, patch);
        var patches = (long)side * side;
        plan.Plain($"{at}.embeddings.patch_embedding.weight", hidden, channels, patch, patch);
        if (clip)
        {
            plan.Plain($"{at}.embeddings.class_embedding", hidden);
            plan.Norm($"{at}.pre_layrnorm", hidden, bias: true);
        }
        else
        {
            plan.Plain($"{at}.embeddings.patch_embedding.bias", hidden);
        }

        plan.Plain($"{at}.embeddings.position_embedding.weight", clip ? patches + 1 : patches, hidden);
        for (var i = 0; i < Layers(vision); i++)
            SiglipLayer(plan, $"{at}.encoder.layers.{i}", hidden, width);
        plan.Norm($"{at}.post_layernorm", hidden, bias: true);
        if (clip || !vision.Bool("vision_use_head", true))
            return;
        plan.Plain($"{at}.head.probe", 1, 1, hidden);
        plan.Plain($"{at}.head.attention.in_proj_weight", 3L * hidden, hidden);
        plan.Plain($"{at}.head.attention.in_proj_bias", 3L * hidden);
        plan.Linear($"{at}.head.attention.out_proj", hidden, hidden, bias: true);
        plan.Norm($"{at}.head.layernorm", hidden, bias: true);
        plan.Linear($"{at}.head.mlp.fc1", width, hidden, bias: true);
        plan.Linear($"{at}.head.mlp.fc2", hidden, width, bias: true);
    }

    /// <summary>Pixtral: patches without positions, gated layers without biases.</summary>
    public static void Pixtral(TensorPlan plan, string at, ModelConfig vision)
    {
        var (hidden, width) = (vision.Positive("hidden_size"), vision.Positive("intermediate_size"));
        var patch = vision.Positive("patch_size");
        plan.Plain($"{at}.patch_conv.weight", hidden, vision.Int("num_channels", 3), patch, patch);
        plan.Norm($"{at}.ln_pre", hidden);
        for (var i = 0; i < Layers(vision); i++)
        {
            var layer = $"{at}.transformer.layers.{i}";
            plan.Norm($"{layer}.attention_norm", hidden);
            plan.Norm($"{layer}.ffn_norm", hidden);
            foreach (var part in (ReadOnlySpan<string>)["q_proj", "k_proj", "v_proj", "o_proj"])
                plan.Linear($"{layer}.attention.{part}", hidden, hidden);
            plan.Linear($"{layer}.feed_forward.gate_proj", width, hidden);
            plan.Linear($"{layer}.feed_forward.up_proj", width, hidden);
            plan.Linear($"{layer}.feed_forward.down_proj", hidden, width);
        }
    }

    /// <summary>Qwen's from 3-VL on: learned positions, fused layers with biases, a merger, and one more for each depth it also taps.</summary>
    public static void Qwen3(TensorPlan plan, string at, ModelConfig vision)
    {
        var (hidden, width) = (vision.Positive("hidden_size"), vision.Positive("intermediate_size"));
        var (patch, merge) = (vision.Positive("patch_size"), vision.Int("spatial_merge_size", 2));
        long merged = checked((long)hidden * merge * merge), outputs = vision.Positive("out_hidden_size");
        plan.Plain($"{at}.patch_embed.proj.weight", hidden, vision.Int("in_channels", 3), vision.Int("temporal_patch_size", 2), patch, patch);
        plan.Plain($"{at}.patch_embed.proj.bias", hidden);
        plan.Plain($"{at}.pos_embed.weight", vision.Int("num_position_embeddings", 2304), hidden);
        for (var i = 0; i < Layers(vision); i++)
        {
            var layer = $"{at}.blocks.{i}";
            plan.Norm($"{layer}.norm1", hidden, bias: true);
            plan.Norm($"{layer}.norm2", hidden, bias: true);
            plan.Linear($"{layer}.attn.qkv", 3L * hidden, hidden, bias: true);
            plan.Linear($"{layer}.attn.proj", hidden, hidden, bias: true);
            plan.Linear($"{layer}.mlp.linear_fc1", width, hidden, bias: true);
            plan.Linear($"{layer}.mlp.linear_fc2", hidden, width, bias: true);
        }

        Merger(plan, $"{at}.merger", hidden, merged, outputs);
        // Taps of layers: no more than there are.
        var taps = vision.ArrayLength("deepstack_visual_indexes");
        if (taps > Layers(vision))
            throw vision.Wrong("deepstack_visual_indexes", $"{taps} entries", $"at most one for each of {Layers(vision)} layers");
        for (var i = 0; i < taps; i++)
            Merger(plan, $"{at}.deepstack_merger_list.{i}", merged, merged, outputs);
    }

    /// <summary>Qwen2-VL's: as Qwen's later, with a convolution without bias and no learned positions.</summary>
    public static void Qwen2(TensorPlan plan, string at, ModelConfig vision, bool gated)
    {
        var hidden = vision.Positive("embed_dim", "hidden_size");
        var width = gated ? vision.Positive("intermediate_size") : checked(hidden * vision.Int("mlp_ratio", 4));
        var (patch, merge) = (vision.Int("patch_size", 14), vision.Int("spatial_merge_size", 2));
        long merged = checked((long)hidden * merge * merge), outputs = gated ? vision.Positive("out_hidden_size") : vision.Positive("hidden_size");
        plan.Plain($"{at}.patch_embed.proj.weight", hidden, vision.OptionalInt("in_channels", "in_chans") ?? 3, vision.Int("temporal_patch_size", 2), patch, patch);
        for (var i = 0; i < Layers(vision); i++)
        {
            var layer = $"{at}.blocks.{i}";
            plan.Norm($"{layer}.norm1", hidden, bias: !gated);
            plan.Norm($"{layer}.norm2", hidden, bias: !gated);
            plan.Linear($"{layer}.attn.qkv", 3L * hidden, hidden, bias: true);
            plan.Linear($"{layer}.attn.proj", hidden, hidden, bias: true);
            foreach (var (name, rows, columns) in gated
                ? new[] { ("gate_proj", width, hidden), ("up_proj", width, hidden), ("down_proj", hidden, width) }
                : [("fc1", width, hidden), ("fc2", hidden, width)])
                plan.Linear($"{layer}.mlp.{name}", rows, columns, bias: true);
        }

        plan.Norm($"{at}.merger.ln_q", hidden, bias: !gated);
        plan.Linear($"{at}.merger.mlp.0", merged, merged, bias: true);
        plan.Linear($"{at}.merger.mlp.2", outputs, merged, bias: true);
    }

    /// <summary>Llama 4's: patches by a matrix, a class token, biases, an adapter after a shuffle of pixels.</summary>
    public static void Llama4(TensorPlan plan, string at, ModelConfig vision)
    {
        var (hidden, width) = (vision.Int("hidden_size", 768), vision.Int("intermediate_size", 5632));
        var (patch, side) = (vision.Int("patch_size", 14), vision.Int("image_size", 448));
        var patches = (long)(side / Math.Max(1, patch)) * (side / Math.Max(1, patch));
        plan.Plain($"{at}.class_embedding", hidden);
        plan.Plain($"{at}.positional_embedding_vlm", patches + 1, hidden);
        plan.Linear($"{at}.patch_embedding.linear", hidden, (long)vision.Int("num_channels", 3) * patch * patch);
        plan.Norm($"{at}.layernorm_pre", hidden, bias: true);
        plan.Norm($"{at}.layernorm_post", hidden, bias: true);
        for (var i = 0; i < Layers(vision, 34); i++)
        {
            var layer = $"{at}.model.layers.{i}";
            plan.Norm($"{layer}.input_layernorm", hidden, bias: true);
            plan.Norm($"{layer}.post_attention_layernorm", hidden, bias: true);
            foreach (var part in (ReadOnlySpan<string>)["q_proj", "k_proj", "v_proj", "o_proj"])
                plan.Linear($"{layer}.self_attn.{part}", hidden, hidden, bias: true);
            plan.Linear($"{layer}.mlp.fc1", width, hidden, bias: true);
            plan.Linear($"{layer}.mlp.fc2", hidden, width, bias: true);
        }

        var (input, output) = (vision.Int("projector_input_dim", 4096), vision.Int("projector_output_dim", 4096));
        plan.Linear($"{at}.vision_adapter.mlp.fc1", input, width);
        plan.Linear($"{at}.vision_adapter.mlp.fc2", output, input);
    }

    /// <summary>Moonshot's: positions that are resized, fused layers with biases.</summary>
    public static void Moon(TensorPlan plan, string at, ModelConfig vision)
    {
        var hidden = vision.Positive("hidden_size", "vt_hidden_size");
        var width = vision.Positive("intermediate_size", "vt_intermediate_size");
        var patch = vision.Int("patch_size", 14);
        var inner = vision.Int("qkv_hidden_size", hidden);
        var rms = vision.Text("norm_type") == "rmsnorm";
        plan.Plain($"{at}.patch_embed.proj.weight", hidden, 3, patch, patch);
        plan.Plain($"{at}.patch_embed.proj.bias", hidden);
        plan.Plain($"{at}.patch_embed.pos_emb.weight", vision.Int("init_pos_emb_height", 64), vision.Int("init_pos_emb_width", 64), hidden);
        for (var i = 0; i < Layers(vision); i++)
        {
            var layer = $"{at}.encoder.blocks.{i}";
            plan.Norm($"{layer}.norm0", hidden, bias: !rms);
            plan.Norm($"{layer}.norm1", hidden, bias: !rms);
            plan.Linear($"{layer}.wqkv", 3L * inner, hidden, bias: !rms);
            plan.Linear($"{layer}.wo", hidden, inner, bias: !rms);
            plan.Linear($"{layer}.mlp.fc0", width, hidden, bias: !rms);
            plan.Linear($"{layer}.mlp.fc1", hidden, width, bias: !rms);
        }

        plan.Norm($"{at}.encoder.final_layernorm", hidden, bias: !rms);
    }

    /// <summary>Gemma 4's: a table of positions for each axis, gated layers with norms on queries and keys.</summary>
    public static void Gemma4(TensorPlan plan, string at, ModelConfig vision)
    {
        var (hidden, width) = (vision.Positive("hidden_size"), vision.Positive("intermediate_size"));
        var (patch, head) = (vision.Positive("patch_size"), vision.Positive("head_dim"));
        var (queries, keys) = ((long)head * vision.Positive("num_attention_heads"), (long)head * vision.Positive("num_key_value_heads"));
        plan.Plain($"{at}.patch_embedder.input_proj.weight", hidden, 3L * patch * patch);
        plan.Plain($"{at}.patch_embedder.position_embedding_table", 2, vision.Positive("position_embedding_size"), hidden);
        if (vision.Bool("standardize"))
        {
            plan.Plain($"{at}.std_bias", hidden);
            plan.Plain($"{at}.std_scale", hidden);
        }

        for (var i = 0; i < Layers(vision); i++)
        {
            var layer = $"{at}.encoder.layers.{i}";
            foreach (var norm in (ReadOnlySpan<string>)["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"])
                plan.Norm($"{layer}.{norm}", hidden);
            plan.Linear($"{layer}.self_attn.q_proj", queries, hidden);
            plan.Linear($"{layer}.self_attn.k_proj", keys, hidden);
            plan.Linear($"{layer}.self_attn.v_proj", keys, hidden);
            plan.Linear($"{layer}.self_attn.o_proj", hidden, queries);
            plan.Norm($"{layer}.self_attn.q_norm", head);
            plan.Norm($"{layer}.self_attn.k_norm", head);
            plan.Linear($"{layer}.mlp.gate_proj", width, hidden);
            plan.Linear($"{layer}.mlp.up_proj", width, hidden);
            plan.Linear($"{layer}.mlp.down_proj", hidden, width);
        }
    }

    public static int Layers(ModelConfig vision, int otherwise = 12)
    {
        var layers = vision.OptionalInt("num_hidden_layers", "depth", "vt_num_hidden_layers") ?? otherwise;
        return layers <= 1024 ? layers : throw vision.Wrong("num_hidden_layers", $"{layers}", "at most 1024");
    }

    private static void SiglipLayer(TensorPlan plan, string at, int hidden, int width)
    {
        plan.Norm($"{at}.layer_norm1", hidden, bias: true);
        plan.Norm($"{at}.layer_norm2", hidden, bias: true);
        foreach (var part in (ReadOnlySpan<string>)["q_proj", "k_proj", "v_proj", "out_proj"])
            plan.Linear($"{at}.self_attn.{part}", hidden, hidden, bias: true);
        plan.Linear($"{at}.mlp.fc1", width, hidden, bias: true);
        plan.Linear($"{at}.mlp.fc2", hidden, width, bias: true);
    }

    private static void Merger(TensorPlan plan, string at, long norm, long merged, long outputs)
    {
        plan.Norm($"{at}.norm", norm, bias: true);
        plan.Linear($"{at}.linear_fc1", merged, merged, bias: true);
        plan.Linear($"{at}.linear_fc2", outputs, merged, bias: true);
    }
}
