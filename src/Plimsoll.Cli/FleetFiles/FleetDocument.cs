using System.Collections.Immutable;
using System.Net;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>A fleet file as written; every default is still a null.</summary>
[Means("A fleet of models for Plimsoll to serve, hold and scale.")]
public sealed record FleetDocument
{
    [Means("The fleet's name; its state is kept under it. Default: the file's name without its ending.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", "letters, digits, '.', '_' and '-', at most 64,")]
    public string? Name { get; init; }

    [Means("observe: learn and plan; recommend: show the plan too; act: carry it out. Default: act.")]
    public FleetMode? Mode { get; init; }

    [Means("The models to serve.")]
    [Needed("a list with at least one model, each with name and source,")]
    public ImmutableArray<ModelDocument> Models { get; init; } = [];

    [Means("Training jobs that run while the models leave them room.")]
    [Bounds(0, 1000)]
    public ImmutableArray<JobDocument> Training { get; init; } = [];

    [Means("What of this machine the fleet may use; what is left out is detected.")]
    public MachineDocument? Machine { get; init; }

    [Means("Where requests come in.")]
    public GatewayDocument? Gateway { get; init; }

    [Means("What hardware costs; left out, it is owned and idle memory costs nothing until another model claims it.")]
    public PricesDocument? Prices { get; init; }

    [Means("Time scales of planning. The defaults suit most fleets.")]
    public PlannerDocument? Planner { get; init; }
}

[Means("One model.")]
public sealed record ModelDocument
{
    [Means("The name requests use.")]
    [Needed("the name requests use")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "letters, digits, '.', '_' and '-', at most 128,")]
    public string? Name { get; init; }

    [Means("Where the model is: a file or folder (relative to this file), or an address with https://, s3://, gs://, hf:// or pvc://.")]
    [Needed("a path or an address")]
    [Looks(@"^[^\u0000-\u001f]{1,2048}$", "a path or an address of at most 2048 characters")]
    public string? Source { get; init; }

    [Means("SHA-256 of the model file behind an address; a download that differs is refused.")]
    [Looks("^[0-9a-fA-F]{64}$", "64 hexadecimal digits")]
    public string? Sha256 { get; init; }

    [Means("SHA-256 of the files fetched beside the model's own, or in its folder, by name.")]
    [Bounds(0, 256)]
    public ImmutableSortedDictionary<string, string>? DataSha256 { get; init; }

    [Means("What the weights take in memory. Read from the model's own header where that can be; needed where it cannot (TensorRT plans, unknown formats).")]
    [Bounds(1, 1e15)]
    public Bytes? Weights { get; init; }

    [Means("A change starts new replicas beside the old ones. Default: the content's digest.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$", "letters, digits, '.', '_', '+' and '-', at most 128,")]
    public string? Version { get; init; }

    [Means("The kind of model, which decides the server. Default: what its header says.")]
    public ModelFormat? Format { get; init; }

    [Means("True copies the model into the cache on this machine's disk before it is loaded; a source behind an address always is.")]
    public bool? Cache { get; init; }

    [Means("What requests may take.")]
    public SloDocument? Slo { get; init; }

    [Means("How long requests are, for models that generate text, until servers tell. Default: as in a public trace of conversations.")]
    public TokensDocument? Tokens { get; init; }

    [Means("Of a model that answers at once (classifiers, encoders, images): how long batches are computed, as measured on this hardware. It is then planned for from the first request on. Default: what its requests show.")]
    [Bounds(0, BatchProfile.RowsMost)]
    public ImmutableArray<BatchDocument> Profile { get; init; } = [];

    [Means("Times at which demand is known beforehand to differ, which is planned for as far ahead as the model is heavy.")]
    [Bounds(0, DemandEvent.PerModelMost)]
    public ImmutableArray<EventDocument> Events { get; init; } = [];

    [Means("Higher goes first when memory is short. Default: 0.")]
    [Bounds(-1000, 1000)]
    public int? Priority { get; init; }

    [Means("Replicas kept whatever the demand. Default: 0.")]
    [Bounds(0, 1000)]
    public int? MinReplicas { get; init; }

    [Means("Most replicas. Default: 1, or minReplicas where that is more.")]
    [Bounds(1, 1000)]
    public int? MaxReplicas { get; init; }

    [Means("Release an idle replica after this long even when nobody needs its memory. Default: never.")]
    [Bounds(0.001, 31_536_000)]
    public TimeSpan? IdleLimit { get; init; }

    [Means("Cores for one replica, 0.5 for a half. Default: by weight.")]
    [Bounds(0.01, 1024)]
    public Cores? Cores { get; init; }

    [Means("GPUs for one replica; the weights are split over them. Default: 0, or 1 for vllm.")]
    [Bounds(0, 64)]
    public int? Gpus { get; init; }

    [Means("The kind of GPU, as plimsoll devices lists it (\"l4-24gb\") or nvidia-smi's name gives it (\"nvidia-l4\"). Default: any.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", "a name such as l4-24gb")]
    public string? Device { get; init; }

    [Means("Tokens of the longest sequence, prompt and answer together, for llama-server and vllm. Default: what the model was made for.")]
    [Bounds(1, 1_073_741_824)]
    public int? Context { get; init; }

    [Means("The share of a GPU's memory that vllm may take. Default: 0.9.")]
    [Bounds(0.05, 1)]
    public Fraction? MemoryFraction { get; init; }

    [Means("What one replica takes of host memory, when you know better than the estimate; measurement corrects both.")]
    public MemoryDocument? Memory { get; init; }

    [Means("Requests one replica works on at once; of the model server 4096 at most. Default: 8, or twice the largest batch of its profile.")]
    [Bounds(1, 100_000)]
    public int? Concurrency { get; init; }

    [Means("Read the weights no faster than this. Default: as fast as the disk does.")]
    [Bounds(1024, 1e13)]
    public BytesPerSecond? LoadBandwidth { get; init; }

    [Means("The server program. Default: by format.")]
    public ServerKind? Server { get; init; }

    [Means("Any other server: program and arguments with {model}, {name}, {port}, {device}, {cores}, {threads}, {load_bandwidth}.")]
    [Bounds(1, 256)]
    public ImmutableArray<string> Command { get; init; } = [];

    [Means("Environment variables of the server, same placeholders.")]
    [Bounds(0, 256)]
    public ImmutableSortedDictionary<string, string>? Env { get; init; }

    [Means("Answers 200 once the server can serve. Default: /v2/health/ready, or /health for llama-server and vllm.")]
    [Looks("^/[!-~]{0,255}$", "a path such as /health")]
    public string? ReadyPath { get; init; }

    [Means("True lets vllm sleep: its weights wait in this machine's memory while others use its GPUs, and are back in seconds. Default: false.")]
    public bool? Sleep { get; init; }

    [Means("For a command of your own: posted to, it moves the weights off the GPUs into this machine's memory, and answers 200 once it has.")]
    [Looks("^/[!-~]{0,255}$", "a path such as /sleep?level=1")]
    public string? SleepPath { get; init; }

    [Means("Posted to, it moves them back, and answers 200 once it has.")]
    [Looks("^/[!-~]{0,255}$", "a path such as /wake_up")]
    public string? WakePath { get; init; }
}

