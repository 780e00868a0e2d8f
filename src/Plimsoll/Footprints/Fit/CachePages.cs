using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// How an engine lays out keys, values and states on one device of a stage. Paged engines hand out blocks of
/// <see cref="BlockTokens"/> tokens; where layers of several kinds share the pool, in groups padded to one number of
/// layers, so that a block of any group is as large as a block of another (vLLM's hybrid key-value groups: 10 full
/// and 52 windowed layers make 7 groups of 10, and the memory of 70).
/// </summary>
internal sealed record CachePages
{
    // A block of more tokens than any context has is as good as that.
    private const long BlockTokensMax = 1 << 30;

    public required int BlockTokens { get; init; }

    /// <summary>Bytes of one block: its tokens in every layer of a group. Zero without a cache.</summary>
    public required long BlockBytes { get; init; }

    public required ImmutableArray<CacheGroup> Groups { get; init; }

    /// <summary>Bytes of one token in every layer, without windows or padding.</summary>
    public required long BytesPerToken { get; init; }

    /// <summary>Bytes a sequence takes beside its tokens, where states have their own pool.</summary>
    public required long BytesPerSequence { get; init; }

    /// <summary>Layers whose windows have a cache of their own, outside the blocks.</summary>
    public ImmutableArray<CacheWindow> Windows { get; init; } = [];

    /// <summary>Tokens of the largest step: a windowed layer keeps them beside its window.</summary>
    public required int StepTokens { get; init; }

    /// <summary>Blocks that one sequence holds at the most.</summary>
    public long Blocks(long context) => Groups.Sum(group => group.Blocks(context, BlockTokens, StepTokens));

    /// <summary>Bytes that a number of sequences hold at a context.</summary>
    public long Bytes(long context, long sequences) =>
        Plimsoll.Bytes.Estimate(sequences * ((Int128)Blocks(context) * BlockBytes + BytesPerSequence + InWindows(context))).Value;

    /// <summary>Whether a sequence keeps something that a longer context adds nothing to.</summary>
    public bool KeepsApart(long context) => BytesPerSequence > 0 || Windows.Any(window => window.Tokens < context);

    // A window is never filled further than the context (llama.cpp's min of the two).
    private Int128 InWindows(long context) =>
        Windows.Aggregate((Int128)0, (sum, window) => sum + (Int128)Math.Min(context, window.Tokens) * window.TokenBytes);

    /// <summary>Tokens as the engine reports them: blocks shared out evenly over the groups.</summary>
    public long Tokens(long room)
    {
        if (BlockBytes == 0 || Groups.Length == 0) return 0;
        return room / BlockBytes / Groups.Length * BlockTokens;
    }

    /// <summary>Sequences at the full context that a room carries; int.MaxValue where a sequence keeps nothing.</summary>
    public int Sequences(long room, long context)
    {
        var one = Bytes(context, 1);
        return one == 0 ? int.MaxValue : (int)Math.Min(int.MaxValue, room / one);
    }

    public static CachePages Of(ModelShape shape, ServingVariant variant, StageLayers stage, int stepTokens)
    {
        var engine = variant.Engine;
        var layers = Kinds(shape, shape.Layers, variant);
        var here = Kinds(shape, stage.Runs, variant);
        var crossed = Crossed(stage.Runs, variant, ElementWidth.Cache(shape, variant));
        if (!engine.GroupsLayers || layers.Count == 0) return Apart(engine, here, stepTokens, crossed);
        if (layers.Keys.All(kind => kind.StateBytes == 0) && layers.Keys.Select(kind => kind.Window).Distinct().Count() == 1) return Alike(engine, layers.Keys.First().Window, here, stepTokens, crossed);
        var states = layers.Keys.Any(kind => kind.StateBytes > 0);
        var widest = layers.Keys.Max(kind => kind.TokenBytes);
        var block = engine.BlockTokens;

        // A state takes one block whatever the context, so blocks grow until the state fits in one.
        if (states && widest > 0)
        {
            var state = layers.Keys.Max(kind => kind.StateBytes);
            block = (int)Math.Clamp((state + widest * 16L - 1) / (widest * 16L) * 16, block, BlockTokensMax);
        }

        var least = layers.Values.Min();
        var most = layers.Values.Max();
        var size = most < least * 1.25 ? most : least;
        var groups = ImmutableArray.CreateBuilder<CacheGroup>();
        var layersHere = 0;
        foreach (var (kind, count) in layers.OrderBy(pair => pair.Key.Window ?? long.MaxValue).ThenBy(pair => pair.Key.TokenBytes)
                     .ThenBy(pair => pair.Key.StateBytes))
        {
            var split = (count + size - 1) / size;
            layersHere = Math.Max(layersHere, (here.GetValueOrDefault(kind) + split - 1) / split);
            // Where layers are narrower by a whole factor their blocks have so many times as many tokens; others are padded.
            var stretch = engine.StretchesBlocks && kind.TokenBytes > 0 && widest % kind.TokenBytes == 0 ? (int)Math.Min(widest / kind.TokenBytes, BlockTokensMax / block) : 1;
            for (var i = 0; i < split; i++) groups.Add(new CacheGroup(kind.Window, kind.TokenBytes == 0, Math.Max(1, stretch)));
        }

        var page = Int128.Max((Int128)widest * block, layers.Keys.Max(kind => kind.StateBytes));
        return new CachePages
        {
            BlockTokens = block,
            BlockBytes = Plimsoll.Bytes.Estimate(page * layersHere).Value,
            Groups = groups.ToImmutable(),
            BytesPerToken = PerToken(here),
            BytesPerSequence = crossed,
            StepTokens = stepTokens,
        };
    }

