using System.Globalization;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Loads;

/// <summary>
/// The rows of published load times as stages: which store, reader and links a row's words mean is decided here, from its columns and never from
/// its time. What the columns don't say is left out, with the reason.
/// </summary>
internal sealed class PublishedLoads
{
    private static readonly string[] Reads =
        ["load_to_gpu", "load_weights", "load_weights_wall", "model_data_path", "stream", "load_avg5", "load_warm", "weight_loading", "model_loading"];

    private static readonly string[] Fetches = ["download", "download_to_local", "model_download"];

    private static readonly string[] Totals = ["vllm_engine_ready_total", "ready_total", "cold_startup", "hot_startup"];

    private readonly List<PriorCase> _cases = [];
    private readonly List<(string Row, string What, string Why, bool Calibration)> _leftOut = [];

    public IReadOnlyList<PriorCase> Cases => _cases;

    public IReadOnlyList<(string Row, string What, string Why, bool Calibration)> LeftOut => _leftOut;

    public static PublishedLoads Read(string data)
    {
        var all = new PublishedLoads();
        foreach (var row in CsvTable.Read(Path.Combine(data, "loadtime/loadtime.csv")).Rows) all.Add(row);
        return all;
    }

    /// <summary>Recorded start-ups of vLLM on H100: the store is not said, nor whether its page cache was warm.</summary>
    public static IEnumerable<PriorCase> StartUps(string data)
    {
        foreach (var row in CsvTable.Read(Path.Combine(data, "memory/vllm_h100_startup.csv")).Rows)
        {
            var ranks = row.Int("tp") * row.Int("pp");
            if (row.Number("weights_gib_per_gpu_max") is not { } each) continue;
            var weights = Bytes.MiB((long)(each * ranks * 1024));
            PriorCase Case(string what, double measured, LoadStage stage) =>
                new(row.Text("model"), what, row.Text("split") == "calibration", measured, new LoadPath([stage]));
            if (row.Number("loading_weights_s_max") is { } read)
                yield return Case("read", read, LoadPriors.Read(WeightStore.Unstated, WeightReader.OneStream, weights, ranks: ranks));
            if (row.Number("init_engine_s") is { } initialise)
                yield return Case("initialise", initialise, LoadPriors.Initialise(weights));
            if (row.Number("download_s_max") is { } fetch)
                yield return Case("fetch", fetch, LoadPriors.Fetch(WeightStore.Hub, weights));
        }
    }

    private void Add(CsvRow row)
    {
        var (quantity, loader, storage) = (row.Text("quantity"), row.Text("loader"), row.Text("storage"));
        var calibration = row.Text("split") == "calibration";
        var name = string.Join(", ", new[] { row.Text("model"), storage, loader, row.Text("concurrency") is { Length: > 0 } streams ? $"{streams} streams" : "" }.Where(part => part.Length > 0));
        void Not(string why) => _leftOut.Add((name, quantity, why, calibration));
        if (row.Number("value_s") is not { } measured) Not("a size or a rate, not a time");
        else if (measured <= 0) Not("nothing was moved");
        else if (row.Text("note").Contains("lower bound", StringComparison.Ordinal)) Not("only a lower bound is given");
        else if (quantity.Contains("range", StringComparison.Ordinal)) Not("the end of a range over many models and devices");
        else if (quantity is "node_provision") Not("no node's boot is in the calibration rows; the planner assumes five minutes until it sees one");
        else if (quantity is "torch_compile" or "graph_capture" or "dynamo_transform" or "graph_compilation") Not("a part of initialising that is not told apart");
        else if (quantity == "container_cold_start")
            Keep(LoadPriors.Image(Size(row)!.Value, lazy: loader.Contains("snapshotter", StringComparison.Ordinal)));
        else if (quantity is "init_engine" or "init_engine_and_imports" or "other_startup")
        {
            if (Size(row) is not { } weights) Not("no size");
            else if (quantity == "init_engine") Keep(LoadPriors.Initialise(weights));
            else Keep(LoadPriors.Start(Ranks(row)), LoadPriors.Initialise(weights, storage == "cached volume"));
        }
        else if (storage.Length == 0) Not("no storage given");
        else if (storage.StartsWith('(')) Not("the storage is called slow, and no more");
        else if (Size(row) is not { } bytes) Not("no size");
        else if (quantity == "wake_up") Keep(LoadPriors.Wake(bytes));
        else if (loader is "gguf" || Store(storage, quantity) is not { } store) Not("no calibration row of this reader or storage");
        else if (Fetches.Contains(quantity)) Keep(LoadPriors.Fetch(store, bytes, Nominal(storage, row)));
        else if (Reads.Contains(quantity)) Keep(Weights(row, store, bytes));
        else if (Totals.Contains(quantity)) Total(row, store, bytes, Keep);
        else Not("a quantity of its own");

        void Keep(params LoadStage[] stages) => _cases.Add(new PriorCase(name, quantity, calibration, measured, new LoadPath([.. stages])));
    }