public enum ModelFormat { Onnx, Gguf, Safetensors, Other }

public enum ServerKind { PlimsollModelServer, LlamaServer, Vllm }

[Means("A latency objective on a share of the requests.")]
public sealed record SloDocument
{
    [Means("From a request's arrival to the last byte of its response, time spent waiting for a load included. Default: 2s, 1min for a model that generates text, none where ttft or tpot is given.")]
    [Bounds(0.001, 3600)]
    public TimeSpan? Latency { get; init; }

    [Means("Time to the first token, for models that generate text; kept to where the device's pace is known.")]
    [Bounds(0.001, 3600)]
    public TimeSpan? Ttft { get; init; }

    [Means("Time per output token after the first; as ttft.")]
    [Bounds(0.001, 60)]
    public TimeSpan? Tpot { get; init; }

    [Means("The share of requests that must meet it. Default: 0.99.")]
    [Bounds(0.01, 0.99999)]
    public Fraction? Attainment { get; init; }
}

[Means("Mean lengths of requests.")]
public sealed record TokensDocument
{
    [Means("Tokens of a prompt, on the mean.")]
    [Bounds(1, 10_000_000)]
    public double? Input { get; init; }

    [Means("Tokens of an answer, on the mean.")]
    [Bounds(1, 10_000_000)]
    public double? Output { get; init; }
}

[Means("Memory of one replica.")]
public sealed record MemoryDocument
{
    [Means("At the load's highest point.")]
    [Needed("a size such as 250MB or 6GiB")]
    [Bounds(1, 1e15)]
    public Bytes? LoadPeak { get; init; }

    [Means("Once it serves.")]
    [Needed("a size such as 250MB or 6GiB")]
    [Bounds(1, 1e15)]
    public Bytes? Steady { get; init; }
}

[Means("What of this machine the fleet may use.")]
public sealed record MachineDocument
{
    internal const double StopGraceSecondsMax = 600;

    [Means("Memory for all replicas together. Default: four fifths of what is free at the start.")]
    [Bounds(1_048_576, 1e15)]
    public Bytes? Memory { get; init; }

    [Means("Have the kernel hold all replicas together to the budget, where this user may make cgroups. Default: false.")]
    public bool? EnforceMemory { get; init; }

    [Means("Cores for all replicas together. Default: all.")]
    [Bounds(0.01, 4096)]
    public Cores? Cores { get; init; }

    [Means("Memory the fleet may use on each GPU. Default: all of it.")]
    [Bounds(1_048_576, 1e15)]
    public Bytes? GpuMemory { get; init; }

    [Means("Time a replica gets to end before it is killed. Default: 10s.")]
    [Bounds(0.1, StopGraceSecondsMax)]
    public TimeSpan? StopGrace { get; init; }