    /// <summary>Layers that keep the same tokens share one table of blocks, however wide each of them is.</summary>
    private static CachePages Alike(ServingEngine engine, long? window, Dictionary<CacheKindOfLayer, int> here, int stepTokens, long crossed) => new()
    {
        BlockTokens = engine.BlockTokens,
        BlockBytes = Plimsoll.Bytes.Estimate((Int128)PerToken(here) * engine.BlockTokens).Value,
        Groups = [new CacheGroup(window, false)],
        BytesPerToken = PerToken(here),
        BytesPerSequence = crossed,
        StepTokens = stepTokens,
    };

    /// <summary>Engines without groups: every token in every layer, or windowed layers in a cache of their own.</summary>
    private static CachePages Apart(ServingEngine engine, Dictionary<CacheKindOfLayer, int> here, int stepTokens, long crossed)
    {
        Int128 token = 0, sequence = crossed;
        var windows = ImmutableArray.CreateBuilder<CacheWindow>();
        foreach (var (kind, count) in here)
        {
            sequence += (Int128)kind.StateBytes * count;
            if (engine.WindowsCap && kind.Window is { } window)
                windows.Add(new CacheWindow(window + stepTokens, Plimsoll.Bytes.Estimate((Int128)kind.TokenBytes * count).Value));
            else
                token += (Int128)kind.TokenBytes * count;
        }

        return new CachePages
        {
            BlockTokens = engine.BlockTokens,
            BlockBytes = Plimsoll.Bytes.Estimate(token * engine.BlockTokens).Value,
            Groups = token == 0 ? [] : [new CacheGroup(null, false)],
            BytesPerToken = PerToken(here),
            BytesPerSequence = Plimsoll.Bytes.Estimate(sequence).Value,
            Windows = windows.ToImmutable(),
            StepTokens = stepTokens,
        };
    }

    /// <summary>The kinds of layers of a stage, by what one of them keeps on one device, with how many there are.</summary>
    private static Dictionary<CacheKindOfLayer, int> Kinds(
        ModelShape shape, ImmutableArray<LayerRun> runs, ServingVariant variant)
    {
        var kinds = new Dictionary<CacheKindOfLayer, int>();
        var width = ElementWidth.Cache(shape, variant);
        // States are kept as the model computes, whatever its keys and values are.
        var computed = ElementWidth.Of(ElementWidth.Run(shape, variant)) ?? 2;
        foreach (var run in runs)
        {
            var cache = run.Cache;
            if (cache.Kind == CacheKind.None) continue;
            var heads = Math.Max(1, cache.KvHeads / variant.AttentionRanks);
            var bytes = cache.Kind switch
            {
                CacheKind.KeyValue => heads * width * (cache.KeyWidth + cache.ValueWidth),
                CacheKind.Latent => ElementWidth.Latent(shape, cache, width),
                _ => 0,
            };
            var state = cache.Kind == CacheKind.KeyValue ? 0 : StateBytes(cache, variant, computed);
            var window = variant.Engine.WindowsCap ? cache.Window : null;
            var kind = new CacheKindOfLayer(
                Plimsoll.Bytes.Estimate(bytes + cache.ExtraBytesPerToken).Value, Plimsoll.Bytes.Estimate(state).Value, window);
            kinds[kind] = kinds.GetValueOrDefault(kind) + run.Count;
        }

        return kinds;
    }

    private static long PerToken(Dictionary<CacheKindOfLayer, int> here)
    {
        Int128 bytes = 0;
        foreach (var (kind, count) in here) bytes += (Int128)kind.TokenBytes * count;
        return Plimsoll.Bytes.Estimate(bytes).Value;
    }

    /// <summary>
    /// Keys and values of what a decoder attends to across: one set for each sequence, as long as the encoder's output
    /// whatever the sequence's own length, beside the layer's own.
    /// </summary>
    private static long Crossed(ImmutableArray<LayerRun> runs, ServingVariant variant, double width)
    {
        Int128 bytes = 0;
        foreach (var run in runs.Where(run => run.Cache.Kind == CacheKind.KeyValue))
            bytes += (Int128)run.Count * Plimsoll.Bytes.Estimate(StateBytes(run.Cache, variant, width)).Value;
        return Plimsoll.Bytes.Estimate(bytes).Value;
    }

    private static double StateBytes(LayerCache cache, ServingVariant variant, double width) =>
        (double)cache.StateElements / variant.AttentionRanks * (cache.StateElementBytes > 0 ? cache.StateElementBytes : width);

    private sealed record CacheKindOfLayer(long TokenBytes, long StateBytes, long? Window);
}

/// <summary>Layers with a window in a cache of their own.</summary>
/// <param name="Tokens">Tokens of a sequence that they keep at the most: the window, and those of a step.</param>
/// <param name="TokenBytes">Bytes of a token in all of them.</param>
internal readonly record struct CacheWindow(long Tokens, long TokenBytes);

/// <summary>Layers that share a table of blocks.</summary>
/// <param name="Window">Tokens they keep; null for all.</param>
/// <param name="State">Whether they keep one block for each sequence.</param>
/// <param name="Stretch">Blocks' tokens, in those of the widest layers': what is narrower by a factor keeps so many more in as many bytes.</param>
internal readonly record struct CacheGroup(long? Window, bool State, int Stretch = 1)
{
    /// <summary>
    /// Blocks of one sequence: its tokens, or with a window the window, what a step adds, and one block more because
    /// a window seldom starts at a block's edge.
    /// </summary>
    public long Blocks(long context, int blockTokens, int stepTokens)
    {
        if (State) return 1;
        blockTokens *= Stretch;
        var all = (context + blockTokens - 1) / blockTokens;
        if (Window is not { } window) return all;
        return Math.Min(all, (window - 1 + stepTokens + blockTokens - 1) / blockTokens + 1);
    }
}
