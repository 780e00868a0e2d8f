using System.Collections.Frozen;

namespace Plimsoll.Artifacts;

/// <summary>
/// What a model_type's configuration class takes for fields that are left out. Models of several parts are published with
/// only what differs from it: LLaVA 1.5 7B's text_config names no width at all.
/// </summary>
internal static class ClassDefaults
{
    // Hugging Face transformers, src/transformers/models/*/configuration_*.py, read on 2026-11-26.
    private static readonly FrozenDictionary<string, (string Name, int Value)[]> ByType =
        new Dictionary<string, (string, int)[]>(StringComparer.Ordinal)
        {
            ["llama"] = Widths(32_000, 4096, 11_008, 32, 32, 2048),
            ["mistral"] = [.. Widths(32_000, 4096, 14_336, 32, 32, 131_072), ("num_key_value_heads", 8), ("sliding_window", 4096)],
            ["qwen2"] = Widths(151_936, 4096, 22_016, 32, 32, 32_768),
            ["gemma"] = [.. Widths(256_000, 3072, 24_576, 28, 16, 8192), ("num_key_value_heads", 16), ("head_dim", 256)],
            ["gemma2"] = [.. Widths(256_000, 2304, 9216, 26, 8, 8192), ("num_key_value_heads", 4), ("head_dim", 256), ("sliding_window", 4096)],
            ["gemma3_text"] =
            [
                .. Widths(262_208, 2304, 9216, 26, 8, 131_072), ("num_key_value_heads", 4), ("head_dim", 256), ("sliding_window", 4096),
            ],
        }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The configuration with those of its type behind what it says itself.</summary>
    public static ModelConfig Behind(ModelConfig config, string type) => ByType.TryGetValue(type, out var fields) ? config.With(fields) : config;

    private static (string, int)[] Widths(int vocabulary, int hidden, int inner, int layers, int heads, int positions) =>
    [
        ("vocab_size", vocabulary), ("hidden_size", hidden), ("intermediate_size", inner), ("num_hidden_layers", layers),
        ("num_attention_heads", heads), ("max_position_embeddings", positions),
    ];
}