    [Means("Where models are kept on this machine's disk.")]
    public CacheDocument? Cache { get; init; }
}

[Means("The model cache.")]
public sealed record CacheDocument
{
    [Means("Its folder. Default: a folder in the fleet's state folder.")]
    [Looks(@"^[^\u0000-\u001f]{1,2048}$", "a path of at most 2048 characters")]
    public string? Folder { get; init; }

    [Means("Most it may hold. Default: nine tenths of the disk's free space.")]
    [Bounds(1_048_576, 1e16)]
    public Bytes? Size { get; init; }

    [Means("Most that all fetches together may take. Default: no limit.")]
    [Bounds(1024, 1e13)]
    public BytesPerSecond? Bandwidth { get; init; }
}

[Means("Where requests come in.")]
public sealed record GatewayDocument
{
    [Means("Address for requests. Beyond loopback it wants tls and apiKey. Default: 127.0.0.1:8080.")]
    public IPEndPoint? Listen { get; init; }

    [Means("Loopback address for metrics and health. Default: 127.0.0.1 and any free port.")]
    public IPEndPoint? AdminListen { get; init; }

    [Means("TLS for the request address.")]
    public TlsDocument? Tls { get; init; }

    [Means("The key that requests must carry.")]
    public ApiKeyDocument? ApiKey { get; init; }

    [Means("Bounds on requests that wait while their model loads.")]
    public QueueDocument? Queue { get; init; }
}

[Means("PEM files.")]
public sealed record TlsDocument
{
    [Means("Certificate with its chain.")]
    [Needed("the path of a PEM file")]
    public string? Certificate { get; init; }

    [Means("Its private key.")]
    [Needed("the path of a PEM file")]
    public string? Key { get; init; }
}

[Means("Where the key is; never the key itself. One of the two.")]
public sealed record ApiKeyDocument
{
    [Means("Name of an environment variable.")]
    [Looks("^[A-Za-z_][A-Za-z0-9_]{0,127}$", "the name of an environment variable")]
    public string? Env { get; init; }

    [Means("A file whose first line is the key.")]
    public string? File { get; init; }
}

[Means("Bounds on waiting requests.")]
public sealed record QueueDocument
{
    [Means("Most requests waiting for one model. Default: 2048.")]
    [Bounds(0, 1_000_000)]
    public int? Requests { get; init; }

    [Means("Most bytes of all waiting requests together, which those of one model may take alone; one that waits has 16MiB at most, and with those under way all have 1GiB, or this where it is more. Default: 256MiB, of one model 128MiB.")]
    [Bounds(0, 1e12)]
    public Bytes? Bytes { get; init; }

    [Means("Longest wait. Default: 2min.")]
    [Bounds(0.001, 3600)]
    public TimeSpan? Wait { get; init; }
}

[Means("Prices in US dollars per hour.")]
public sealed record PricesDocument
{
    [Means("A GiB of host memory held for an hour, on machines without GPUs.")]
    [Bounds(0, 1e6)]
    public UsdPerHour? HostMemoryPerGiB { get; init; }

    [Means("One GPU for an hour, by its kind (\"l4-24gb\").")]
    [Bounds(0, 1e6)]
    public ImmutableSortedDictionary<string, UsdPerHour>? Devices { get; init; }
}

[Means("Time scales of planning.")]
public sealed record PlannerDocument
{
    [Means("Time between two regular plans. Default: 1s.")]
    [Bounds(0.1, 3600)]
    public TimeSpan? Review { get; init; }

    [Means("How much past demand is remembered. Default: 10min.")]
    [Bounds(1, 604_800)]
    public TimeSpan? DemandHistory { get; init; }

    [Means("How finely it is remembered. Default: 1s.")]
    [Bounds(0.1, 3600)]
    public TimeSpan? DemandBucket { get; init; }

    [Means("How long a draining replica may finish what it holds. Default: 30s, or a quarter over the longest request seen where that is more.")]
    [Bounds(0.1, 86_400)]
    public TimeSpan? DrainDeadline { get; init; }

    [Means("Wait after a replica's first failure; doubles with each further one. Default: 1s.")]
    [Bounds(0.1, 3600)]
    public TimeSpan? CrashBackoff { get; init; }

    [Means("Longest such wait. Default: 5min.")]
    [Bounds(0.1, 86_400)]
    public TimeSpan? CrashBackoffMax { get; init; }

    [Means("A load that takes this many times its expected time no longer counts as supply. Default: 3.")]
    [Bounds(1, 100)]
    public double? OverdueFactor { get; init; }

    [Means("Bandwidth assumed for loading before any load was seen. Default: 200MiB/s.")]
    [Bounds(1024, 1e13)]
    public BytesPerSecond? AssumedLoadBandwidth { get; init; }

    [Means("Fixed part of a load assumed before any was seen. Default: 2s.")]
    [Bounds(0, 3600)]
    public TimeSpan? AssumedLoadFixed { get; init; }
}
