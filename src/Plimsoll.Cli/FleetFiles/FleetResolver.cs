using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Artifacts;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>
/// Turns a document without problems into a definition: reads the models' headers, finds the servers. What is wrong
/// with any of them is a problem of the field that named it.
/// </summary>
/// <param name="file">What was read.</param>
/// <param name="time">How long a server may take to tell what a model weighs.</param>
/// <param name="cached">A model as last weighed, where the cache holds it whole; null where it does not.</param>
public sealed class FleetResolver(FleetFile file, TimeProvider time, Func<ModelId, ModelSpec?>? cached = null)
{
    public const int DefaultConcurrency = 8;

    private readonly Problems _problems = file.Problems;

    /// <summary>The definition; null when there are problems. Waits for the servers of models behind addresses.</summary>
    public FleetDefinition? Resolve(CancellationToken cancellationToken)
    {
        if (_problems.Any) return null;
        var document = file.Document;
        var weigher = new ModelWeigher(file, time, cached);
        var models = ImmutableArray.CreateBuilder<ModelSpec>();
        var launches = ImmutableSortedDictionary.CreateBuilder<ModelId, LaunchSpec>();
        var fetches = ImmutableSortedDictionary.CreateBuilder<ModelId, FetchSpec>();
        for (var i = 0; i < document.Models.Length; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"models[{i}]");
            var weighed = weigher.Weigh(document.Models[i], path, cancellationToken);
            if (Launch(document.Models[i], path, weighed) is not { } launch || weighed is null) continue;
            var fetch = launch.ModelPath is null ? Fetch(document.Models[i], path, weighed) : null;
            var model = Model(document.Models[i], path, weighed.Footprint, fetch?.Shown ?? launch.ModelPath!, cached: fetch is not null);
            models.Add(model);
            launches[model.Id] = launch;
            // Without its server nobody knows what there is to fetch; the copy that is here will do.
            if (fetch is not null && !weighed.Files.IsDefault) fetches[model.Id] = fetch;
        }

