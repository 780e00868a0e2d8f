namespace Plimsoll.Artifacts;

/// <summary>Models of a text part and encoders of images or sound before it: the text's shape, and both parts' tensors.</summary>
internal static class Multimodal
{
    // What Qwen's processors make of one image at most, unless they are told otherwise.
    private const int QwenImageTokens = 16384;

    private sealed record Build(
        string Root, string Head, Action<TensorPlan, ModelConfig, ModelConfig, int> Encoder, Func<ModelConfig, ModelConfig, int> Tokens);

    private static readonly Dictionary<string, Build> ByType = new(StringComparer.Ordinal)
    {
        ["gemma3"] = new("language_model.model", "language_model.lm_head", Gemma3, (config, _) => config.Int("mm_tokens_per_image", 256)),
        ["gemma4"] = new("model.language_model", "lm_head", Gemma4, (_, vision) => vision.Int("default_output_length", 280)),
        ["llava"] = new("language_model.model", "language_model.lm_head", Llava, (_, vision) => Patches(vision)),
        ["llava_next"] = new("language_model.model", "language_model.lm_head", Llava, Tiles),
        ["mistral3"] = new("language_model.model", "language_model.lm_head", Mistral3, (config, vision) => Patches(vision, config.Int("spatial_merge_size", 2))),
        ["qwen2_vl"] = new("model", "lm_head", (plan, _, vision, _) => VisionTower.Qwen2(plan, "visual", vision, gated: false), (_, _) => QwenImageTokens),
        ["qwen2_5_vl"] = new("model", "lm_head", (plan, _, vision, _) => VisionTower.Qwen2(plan, "visual", vision, gated: true), (_, _) => QwenImageTokens),
        ["qwen3_vl"] = Qwen3(),
        ["qwen3_vl_moe"] = Qwen3(),
        ["qwen3_5"] = Qwen3(),
        ["qwen3_5_moe"] = Qwen3(),
        ["llama4"] = new("language_model.model", "language_model.lm_head", Llama4, (_, _) => 17 * 144),
        ["kimi_vl"] = new("language_model.model", "language_model.lm_head", KimiVl, (_, vision) => MoonTokens(vision)),
        ["kimi_k25"] = new("language_model.model", "language_model.lm_head", KimiK25, (_, vision) => MoonTokens(vision)),
        ["kimi_k3"] = new("language_model.model", "language_model.lm_head", KimiK25, (_, vision) => MoonTokens(vision)),
        ["minimax_m3_vl"] = new("language_model.model", "language_model.lm_head", MiniMaxM3, (config, _) => config.Int("image_seq_length", 576)),
    };

    /// <summary>Reads a model of several parts; null when it has none, or its text part is not known.</summary>
    public static ArchitectureSpec? Read(ModelConfig config)
    {
        var whole = config.Section("thinker_config") ?? config;
        var build = ByType.GetValueOrDefault(whole.Text("model_type") ?? "");
        var text = whole.Section("text_config", "llm_config", "language_config") ?? (build is null ? null : whole);
        if (text is null)
            return null;
        if (whole.Text("model_type") == "minimax_m3_vl")
            text = text.As("minimax_m3");
        bool? tied = whole.Has("tie_word_embeddings") ? whole.Bool("tie_word_embeddings") : null;
        var spec = FamilyCatalogue.ReadText(text, build?.Root ?? "model.language_model", build?.Head ?? "lm_head", tied);
        if (spec is null)
            return null;
        var vision = whole.Section("vision_config") ?? (whole.Text("model_type") == "llama4" ? PublishedLlama4(whole) : null);
        spec = spec with { Architecture = config.Texts("architectures") is [var named, ..] ? named : config.Text("model_type") ?? spec.Architecture };
        if (build is null || vision is null)
        {
            return whole.Section("vision_config", "audio_config") is null ? spec
                : spec with { Unplanned = $"its parts for images or sound ({whole.Text("model_type")}) are not known" };
        }

        vision = Told(whole, vision);
        var textPlan = spec.Plan;
        return spec with
        {
            EncoderTokensMax = build.Tokens(whole, vision),
            EncoderInputElements = Pixels(whole, vision, build.Tokens(whole, vision)),
            EncoderWork = TowerWork.Of(whole, vision, build.Tokens(whole, vision)),
            Plan = plan =>
            {
                build.Encoder(plan, whole, vision, spec.Hidden);
                textPlan(plan);
            },
            Unplanned = whole.Section("audio_config") is null ? null : "its part for sound is not known",
            Notes = whole.Section("vision_config") is null
                ? spec.Notes.Add("config.json has no vision_config; the encoder of images is taken to be the one published with Llama 4.")
                : spec.Notes,
        };
    }