    private static void Total(CsvRow row, WeightStore store, Bytes bytes, Action<LoadStage[]> keep)
    {
        var (ranks, start) = (Ranks(row), LoadPriors.Start(Ranks(row)));

        // vLLM 0.5.5 and TGI compile nothing; a hot start is one whose process is there.
        var first = row.Text("quantity") == "ready_total" ? LoadPriors.Initialise(bytes) : null;
        if (row.Text("storage").Contains("->", StringComparison.Ordinal))
            keep([start, LoadPriors.Fetch(WeightStore.ObjectStore, bytes), LoadPriors.Read(WeightStore.PageCache, WeightReader.OneStream, bytes, ranks: ranks), first!]);
        else
            keep([.. new[] { row.Text("quantity") == "hot_startup" ? null : start, Weights(row, store, bytes), first }.OfType<LoadStage>()]);
    }

    private static LoadStage Weights(CsvRow row, WeightStore store, Bytes bytes) => LoadPriors.Read(
        store, Reader(row.Text("loader")), bytes, Nominal(row.Text("storage"), row), (int?)row.Number("concurrency"), Ranks(row));

    // A fetch leaves what it wrote in the page cache, so what is read after it, or called cached or warm, is warm.
    private static WeightStore? Store(string storage, string quantity) => storage switch
    {
        _ when storage.Contains("->local NVMe", StringComparison.Ordinal) => quantity.StartsWith("load", StringComparison.Ordinal) ? WeightStore.PageCache : WeightStore.ObjectStore,
        _ when storage.Contains("HuggingFace", StringComparison.Ordinal) || storage == "hub" => quantity == "weight_loading" ? WeightStore.Unstated : WeightStore.Hub,
        _ when storage.StartsWith("NVMe", StringComparison.Ordinal) && storage.Contains("cached", StringComparison.Ordinal) => WeightStore.HostMemory,
        "page cache" => WeightStore.PageCache,
        "host DRAM" => WeightStore.HostMemory,
        "cached volume" or "disk" => WeightStore.Unstated,
        _ when storage.StartsWith("EBS", StringComparison.Ordinal) => WeightStore.NetworkVolume,
        _ when storage.StartsWith("S3", StringComparison.Ordinal) || storage.Contains("object storage", StringComparison.Ordinal) => WeightStore.ObjectStore,
        _ when storage.Contains("EFS", StringComparison.Ordinal) => WeightStore.NetworkFiles,
        _ when storage.Contains("NVMe", StringComparison.Ordinal) || storage == "local" => WeightStore.LocalDisk,
        _ => null,
    };

    private static WeightReader Reader(string loader) => loader switch
    {
        _ when loader.StartsWith("runai", StringComparison.Ordinal) || loader == "tensorizer" => WeightReader.ManyStreams,
        "fastsafetensors" or "ServerlessLLM" or "sleep level 1" => WeightReader.Pinned,
        _ => WeightReader.OneStream,
    };

    // A g5.12xlarge carries 16 Gbit/s to its volumes and 40 to the network (AWS, EC2 G5 instances), whatever the volume could do.
    private static BytesPerSecond? Nominal(string storage, CsvRow row) => storage switch
    {
        _ when storage.Contains("1000MiB/s", StringComparison.Ordinal) => BytesPerSecond.MiB(1000),
        _ when storage.Contains("4000MiB/s", StringComparison.Ordinal) => new BytesPerSecond(2_000_000_000),
        _ when storage.Contains("CoreWeave", StringComparison.Ordinal) => new BytesPerSecond(25_000_000_000),
        "S3 same region" => new BytesPerSecond(5_000_000_000),
        "4 NVMe" => new BytesPerSecond(28_000_000_000),
        _ when storage.StartsWith("NVMe ", StringComparison.Ordinal) && row.Text("storage").Contains("29.4", StringComparison.Ordinal) => new BytesPerSecond(29_400_000_000),
        _ => null,
    };

    private static int Ranks(CsvRow row)
    {
        if (row.Number("tp") is { } tensor) return (int)tensor;
        var device = row.Text("gpu");
        var digits = new string([.. device.TakeWhile(char.IsAsciiDigit)]);
        return digits.Length > 0 && int.Parse(digits, CultureInfo.InvariantCulture) is var count and > 0 ? count : 1;
    }

    // What a page says first; else parameters at two bytes each, which is how these models are stored.
    private static Bytes? Size(CsvRow row) =>
        row.Number("size_gb") is { } gigabytes ? new Bytes((long)(gigabytes * 1e9))
        : row.Number("params_b") is { } parameters ? new Bytes((long)(parameters * (row.Text("dtype") == "fp8" ? 1e9 : 2e9)))
        : null;
}
