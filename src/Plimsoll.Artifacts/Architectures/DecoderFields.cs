using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>The fields that nearly every decoder's configuration has, under whichever of their names.</summary>
internal sealed class DecoderFields
{
    private const int LayersMax = 4096;

    private readonly ModelConfig _config;
    private ImmutableArray<string>? _types;

    public DecoderFields(ModelConfig config, string root = "model", string head = "lm_head", bool? tiedAbove = null, bool isPart = false)
    {
        _config = config;
        (Root, Head, TiedAbove, IsPart) = (root, head, tiedAbove, isPart);
        Hidden = config.Positive("hidden_size", "n_embd", "d_model", "dim", "n_embed");
        Vocabulary = config.Positive("vocab_size", "padded_vocab_size");
        Heads = config.OptionalInt("num_attention_heads", "n_head", "n_heads", "attention_heads", "num_heads") ?? 0;
        MaxPositions = config.OptionalInt(
            "max_position_embeddings", "n_positions", "seq_length", "max_seq_len", "max_sequence_length", "n_ctx", "model_max_length") ?? 0;
    }

    public ModelConfig Config => _config;

    /// <summary>What the layers' names begin with.</summary>
    public string Root { get; }

    public string Head { get; }

    /// <summary>tie_word_embeddings of a configuration above this one, which holds where this one does not say.</summary>
    public bool? TiedAbove { get; }

    /// <summary>It describes the text part of a larger model, whose class is named above it.</summary>
    public bool IsPart { get; }

    public int Hidden { get; }

    public int Vocabulary { get; }

    public int Heads { get; }

    public int MaxPositions { get; }

    public int Layers => LayerCount(_config.Positive("num_hidden_layers", "n_layer", "num_layers", "n_layers"));

    public int KvHeads => _config.OptionalInt("num_key_value_heads", "num_kv_heads", "n_head_kv") is { } heads and > 0 ? heads : NeedHeads();

    public int HeadWidth => _config.OptionalInt("head_dim") is { } width and > 0 ? width
        : Hidden % NeedHeads() == 0 ? Hidden / Heads
        : throw _config.Wrong("hidden_size", $"{Hidden}", $"a multiple of num_attention_heads ({Heads}), or a head_dim beside it");

    /// <summary>The feed-forward parts' width; the widest of them where each layer has its own (Gemma 3n).</summary>
    public int Width => _config.IsArray("intermediate_size") && _config.Ints("intermediate_size") is { IsEmpty: false } each && each.Max() is > 0 and var widest
        ? widest : _config.Positive("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size");

    public string Architecture => _config.Texts("architectures") is [var first, ..] ? first
        : _config.Text("model_type") ?? "unknown";

    /// <summary>What the model is for; of a part only that it writes text is known.</summary>
    public ModelTask Task => IsPart ? ModelTask.Generate : ModelClass.TaskOf(Architecture);

    /// <summary>The same with its layers below another root.</summary>
    public DecoderFields Under(string root, string? head = null) => new(_config, root, head ?? Head, TiedAbove, IsPart);

    public bool Tied(bool otherwise) => _config.Has("tie_word_embeddings") ? _config.Bool("tie_word_embeddings") : TiedAbove ?? otherwise;

    /// <summary>Elements of a key that are rotated: a part of the head where the configuration says so.</summary>
    public int RotaryWidth
    {
        get
        {
            if (_config.OptionalInt("rotary_dim") is { } width)
                return width;
            var part = _config.Number("partial_rotary_factor") ?? _config.Number("rotary_pct")
                ?? _config.Section("rope_parameters")?.Number("partial_rotary_factor") ?? 1;
            return part is > 0 and <= 1 ? (int)(HeadWidth * part)
                : throw _config.Wrong("partial_rotary_factor", $"{part}", "a number above 0 and up to 1");
        }
    }