    // Three channels of what the tokens cover: whole images or tiles of a fixed size, or merged patches.
    private static long Pixels(ModelConfig config, ModelConfig vision, int tokens)
    {
        long size = vision.Int("image_size", 0), patch = vision.Positive("patch_size");
        return config.Text("model_type") switch
        {
            "gemma3" or "llava" or "mistral3" or "minimax_m3_vl" => 3 * size * size,
            "llava_next" => 3 * size * size * (1 + (tokens / Math.Max(1, Patches(vision)))),
            "llama4" => 3 * size * size * 17,
            "gemma4" => 3L * tokens * vision.Int("pooling_kernel_size", 3) * vision.Int("pooling_kernel_size", 3) * patch * patch,
            _ => 3L * tokens * 4 * patch * patch * Math.Max(1, vision.Int("temporal_patch_size", 1)),
        };
    }

    private static Build Qwen3() =>
        new("model.language_model", "lm_head", (plan, _, vision, _) => VisionTower.Qwen3(plan, "model.visual", vision), (_, _) => QwenImageTokens);

    private static void Gemma3(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        VisionTower.Siglip(plan, "vision_tower.vision_model", vision);
        plan.Plain("multi_modal_projector.mm_input_projection_weight", vision.Positive("hidden_size"), hidden);
        plan.Norm("multi_modal_projector.mm_soft_emb_norm", vision.Positive("hidden_size"));
    }

    private static void Gemma4(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        VisionTower.Gemma4(plan, "model.vision_tower", vision);
        plan.Linear("model.embed_vision.embedding_projection", hidden, vision.Positive("hidden_size"));
    }

    // The outputs of several of the encoder's layers lie side by side where more than one is named.
    private static void Llava(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        if (vision.Text("model_type") == "pixtral")
            VisionTower.Pixtral(plan, "vision_tower", vision);
        else
            VisionTower.Siglip(plan, "vision_tower.vision_model", vision, clip: vision.Text("model_type") == "clip_vision_model");
        var bias = config.Bool("multimodal_projector_bias", true);
        var taken = Math.Max(1, config.ArrayLength("vision_feature_layer"));
        plan.Linear("multi_modal_projector.linear_1", hidden, checked((long)vision.Int("hidden_size", 768) * taken), bias);
        plan.Linear("multi_modal_projector.linear_2", hidden, hidden, bias);
        if (config.Text("model_type") == "llava_next")
            plan.Plain("image_newline", hidden);
    }

    private static void Mistral3(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        VisionTower.Pixtral(plan, "vision_tower", vision);
        long width = vision.Positive("hidden_size"), merge = config.Int("spatial_merge_size", 2);
        var bias = config.Bool("multimodal_projector_bias");
        plan.Norm("multi_modal_projector.norm", width);
        plan.Linear("multi_modal_projector.patch_merger.merging_layer", width, checked(width * merge * merge));
        plan.Linear("multi_modal_projector.linear_1", hidden, width, bias);
        plan.Linear("multi_modal_projector.linear_2", hidden, hidden, bias);
    }

    private static void Llama4(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        VisionTower.Llama4(plan, "vision_model", vision);
        plan.Linear("multi_modal_projector.linear_1", hidden, vision.Int("vision_output_dim", 4096));
    }