        var gateway = Gateway(document.Gateway ?? new GatewayDocument());
        if (_problems.Any) return null;
        return new FleetDefinition
        {
            Name = NameOf(file),
            Spec = new FleetSpec
            {
                Models = [.. models.OrderBy(model => model.Id)],
                Settings = Settings(document.Planner ?? new PlannerDocument()),
                Prices = Prices(document.Prices),
                Mode = document.Mode ?? FleetMode.Act,
            },
            Launches = launches.ToImmutable(),
            Fetches = fetches.ToImmutable(),
            Node = Node(document.Machine ?? new MachineDocument()),
            Gateway = gateway,
            Notes = weigher.Notes,
        };
    }

    /// <summary>The fleet's name: stated, else its file's.</summary>
    public static string NameOf(FleetFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return file.Document.Name ?? NameOf(file.Path);
    }

    /// <summary>A fleet's name from a file's or folder's: what is no letter or digit becomes a dash.</summary>
    public static string NameOf(string path)
    {
        var name = Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        var clean = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' ? c : '-')]).Trim('-', '.', '_');
        return clean.Length == 0 ? "fleet" : clean[..Math.Min(64, clean.Length)];
    }

    private string PathOf(string source) => Path.GetFullPath(source, file.Folder);

    private LaunchSpec? Launch(ModelDocument model, string path, WeighedArtifact? weighed)
    {
        var launch = model.Command.IsEmpty ? Preset(model, path, weighed?.Footprint.Format) : new LaunchSpec { Command = Found(model.Command, path) };
        return launch is null ? null : launch with
        {
            Environment = model.Env?.Count > 0 ? model.Env : launch.Environment,
            ReadyPath = model.ReadyPath ?? launch.ReadyPath,
            ModelPath = model.Cache is true || FleetChecks.IsRemote(model.Source!) ? null : Served(model, weighed),
        };
    }

    // A folder that holds one model's file stands for that file: what serves it is given the file.
    private static string? FileIn(WeighedArtifact? weighed) => weighed is { IsFolder: true, Files.IsDefaultOrEmpty: false }
        && weighed.Footprint.Format is ArtifactFormat.Onnx or ArtifactFormat.Gguf ? weighed.Files[0].Name : null;

    private string Served(ModelDocument model, WeighedArtifact? weighed) =>
        FileIn(weighed) is { } inside ? Path.Combine(PathOf(model.Source!), inside) : PathOf(model.Source!);

    private FetchSpec Fetch(ModelDocument model, string path, WeighedArtifact weighed)
    {
        var (remote, files) = (FleetChecks.IsRemote(model.Source!), weighed.Files.IsDefault ? [] : weighed.Files);
        var (inside, isFolder) = (FileIn(weighed), weighed.IsFolder);
        // A file at an address of the web is kept under a plain name; elsewhere, and in folders, names are what they are.
        if (remote && !isFolder && !files.IsEmpty && SourceAddress.Parse(model.Source!) is SourceAddress.Web { Url: { } url })
            files = files.SetItem(0, files[0] with { Name = FetchSpec.FileNameOf(url) });
        if (model.Sha256 is not null && isFolder && inside is null)
            _problems.Add($"{path}.sha256", "the source is a folder of several files; dataSha256 checks each by its name");
        var hashes = model.DataSha256 ?? ImmutableSortedDictionary<string, string>.Empty;
        return new FetchSpec
        {
            Source = remote ? model.Source! : Served(model, weighed),
            IsFolder = remote && isFolder,
            ServesFirstFile = remote && inside is not null,
            Files = [.. files.Select(one => new FetchFile(one.Name, new Bytes(one.Bytes), one.Validator))],
            Sha256 = model.Sha256 is { } own && !files.IsEmpty ? hashes.SetItem(files[0].Name, own) : hashes,
        };
    }

    private LaunchSpec? Preset(ModelDocument model, string path, ArtifactFormat? format)
    {
        if (format is ArtifactFormat.Lora or ArtifactFormat.Diffusers || KindOf(model, format) is not { } kind)
        {
            if (format is { } unserved)
                _problems.Add($"{path}.source", $"found {Noun(unserved)}, which no server known here serves by itself; a command of your own would do");
            return null;
        }

        if (model.MemoryFraction is not null && kind != ServerKind.Vllm)
            _problems.Add($"{path}.memoryFraction", $"{ServerPresets.ProgramOf(kind)} takes no share of a GPU's memory; leave it out");
        if (model.Context is not null && kind == ServerKind.PlimsollModelServer)
            _problems.Add($"{path}.context", "the model server keeps no context; leave it out");
        if (ServerPresets.Find(kind) is { } program)
            return ServerPresets.Launch(kind, program, model, model.Concurrency ?? DefaultConcurrency, Gpus(model, kind));
        _problems.Add(model.Server is null ? $"{path}.source" : $"{path}.server", kind == ServerKind.PlimsollModelServer
            ? "the model server is not built; ./plimsoll builds it, or set PLIMSOLL_MODEL_SERVER to its path"
            : $"{ServerPresets.ProgramOf(kind)} is not on the PATH; install it, or give a command of your own");
        return null;
    }

    private static string Noun(ArtifactFormat format) => format switch
    {
        ArtifactFormat.Lora => "a low-rank adapter without its base model",
        ArtifactFormat.Diffusers => "a diffusion pipeline",
        ArtifactFormat.TritonRepository => "a Triton model repository",
        ArtifactFormat.TensorRt => "a TensorRT plan",
        ArtifactFormat.PyTorch => "PyTorch weights without a config.json",
        _ => "a format that is not known",
    };

    private ImmutableArray<string> Found(ImmutableArray<string> command, string path)
    {
        var program = command[0];
        if (program.Contains('/', StringComparison.Ordinal))
        {
            var full = PathOf(program);
            if (!File.Exists(full)) _problems.Add($"{path}.command[0]", $"{full} does not exist");
            return command.SetItem(0, full);
        }

        if (!program.Contains('{', StringComparison.Ordinal) && ServerPresets.OnPath(program) is null)
            _problems.Add($"{path}.command[0]", $"found \"{Show.Text(program)}\", which is not on the PATH; a path to the program would do");
        return command;
    }

    private ModelSpec Model(ModelDocument model, string path, Footprint footprint, string source, bool cached)
    {
        ServerKind? kind = model.Command.IsEmpty ? KindOf(model, footprint.Format) : null;
        var engine = kind is { } known ? ScalarKind.NameOf(known) : "custom";
        var gpus = Gpus(model, kind);
        var needs = OnKnownDevices(model, path, footprint, engine, gpus, cached) ?? EngineProfile.Named(engine).Needs(
            footprint, gpus, model.Cores, cached, kind == ServerKind.LlamaServer && gpus == 0 ? LlamaCache(model, footprint) : Bytes.Zero);
        if (model.Memory is { LoadPeak: { } peak, Steady: { } steady }) needs = needs with { Host = new MemoryNeed(peak, steady) };
        var min = model.MinReplicas ?? 0;
        return new ModelSpec
        {
            Id = ModelId.Of(model.Name!),
            Version = model.Version ?? Short(footprint.Digest),
            Source = source,
            Cached = cached,
            Footprint = footprint,
            Slo = new Slo(model.Slo?.Latency ?? TimeSpan.FromSeconds(2), model.Slo?.Attainment?.Value ?? 0.99),
            Priority = model.Priority ?? 0,
            MinReplicas = min,
            MaxReplicas = model.MaxReplicas ?? Math.Max(1, min),
            IdleLimit = model.IdleLimit,
            Variants =
            [
                new VariantSpec
                {
                    Id = VariantId.Of(gpus > 0 ? $"{engine}-gpu" : $"{engine}-cpu"),
                    Engine = engine,
                    DeviceKind = gpus > 0 && model.Device is { } device ? Kind(device) : null,
                    TensorParallel = Math.Max(1, gpus),
                    Needs = needs,
                    Concurrency = model.Concurrency ?? DefaultConcurrency,
                    LoadBandwidth = model.LoadBandwidth,
                },
            ],
        };
    }

    // By the engine's own rules, where the device is known by name and the engine is one whose rules are known.
    private ReplicaNeeds? OnKnownDevices(ModelDocument model, string path, Footprint footprint, string engine, int gpus, bool cached)
    {
        if (gpus == 0 || footprint.Shape is null || model.Device is not { } name || DeviceCatalogue.BuiltIn.Find(name) is not { } device
            || !ServingEngine.TryParse(engine, out var rules))
            return null;
        var atOnce = model.Concurrency ?? DefaultConcurrency;
        var variant = new ServingVariant
        {
            Device = device,
            Engine = rules,
            TensorParallel = gpus,
            Context = model.Context ?? 0,
            // llama-server reserves a stated context for each slot, and the model's own once for all; vllm takes what is left.
            Concurrency = rules.Kind == EngineKind.LlamaCpp && model.Context is not null ? atOnce : 1,
            MemoryFraction = model.MemoryFraction?.Value,
            MaxSequences = atOnce,
        };
        var (needs, fit) = ServingNeeds.Of(footprint, variant, model.Cores, cached, DeviceCatalogue.BuiltIn.Accelerators);
        if (!fit.Fits) _problems.Add($"{path}.device", Show.Text($"{gpus} × {device.Name} with {rules.Name}: {fit.Reason}", 600));
        return needs;
    }

    private static string Kind(string device) => DeviceCatalogue.BuiltIn.Find(device)?.Name ?? device;

    // On the processor llama-server reserves keys and values on the host, for every layer the whole context.
    private static Bytes LlamaCache(ModelDocument model, Footprint footprint)
    {
        const int ContextOfNone = 4096;
        var slots = model.Concurrency ?? DefaultConcurrency;
        var tokens = model.Context is { } each ? (long)each * slots : footprint.Shape is { MaxPositions: > 0 and var made } ? made : ContextOfNone;
        var reserved = ((Int128)footprint.KvPerToken.Value * tokens) + ((Int128)footprint.StatePerSequence.Value * slots);
        // A header may claim anything; a petabyte fits nowhere.
        return new Bytes((long)Int128.Min(reserved, 1_000_000_000_000_000));
    }

    // By the fields, else by what its header says it is; null for what none of the servers here takes.
    private static ServerKind? KindOf(ModelDocument model, ArtifactFormat? format) => model.Server ?? (model.Format, format) switch
    {
        (ModelFormat.Onnx, _) or (null, ArtifactFormat.Onnx) => ServerKind.PlimsollModelServer,
        (ModelFormat.Gguf, _) or (null, ArtifactFormat.Gguf) => ServerKind.LlamaServer,
        (ModelFormat.Safetensors, _) or (null, ArtifactFormat.Safetensors or ArtifactFormat.HuggingFace) => ServerKind.Vllm,
        _ => null,
    };

    private static int Gpus(ModelDocument model, ServerKind? kind) => model.Gpus ?? (kind == ServerKind.Vllm || model.Device is not null ? 1 : 0);

    private static string Short(string digest) => digest[(digest.LastIndexOf(':') + 1)..] is { Length: > 12 } hex ? hex[..12] : digest;

    private LocalNodeOptions Node(MachineDocument machine)
    {
        var defaults = new LocalNodeOptions();
        return new LocalNodeOptions
        {
            MemoryBudget = machine.Memory,
            Cores = machine.Cores,
            DeviceMemoryBudget = machine.GpuMemory,
            CacheFolder = machine.Cache?.Folder is { } folder ? PathOf(folder) : null,
            CacheBudget = machine.Cache?.Size,
            FetchBandwidth = machine.Cache?.Bandwidth,
            StopGrace = machine.StopGrace ?? defaults.StopGrace,
            EnforceMemoryBudget = machine.EnforceMemory ?? false,
        };
    }

    private GatewayOptions Gateway(GatewayDocument gateway)
    {
        var defaults = new GatewayOptions();
        return new GatewayOptions
        {
            Address = gateway.Listen?.Address ?? defaults.Address,
            Port = gateway.Listen?.Port ?? defaults.Port,
            AdminPort = gateway.AdminListen?.Port ?? 0,
            TlsCertificatePath = Existing(gateway.Tls?.Certificate, "gateway.tls.certificate"),
            TlsKeyPath = Existing(gateway.Tls?.Key, "gateway.tls.key"),
            ApiKey = ApiKey(gateway.ApiKey),
            HeldRequestsPerModel = gateway.Queue?.Requests ?? defaults.HeldRequestsPerModel,
            HeldRequests = Math.Max(gateway.Queue?.Requests ?? 0, defaults.HeldRequests),
            HeldBytes = gateway.Queue?.Bytes ?? defaults.HeldBytes,
            HoldTime = gateway.Queue?.Wait ?? defaults.HoldTime,
        };
    }

    private string? Existing(string? source, string path)
    {
        if (source is null) return null;
        var full = PathOf(source);
        if (!File.Exists(full)) _problems.Add(path, $"{Show.Text(full, 200)} does not exist");
        return full;
    }

    private string? ApiKey(ApiKeyDocument? key)
    {
        if (key?.Env is { } name)
        {
            if (Environment.GetEnvironmentVariable(name) is { Length: > 0 } value) return value;
            _problems.Add("gateway.apiKey.env", $"the environment variable {name} is not set");
        }
        else if (Existing(key?.File, "gateway.apiKey.file") is { } path && File.Exists(path))
        {
            try
            {
                using var reader = new StreamReader(path);
                if (reader.ReadLine()?.Trim() is { Length: > 0 and <= 4096 } line) return line;
                _problems.Add("gateway.apiKey.file", $"{Show.Text(path, 200)} has no key in its first line");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                _problems.Add("gateway.apiKey.file", $"{Show.Text(path, 200)} cannot be read: {Show.Text(e.Message, 200)}");
            }
        }

        return null;
    }

    private static Prices Prices(PricesDocument? prices) => prices is null ? new Prices() : new Prices
    {
        HostMemoryPerGiB = prices.HostMemoryPerGiB,
        Devices = [.. (prices.Devices ?? ImmutableSortedDictionary<string, UsdPerHour>.Empty)
            .OrderBy(price => price.Key, StringComparer.Ordinal).Select(price => new DevicePrice(Kind(price.Key), price.Value))],
    };

    private static PlannerSettings Settings(PlannerDocument planner)
    {
        var defaults = new PlannerSettings();
        var bucket = planner.DemandBucket ?? defaults.DemandBucket;
        return new PlannerSettings
        {
            Review = planner.Review ?? defaults.Review,
            DemandBucket = bucket,
            DemandBuckets = planner.DemandHistory is { } history ? (int)Math.Ceiling(history / bucket) : defaults.DemandBuckets,
            DrainDeadline = planner.DrainDeadline ?? defaults.DrainDeadline,
            CrashBackoff = planner.CrashBackoff ?? defaults.CrashBackoff,
            CrashBackoffMax = planner.CrashBackoffMax ?? defaults.CrashBackoffMax,
            OverdueFactor = planner.OverdueFactor ?? defaults.OverdueFactor,
            AssumedLoadBandwidth = planner.AssumedLoadBandwidth ?? defaults.AssumedLoadBandwidth,
            AssumedLoadFixed = planner.AssumedLoadFixed ?? defaults.AssumedLoadFixed,
        };
    }
}
