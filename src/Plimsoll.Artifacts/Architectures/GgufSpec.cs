using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>
/// A model as a GGUF header's key-values describe it: what its layers keep and how many experts they have. Its tensors
/// are in the header itself.
/// </summary>
internal sealed class GgufSpec
{
    private const int LayersMax = 4096;
    private const long NumberMax = 1L << 28;

    private readonly ImmutableDictionary<string, string> _metadata;
    private readonly string _name;

    private GgufSpec(ImmutableDictionary<string, string> metadata, string name)
    {
        _metadata = metadata;
        _name = name;
    }

    /// <summary>
    /// Null where the header does not name an architecture and its blocks and width, or more blocks than it has
    /// <paramref name="tensors"/>, so that a wrong number costs nothing.
    /// </summary>
    public static ArchitectureSpec? Read(ImmutableDictionary<string, string> metadata, int tensors)
    {
        if (metadata.GetValueOrDefault("general.architecture") is not { Length: > 0 } name)
            return null;
        var keys = new GgufSpec(metadata, name);
        return keys.Int("block_count") is { } blocks and > 0 and <= LayersMax && blocks <= tensors && keys.Int("embedding_length") is { } hidden and > 0
            ? keys.Spec(blocks, hidden) : null;
    }

    private ArchitectureSpec Spec(int blocks, int hidden)
    {
        var predictors = Int("nextn_predict_layers") ?? 0;
        var encoder = Int("pooling_type") is > 0 || _name.Contains("bert", StringComparison.Ordinal);
        var heads = Ints("attention.head_count") is [var first, ..] ? first : 0;
        return new ArchitectureSpec
        {
            Architecture = _name,
            Task = encoder ? ModelTask.Embed : ModelTask.Generate,
            Hidden = hidden,
            Vocabulary = Int("vocab_size") ?? Number("tokenizer.ggml.tokens.count") ?? 0,
            MaxPositions = Int("context_length") ?? 0,
            Heads = heads,
            RotaryWidth = Int("rope.dimension_count") ?? 0,
            Layers = [.. Enumerable.Range(0, Math.Max(1, blocks - predictors)).Select(i => Layer(i, hidden, encoder))],
            Plan = _ => throw new ArtifactException($"A GGUF header of {_name} lists no tensors."),
        };
    }

    private LayerSpec Layer(int layer, int hidden, bool encoder)
    {
        var dense = At("feed_forward_length", layer) ?? 0;
        var experts = layer >= (Int("leading_dense_block_count") ?? 0) ? Int("expert_count") ?? 0 : 0;
        FeedForward part = experts > 0 && Int("expert_used_count") is { } used and > 0 && used <= experts
            ? new FeedForward.Mixture(experts, used, Int("expert_feed_forward_length") ?? dense)
            {
                SharedWidth = Int("expert_shared_feed_forward_length")
                    ?? checked((Int("expert_shared_count") ?? 0) * (Int("expert_feed_forward_length") ?? 0)),
            }
            : new FeedForward.Dense(dense, Gated: true);
        return new LayerSpec(Mixer(layer, hidden, encoder), part);
    }

    private Mixer Mixer(int layer, int hidden, bool encoder)
    {
        // llama.cpp caches the latent alone where the header tells both lengths that its heads have; of files converted before it could,
        // keys and values of every head, ten times as much.
        if (Int("attention.kv_lora_rank") is { } latent and > 0 && Int("rope.dimension_count") is { } rotary
            && Int("attention.key_length_mla") is { } key and > 0 && Int("attention.value_length_mla") is { } value and > 0)
            return new Mixer.LatentAttention(At("attention.head_count", layer) ?? 0, latent, rotary, Math.Max(0, key - rotary), value);

        var heads = At("attention.head_count", layer) ?? 0;
        var kv = At("attention.head_count_kv", layer) ?? heads;
        // Each of Nemotron-H's layers is one thing: with a feed-forward part it has no state.
        if (heads == 0 || kv == 0 || RecurrentAt(layer))
            return _name.StartsWith("nemotron_h", StringComparison.Ordinal) && At("feed_forward_length", layer) > 0 ? new Mixer.Nothing() : State();
        int? window = WindowTokens() is > 0 and var tokens && SlidesAt(layer) ? tokens : null;
        int Width(string kind) => (window is null ? null : Int($"attention.{kind}_length_swa")) ?? Int($"attention.{kind}_length") ?? hidden / heads;
        var attention = new Mixer.Attention(heads, kv, Width("key"))
        {
            ValueWidth = Width("value"),
            Window = window,
            Shared = layer >= OwnCaches(),
        };
        return encoder ? new Mixer.Own(LayerCache.None, attention.Plan) : attention;
    }