    /// <summary>
    /// Rows of the rotary tables: scaled ones are as much longer, by YaRN from the positions before scaling; layers with
    /// a base of their own have another table. DeepSeek's YaRN (told by mscale_all_dim) keeps its table in float32, twice
    /// the rows of two bytes; with sections for images rows are four times the positions, for longer videos; LongRoPE has
    /// a short table and a long one (vLLM's rotary embedding layers). 0 where there is one table of as many rows as
    /// positions.
    /// </summary>
    public long RotaryRows
    {
        get
        {
            var scaling = _config.Section("rope_scaling", "rope_parameters");
            var factor = scaling?.Number("factor") ?? 1;
            var original = scaling?.OptionalInt("original_max_position_embeddings")
                ?? _config.OptionalInt("original_max_position_embeddings") ?? MaxPositions;
            long rows = scaling?.Text("rope_type", "type") switch
            {
                _ when scaling?.IsArray("mrope_section") == true => 4L * MaxPositions,
                "linear" or "dynamic" when factor is > 1 and <= 1024 => (long)(MaxPositions * factor),
                "yarn" when factor is > 1 and <= 1024 => (long)(original * factor) * (scaling.Has("mscale_all_dim") ? 2 : 1),
                "longrope" or "su" => (long)MaxPositions + original,
                _ => MaxPositions,
            };
            if (_config.Text("model_type") == "gemma3_text" || _config.Has("rope_local_base_freq") || _config.Has("swa_rope_theta"))
                rows += MaxPositions;
            return rows == MaxPositions ? 0 : rows;
        }
    }

    /// <summary>Positions with their scaling where it carries further than <c>max_position_embeddings</c> says; 0 where it does not.</summary>
    public long ScaledPositions
    {
        get
        {
            var scaling = _config.Section("rope_scaling", "rope_parameters");
            if (scaling?.Number("factor") is not (> 1 and <= 1024 and var factor)) return 0;
            var original = scaling.OptionalInt("original_max_position_embeddings") ?? MaxPositions;
            // Gemma 3 states its positions with the scaling in them.
            var scaled = scaling.Text("rope_type", "type") switch
            {
                "yarn" => (long)(original * factor),
                "linear" or "dynamic" when _config.Text("model_type") != "gemma3_text" => (long)(MaxPositions * factor),
                _ => 0,
            };
            return scaled > MaxPositions ? scaled : 0;
        }
    }

    public int LayerCount(int layers) => layers <= LayersMax ? layers
        : throw _config.Wrong("num_hidden_layers", $"{layers}", $"at most {LayersMax}");

    public int NeedHeads() => Heads > 0 ? Heads
        : throw new ArtifactException($"{_config.File} has no num_attention_heads above 0, which its architecture needs.");

    /// <summary>layer_types, or null when there are none; as many as layers.</summary>
    public ImmutableArray<string>? LayerTypes()
    {
        if (_types is null)
        {
            var types = _config.Texts("layer_types");
            if (!types.IsEmpty && types.Length < Layers)
                throw _config.Wrong("layer_types", $"{types.Length} entries", $"one for each of {Layers} layers");
            _types = types;
        }

        return _types.Value.IsEmpty ? null : _types;
    }

    /// <summary>A per-layer array of the configuration, checked to have an entry for each layer.</summary>
    public ImmutableArray<int>? PerLayer(string name) => !_config.IsArray(name) ? null
        : _config.Ints(name) is var values && values.Length >= Layers ? values
        : throw _config.Wrong(name, $"{values.Length} entries", $"one for each of {Layers} layers");

    /// <summary>The window of a layer, null for none: one as long as the model's context is none.</summary>
    /// <param name="layer">From 0.</param>
    /// <param name="slides">Whether the layer slides where no layer_types say so.</param>
    public int? Window(int layer, Func<int, bool> slides)
    {
        var types = LayerTypes();
        var window = types is { } named
            ? named[layer] switch
            {
                "sliding_attention" => _config.OptionalInt("sliding_window"),
                "chunked_attention" => _config.OptionalInt("attention_chunk_size"),
                _ => null,
            }
            : slides(layer) ? _config.OptionalInt("sliding_window") : null;
        return window is > 0 && (MaxPositions == 0 || window < MaxPositions) ? window : null;
    }
}