    private static void KimiVl(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        VisionTower.Moon(plan, "vision_tower", vision);
        var merged = MergedWidth(vision);
        plan.Norm("multi_modal_projector.pre_norm", vision.Positive("hidden_size", "vt_hidden_size"), bias: true);
        plan.Linear("multi_modal_projector.linear_1", merged, merged, bias: true);
        plan.Linear("multi_modal_projector.linear_2", hidden, merged, bias: true);
    }

    private static void KimiK25(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        VisionTower.Moon(plan, "vision_tower", vision);
        var merged = MergedWidth(vision);
        plan.Norm("mm_projector.pre_norm", vision.Positive("mm_hidden_size", "vt_hidden_size"), bias: true);
        plan.Linear("mm_projector.proj.0", merged, merged, bias: true);
        plan.Linear("mm_projector.proj.2", hidden, merged, bias: true);
    }

    private static void MiniMaxM3(TensorPlan plan, ModelConfig config, ModelConfig vision, int hidden)
    {
        VisionTower.Siglip(plan, "vision_tower.vision_model", vision, clip: true);
        long inner = config.Int("projector_hidden_size", hidden), width = vision.Positive("hidden_size");
        plan.Linear("multi_modal_projector.linear_1", inner, width, bias: true);
        plan.Linear("multi_modal_projector.linear_2", hidden, inner, bias: true);
        plan.Linear("patch_merge_mlp.linear_1", inner, 4L * hidden, bias: true);
        plan.Linear("patch_merge_mlp.linear_2", hidden, inner, bias: true);
    }

    private static long MergedWidth(ModelConfig vision)
    {
        var kernel = vision.Ints("merge_kernel_size");
        var width = vision.Positive("mm_hidden_size", "hidden_size", "vt_hidden_size");
        return checked((long)width * (kernel is [var rows, var columns] ? rows * columns : 4));
    }

    private static int MoonTokens(ModelConfig vision) =>
        checked(vision.Int("init_pos_emb_height", 64) * vision.Int("init_pos_emb_width", 64)) / 4;

    private static int Patches(ModelConfig vision, int merge = 1)
    {
        var side = vision.Int("image_size", 336) / Math.Max(1, vision.Int("patch_size", 14) * Math.Max(1, merge));
        return checked(side * side);
    }

    // Every tile's patches with one column for a line's end, and the whole image once more (LLaVA-NeXT).
    private static int Tiles(ModelConfig config, ModelConfig vision)
    {
        var side = vision.Int("image_size", 336) / Math.Max(1, vision.Int("patch_size", 14));
        long most = 0;
        foreach (var (height, width) in config.Pairs("image_grid_pinpoints"))
        {
            var size = Math.Max(1, vision.Int("image_size", 336));
            most = Math.Max(most, checked((long)(height / size) * side * (((long)width / size * side) + 1)));
        }

        return checked((int)Math.Min(int.MaxValue, most + ((long)side * side)));
    }

    // As its tensors are planned: CLIP's and Pixtral's files leave out what is usual.
    private static ModelConfig Told(ModelConfig whole, ModelConfig vision) => (whole.Text("model_type"), vision.Text("model_type")) switch
    {
        ("llava" or "llava_next", "clip_vision_model") => ClipDefaults(vision),
        ("llava" or "llava_next" or "mistral3", "pixtral") => PixtralDefaults(vision),
        _ => vision,
    };

    private static ModelConfig PixtralDefaults(ModelConfig vision) => vision.With(
        ("hidden_size", 1024), ("intermediate_size", 4096), ("patch_size", 16), ("image_size", 1024), ("num_hidden_layers", 24));

    private static ModelConfig ClipDefaults(ModelConfig vision) => vision.With(
        ("hidden_size", 1024), ("intermediate_size", 4096), ("patch_size", 14), ("image_size", 336), ("num_hidden_layers", 24));

    private static ModelConfig PublishedLlama4(ModelConfig config) => config.Empty("vision_config").With(
        ("hidden_size", 1408), ("intermediate_size", 5632), ("image_size", 336), ("num_hidden_layers", 34), ("patch_size", 14),
        ("projector_input_dim", 4096), ("projector_output_dim", 4096), ("vision_output_dim", 4096));
}
