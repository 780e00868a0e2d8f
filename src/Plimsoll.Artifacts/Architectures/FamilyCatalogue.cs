using System.Collections.Frozen;

namespace Plimsoll.Artifacts;

/// <summary>Which family reads which model_type.</summary>
internal static class FamilyCatalogue
{
    private static readonly FrozenDictionary<string, Func<DecoderFields, string, ArchitectureSpec>> ByType = All()
        .ToFrozenDictionary(entry => entry.Type, entry => entry.Read, StringComparer.Ordinal);

    // Configurations that name their class and no model_type, and types that are another's under a new name.
    private static readonly FrozenDictionary<string, string> Aliases = new Dictionary<string, string>(StringComparer.Ordinal)
    {
        ["LlamaForCausalLM"] = "llama",
        ["MistralForCausalLM"] = "mistral",
        ["MixtralForCausalLM"] = "mixtral",
        ["Qwen2ForCausalLM"] = "qwen2",
        ["Qwen3ForCausalLM"] = "qwen3",
        ["Qwen3MoeForCausalLM"] = "qwen3_moe",
        ["GptOssForCausalLM"] = "gpt_oss",
        ["GemmaForCausalLM"] = "gemma",
        ["Gemma2ForCausalLM"] = "gemma2",
        ["Gemma3ForCausalLM"] = "gemma3_text",
        ["PhiForCausalLM"] = "phi",
        ["GPT2LMHeadModel"] = "gpt2",
        ["BertModel"] = "bert",
        ["DeepseekV4ForCausalLM"] = "deepseek_v4",
        ["DeepseekV2ForCausalLM"] = "deepseek_v2",
        ["DeepseekV3ForCausalLM"] = "deepseek_v3",
        ["DeepseekV32ForCausalLM"] = "deepseek_v32",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    private static readonly string[] NeededToEstimate =
        ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"];

    /// <summary>The reader of a configuration; null when its architecture is not known.</summary>
    public static ArchitectureSpec? Read(ModelConfig config)
    {
        if (Multimodal.Read(config) is { } whole)
            return whole;
        return TypeOf(config) is { } type ? ByType[type](new DecoderFields(Filled(config, type)), type) : null;
    }

    /// <summary>The text part of a larger model.</summary>
    public static ArchitectureSpec? ReadText(ModelConfig text, string root, string head, bool? tied) =>
        TypeOf(text) is { } type ? ByType[type](new DecoderFields(ClassDefaults.Behind(text, type), root, head, tied, isPart: true), type) : null;

    /// <summary>
    /// A decoder whose architecture is not known, taken for the usual one with its fields: latent attention, a mixture,
    /// or Llama's build. An encoder keeps nothing, and layers that are no attention nothing that is known. Null, and why,
    /// where a field of those is missing.
    /// </summary>
    public static ArchitectureSpec? Estimate(ModelConfig config, out string why)
    {
        var text = config.Section("text_config", "llm_config", "language_config") ?? config;
        var name = config.Texts("architectures") is [var first, ..] ? first : config.Text("model_type") ?? "nothing";
        var missing = NeededToEstimate.Where(field => !text.Has(field)).ToArray();
        why = $"config.json names {name} as its architecture, which is not known, and lacks {string.Join(", ", missing)} to estimate it from.";
        if (missing.Length > 0)
            return null;
        var (type, taken) = text.Has("kv_lora_rank") && text.Bool("use_mla", true) ? ("deepseek_v3", "DeepSeek-V3's")
            : text.OptionalInt("num_experts", "num_local_experts", "n_routed_experts") is > 1 ? ("qwen3_moe", "Qwen3-MoE's") : ("llama", "Llama's");
        var spec = ByType[type](new DecoderFields(text, isPart: !ReferenceEquals(text, config)), type);
        var (types, task) = (text.Texts("layer_types"), ModelClass.EncoderTask(name, config.Text("model_type") ?? ""));
        var states = types.Take(spec.Layers.Length).Where(kind => !Attends(kind)).ToList();
        if (states.Count > 0 && task is null)
        {
            spec = spec with
            {
                Notes = spec.Notes.Add($"{states.Count} of {spec.Layers.Length} layers ({Messages.Some([.. states.Distinct()])}) are no attention: "
                    + "what they keep of a sequence is not counted."),
            };
        }

        return spec with
        {
            Task = task ?? spec.Task,
            Layers = [.. spec.Layers.Select((layer, i) => task is not null || (i < types.Length && !Attends(types[i])) ? layer with { Cache = LayerCache.None } : layer)],
            Architecture = name,
            Notes = spec.Notes.Add($"{name} is not a known architecture: what the model keeps per token, and its weights where no tensors "
                + $"are at hand, are estimated as those of {taken} build."),
            Unplanned = config.Section("vision_config", "audio_config") is null ? null : $"{name}'s parts for images or sound are not known",
        };
    }

    // "attention", "full_attention", "sliding_attention"; linear attention keeps a state as "mamba" does, and "conv" its last inputs.
    private static bool Attends(string layerType) => layerType.Contains("attention", StringComparison.Ordinal)
        && !layerType.StartsWith("linear", StringComparison.Ordinal) && !layerType.StartsWith("lightning", StringComparison.Ordinal);

    // Gemma 3 leaves fields out even where it is a model of text alone.
    private static ModelConfig Filled(ModelConfig config, string type) => type == "gemma3_text" ? ClassDefaults.Behind(config, type) : config;

    // A class is more telling than a type: DeepSeek V4 was published with "deepseek_ref" as its type.
    private static string? TypeOf(ModelConfig config)
    {
        if (config.Text("model_type") is { } type && ByType.ContainsKey(type))
            return type;
        foreach (var name in config.Texts("architectures"))
        {
            if (Aliases.TryGetValue(name, out var known))
                return known;
        }

        return null;
    }

    private static IEnumerable<(string Type, Func<DecoderFields, string, ArchitectureSpec> Read)> All() =>
    [
        .. LlamaFamily.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)LlamaFamily.Read)),
        .. MixtureFamily.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)MixtureFamily.Read)),
        .. LatentFamily.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)LatentFamily.Read)),
        .. LegacyFamily.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)LegacyFamily.Read)),
        .. HybridFamily.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)HybridFamily.Read)),
        .. DeepSeekV4.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)DeepSeekV4.Read)),
        .. EncoderDecoderFamily.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)EncoderDecoderFamily.Read)),
        .. EncoderFamily.Types.Select(type => (type, (Func<DecoderFields, string, ArchitectureSpec>)EncoderFamily.Read)),
    ];
}