    // Convolution's inputs and the state, at four bytes an element, as ggml keeps both.
    private Mixer.Own State()
    {
        var (inner, state, kernel) = (Int("ssm.inner_size") ?? 0, Int("ssm.state_size") ?? 0, Int("ssm.conv_kernel") ?? 1);
        var groups = Int("ssm.group_count") ?? 0;
        var elements = checked((Math.Max(0, kernel - 1) * (inner + (2L * groups * state))) + ((long)inner * state));
        return new Mixer.Own(elements == 0 ? LayerCache.None : new LayerCache
        {
            Kind = CacheKind.State,
            StateElements = elements,
            StateElementBytes = 4,
        }, (_, _, _) => { });
    }

    // Layers from the first on that keep keys and values of their own; those after them read an earlier one's. Gemma 3n's
    // number is fixed in llama.cpp, Gemma 4's follows from the header.
    private int OwnCaches() => _name == "gemma3n" ? 20 : (Int("block_count") ?? 0) - (Int("attention.shared_kv_layers") ?? 0);

    // Qwen3-Next and 3.5 attend to everything on every fourth layer, whether the header says so or not.
    private bool RecurrentAt(int layer) =>
        Int("ssm.state_size") is > 0 && (Int("full_attention_interval") ?? (_name is "qwen3next" or "qwen35" or "qwen35moe" ? 4 : 0)) is var interval and > 0
        && (layer + 1) % interval != 0;

    // Llama 4's chunks are fixed in llama.cpp, whatever a header says but 0, which is none.
    private int? WindowTokens() => Int("attention.sliding_window") is var stated && _name == "llama4" && stated != 0 ? 8192 : stated;

    // Gemma 2, 3 and gpt-oss slide in a pattern that the header does not hold; converters write a period, or each layer's own.
    private bool SlidesAt(int layer)
    {
        // Phi's headers tell a window, which llama.cpp switches off (its pull request 13676).
        if (_name is "phi3" or "phimoe")
            return false;
        if (_metadata.GetValueOrDefault($"{_name}.attention.sliding_window_pattern")?.Split(',') is { Length: > 1 } each)
            return layer < each.Length && (each[layer].Trim() is "true" or "1");
        if (_name == "smallthinker")
            return layer % 4 != 0;
        var period = Int("attention.sliding_window_pattern") ?? _name switch
        {
            "gemma2" or "gpt-oss" => 2,
            "gemma3" => 6,
            "gemma3n" => 5,
            "cohere2" or "llama4" or "afmoe" or "exaone4" => 4,

            // A header that tells a window and not which layers have one may mean none: they are taken to see everything, which takes more.
            _ => 1,
        };
        return period <= 0 || (layer + 1) % period != 0;
    }

    private int? Int(string key) => Number($"{_name}.{key}");

    private int? At(string key, int layer) => Ints(key) switch
    {
        [] => null,
        [var only] => only,
        var all => layer < all.Length ? all[layer] : all[^1],
    };

    private ImmutableArray<int> Ints(string key) => _metadata.GetValueOrDefault($"{_name}.{key}") is { } text
        ? [.. text.Split(',').Take(LayersMax).Select(Parsed).OfType<int>()] : [];

    private int? Number(string key) => _metadata.GetValueOrDefault(key) is { } text ? Parsed(text) : null;

    private static int? Parsed(string text) =>
        long.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value <= NumberMax ? (int)value : null;
}
