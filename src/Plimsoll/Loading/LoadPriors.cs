namespace Plimsoll;

/// <summary>Where weights lie before a load.</summary>
public enum WeightStore
{
    /// <summary>Somewhere unsaid, its page cache warm or cold.</summary>
    Unstated,

    /// <summary>A public hub, over the internet.</summary>
    Hub,

    /// <summary>An object store of the same region.</summary>
    ObjectStore,

    /// <summary>A file system over the network.</summary>
    NetworkFiles,

    /// <summary>A block volume over the network.</summary>
    NetworkVolume,

    LocalDisk,

    /// <summary>Read before, and still in the node's page cache.</summary>
    PageCache,

    /// <summary>Pinned host memory: asleep, or kept for a reload.</summary>
    HostMemory,
}

/// <summary>How weights are read.</summary>
public enum WeightReader
{
    /// <summary>File after file, as engines do by default.</summary>
    OneStream,

    /// <summary>Many requests at a time: run:ai's streamer, tensorizer.</summary>
    ManyStreams,

    /// <summary>Large aligned reads into pinned memory: ServerlessLLM, fastsafetensors.</summary>
    Pinned,
}

/// <summary>
/// What stages take before any was seen, by store, reader and engine. Read off the calibration rows of published load times and of
/// recorded vLLM 0.19 start-ups on H100, in November 2026; docs/benchmarks/loads.md holds them against the rows that were kept back.
/// </summary>
public static class LoadPriors
{
    private const double GB = 1e9;

    // Several ranks read more than one, by far not as many times more: from 1.2 GB/s with one rank to 1.5 with two and four.
    private const double RanksPower = 0.3;

    // From the page cache each rank copies by itself: 2.9 GB/s with one (six start-ups), 4.8 with two, 8.4 with four.
    private const double WarmRanksPower = 0.75;

    // Request by request, a volume gives 0.32 GB/s (EBS gp3 and io2, four rows) and an object store 0.115 (S3, three rows).
    private const double VolumeStream = 0.32;
    private const double ObjectStream = 0.115;
    private const int StreamsOfStreamers = 32;

    private const double UnloadRate = 15;

    /// <summary>
    /// Weights from a store into the device's memory.
    /// </summary>
    /// <param name="store">Where they lie.</param>
    /// <param name="reader">How they are read.</param>
    /// <param name="bytes">All of them, over all ranks.</param>
    /// <param name="nominal">The bandwidth that the narrowest link is sold with; null for a common one.</param>
    /// <param name="streams">Requests at a time of a streamer; null for its default.</param>
    /// <param name="ranks">Devices that load together.</param>
    public static LoadStage Read(
        WeightStore store, WeightReader reader, Bytes bytes, BytesPerSecond? nominal = null, int? streams = null, int ranks = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        var together = Math.Pow(ranks, RanksPower);
        double many = Math.Max(1, streams ?? (reader == WeightReader.OneStream ? 1 : StreamsOfStreamers));
        var (alone, shared, spread) = (store, reader) switch
        {
            (WeightStore.ObjectStore, _) => (many * ObjectStream, 0.61 * Of(nominal, 5), 0.35),
            (WeightStore.NetworkVolume, _) => (many * VolumeStream, 0.93 * Of(nominal, 1), 0.15),
            (WeightStore.NetworkFiles, _) => (0.5, Of(nominal, 0.5), 0.4),
            (WeightStore.Hub, _) => (0.38, Of(nominal, 100), 0.6),
            (WeightStore.LocalDisk, WeightReader.OneStream) => (2 * together, Of(nominal, 7), 0.3),
            (WeightStore.LocalDisk, _) => (double.MaxValue, 0.75 * Of(nominal, 7), 0.35),
            (WeightStore.PageCache, WeightReader.OneStream) => (2.9 * Math.Pow(ranks, WarmRanksPower), 100, 0.35),
            (WeightStore.PageCache, _) => (6 * together, 100, 0.5),
            (WeightStore.HostMemory, _) => (16.4 * together, 100, 0.5),
            _ => (1.2 * together, Of(nominal, 7), 0.55),
        };
        return new LoadStage { Name = "read", Bytes = bytes, Alone = Rate(Math.Min(alone, shared)), Shared = Rate(shared), Spread = spread };
    }

    /// <summary>Weights onto a node's disk or file system.</summary>
    public static LoadStage Fetch(WeightStore from, Bytes bytes, BytesPerSecond? nominal = null) =>
        Read(from, from == WeightStore.Hub ? WeightReader.OneStream : WeightReader.ManyStreams, bytes, nominal) with { Name = "fetch" };

    /// <summary>
    /// Process and imports up to the first byte, and the allocations around the read: 21 s of vLLM on one device, 34 on several (31 start-ups).
    /// </summary>
    public static LoadStage Start(int ranks = 1) =>
        new() { Name = "start", Fixed = TimeSpan.FromSeconds(ranks > 1 ? 34 : 21), Spread = 0.25 };

    /// <summary>
    /// From weights in memory to the first answer: profiling, compiling and graphs of vLLM, 21 s and 0.17 s a gigabyte (31 start-ups); 8 s where what
    /// it compiles is cached (one).
    /// </summary>
    public static LoadStage Initialise(Bytes weights, bool compiled = false) => new()
    {
        Name = "initialise",
        Fixed = TimeSpan.FromSeconds(compiled ? 8 : 21 + (0.17 * Math.Clamp(weights.Value, 0, 1e13) / GB)),
        Spread = compiled ? 0.4 : 0.27,
    };

    /// <summary>
    /// From the process's start to the first answer, weights on the node or near it; null of engines no load was published of that says its stages.
    /// </summary>
    public static LoadPath? Serving(EngineKind engine, Bytes weights, int ranks) => engine == EngineKind.Vllm
        ? new LoadPath([Start(ranks), Read(WeightStore.Unstated, WeightReader.OneStream, weights, ranks: ranks), Initialise(weights)]) : null;

    /// <summary>A container's image onto a node and started: layer after layer, or read while it runs (three rows of one page).</summary>
    public static LoadStage Image(Bytes compressed, bool lazy = false) => new()
    {
        Name = "image",
        Bytes = compressed,
        Alone = Rate(lazy ? 0.32 : 0.0228),
        Spread = 0.6,
    };

    /// <summary>From asleep, weights in host memory: 16.4 GB/s (one row), and a tenth of a second for what is not bytes.</summary>
    public static LoadStage Wake(Bytes bytes, int ranks = 1) =>
        Read(WeightStore.HostMemory, WeightReader.Pinned, bytes, ranks: ranks) with { Name = "wake", Fixed = TimeSpan.FromSeconds(0.1) };

    /// <summary>To sleep: the same bytes the other way.</summary>
    public static LoadStage Sleep(Bytes bytes, int ranks = 1) => Wake(bytes, ranks) with { Name = "sleep" };

    /// <summary>
    /// A replica's end, once it is drained: the process leaves and its memory is given back. No published row tells; the memory's part is what
    /// this project measured on the processor (docs/benchmarks/loads.md), the fixed part is assumed.
    /// </summary>
    public static LoadStage Unload(Bytes weights) => new()
    {
        Name = "unload",
        Bytes = weights,
        Alone = Rate(UnloadRate),
        Fixed = TimeSpan.FromSeconds(1),
        Spread = 0.5,
    };

    private static double Of(BytesPerSecond? nominal, double otherwise) => nominal is { } stated ? stated.Value / GB : otherwise;

    private static BytesPerSecond Rate(double gigabytes) => new((long)Math.Clamp(gigabytes * GB, 1, 1e15));
}
