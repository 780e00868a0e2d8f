using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Plimsoll.Artifacts;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>
/// Turns a document without problems into a definition: reads the models' headers, finds the servers. What is wrong
/// with any of them is a problem of the field that named it.
/// </summary>
public sealed class FleetResolver(FleetFile file)
{
    public const int DefaultConcurrency = 8;

    private const int FilesMax = 10_000;

    private readonly Problems _problems = file.Problems;

    /// <summary>The definition; null when there are problems.</summary>
    public FleetDefinition? Resolve()
    {
        if (_problems.Any) return null;
        var document = file.Document;
        var models = ImmutableArray.CreateBuilder<ModelSpec>();
        var launches = ImmutableSortedDictionary.CreateBuilder<ModelId, LaunchSpec>();
        for (var i = 0; i < document.Models.Length; i++)
        {
            var path = string.Create(CultureInfo.InvariantCulture, $"models[{i}]");
            if (Launch(document.Models[i], path) is not { } launch || Model(document.Models[i], path, launch) is not { } model) continue;
            models.Add(model);
            launches[model.Id] = launch;
        }

        var gateway = Gateway(document.Gateway ?? new GatewayDocument());
        if (_problems.Any) return null;
        return new FleetDefinition
        {
            Name = document.Name ?? NameOf(file.Path),
            Spec = new FleetSpec
            {
                Models = [.. models.OrderBy(model => model.Id)],
                Settings = Settings(document.Planner ?? new PlannerDocument()),
                Prices = Prices(document.Prices),
                Mode = document.Mode ?? FleetMode.Act,
            },
            Launches = launches.ToImmutable(),
            Node = Node(document.Machine ?? new MachineDocument()),
            Gateway = gateway,
        };
    }

    /// <summary>A fleet's name from a file's or folder's: what is no letter or digit becomes a dash.</summary>
    public static string NameOf(string path)
    {
        var name = Path.GetFileNameWithoutExtension(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        var clean = new string([.. name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' ? c : '-')]).Trim('-', '.', '_');
        return clean.Length == 0 ? "fleet" : clean[..Math.Min(64, clean.Length)];
    }

    private string PathOf(string source) => Path.GetFullPath(source, file.Folder);

    private LaunchSpec? Launch(ModelDocument model, string path)
    {
        if (FleetChecks.IsRemote(model.Source!) || model.Cache is true)
        {
            _problems.Add(FleetChecks.IsRemote(model.Source!) ? $"{path}.source" : $"{path}.cache",
                "fetching into the model cache is not wired into this version yet; a local path used in place would do");
            return null;
        }

        var modelPath = PathOf(model.Source!);
        var launch = model.Command.IsEmpty ? Preset(model, path) : new LaunchSpec { Command = Found(model.Command, path) };
        return launch is null ? null : launch with
        {
            Environment = model.Env?.Count > 0 ? model.Env : launch.Environment,
            ReadyPath = model.ReadyPath ?? launch.ReadyPath,
            ModelPath = modelPath,
        };
    }

    private LaunchSpec? Preset(ModelDocument model, string path)
    {
        var kind = KindOf(model);
        if (ServerPresets.Find(kind) is { } program)
            return ServerPresets.Launch(kind, program, model.Concurrency ?? DefaultConcurrency, Gpus(model));
        _problems.Add(model.Server is null ? $"{path}.source" : $"{path}.server", kind == ServerKind.PlimsollModelServer
            ? "the model server is not built; ./plimsoll builds it, or set PLIMSOLL_MODEL_SERVER to its path"
            : $"{ServerPresets.ProgramOf(kind)} is not on the PATH; install it, or give a command of your own");
        return null;
    }

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

    private ModelSpec? Model(ModelDocument model, string path, LaunchSpec launch)
    {
        if (Weigh(model, path) is not { } footprint) return null;
        var engine = model.Command.IsEmpty ? ScalarKind.NameOf(KindOf(model)) : "custom";
        var gpus = Gpus(model);
        var needs = EngineProfile.Named(engine).Needs(footprint, gpus, model.Cores, cached: false);
        if (model.Memory is { LoadPeak: { } peak, Steady: { } steady }) needs = needs with { Host = new MemoryNeed(peak, steady) };
        var min = model.MinReplicas ?? 0;
        return new ModelSpec
        {
            Id = ModelId.Of(model.Name!),
            Version = model.Version ?? Short(footprint.Digest),
            Source = launch.ModelPath!,
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
                    DeviceKind = gpus > 0 ? model.Device : null,
                    TensorParallel = Math.Max(1, gpus),
                    Needs = needs,
                    Concurrency = model.Concurrency ?? DefaultConcurrency,
                    LoadBandwidth = model.LoadBandwidth,
                },
            ],
        };
    }

    private Footprint? Weigh(ModelDocument model, string path)
    {
        var source = PathOf(model.Source!);
        var format = FormatOf(model);
        try
        {
            if (!File.Exists(source) && !Directory.Exists(source)) _problems.Add($"{path}.source", $"{source} does not exist");
            else if (format is ModelFormat.Onnx or ModelFormat.Gguf) return FootprintReader.Read(source);
            else if (model.Weights is { } weights) return Declared(source, format, weights);
            else _problems.Add($"{path}.weights", "missing; only ONNX and GGUF files are weighed by their header, a size such as 250MB would do");
        }
        catch (ArtifactException unreadable)
        {
            _problems.Add($"{path}.source", Show.Text(unreadable.Message, 400));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _problems.Add($"{path}.source", $"{source} cannot be read: {Show.Text(e.Message, 200)}");
        }

        return null;
    }

    private static Footprint Declared(string source, ModelFormat format, Bytes weights)
    {
        var files = Directory.Exists(source)
            ? [.. new DirectoryInfo(source).EnumerateFiles("*", SearchOption.AllDirectories).Take(FilesMax)]
            : new List<FileInfo> { new(source) };
        var listing = string.Join('\n', files.Select(one => string.Create(CultureInfo.InvariantCulture,
            $"{Path.GetRelativePath(source, one.FullName)} {one.Length} {one.LastWriteTimeUtc.Ticks}")).Order(StringComparer.Ordinal));
        return new Footprint
        {
            Format = format == ModelFormat.Safetensors ? ArtifactFormat.Safetensors : ArtifactFormat.Unknown,
            Source = FootprintSource.Declared,
            Digest = "listing-sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(listing))),
            OnDisk = new Bytes(files.Sum(one => one.Length)),
            Weights = weights,
        };
    }

    private static ModelFormat FormatOf(ModelDocument model) => model.Format ?? Path.GetExtension(model.Source!).ToUpperInvariant() switch
    {
        ".ONNX" => ModelFormat.Onnx,
        ".GGUF" => ModelFormat.Gguf,
        ".SAFETENSORS" => ModelFormat.Safetensors,
        _ => ModelFormat.Other,
    };

    private static ServerKind KindOf(ModelDocument model) => model.Server ?? FormatOf(model) switch
    {
        ModelFormat.Gguf => ServerKind.LlamaServer,
        ModelFormat.Safetensors => ServerKind.Vllm,
        _ => ServerKind.PlimsollModelServer,
    };

    private static int Gpus(ModelDocument model) =>
        model.Gpus ?? (model.Command.IsEmpty && KindOf(model) == ServerKind.Vllm || model.Device is not null ? 1 : 0);

    private static string Short(string digest) => digest[(digest.LastIndexOf(':') + 1)..] is { Length: > 12 } hex ? hex[..12] : digest;

    private static LocalNodeOptions Node(MachineDocument machine)
    {
        var defaults = new LocalNodeOptions();
        return new LocalNodeOptions
        {
            MemoryBudget = machine.Memory,
            Cores = machine.Cores,
            DeviceMemoryBudget = machine.GpuMemory,
            CacheFolder = machine.Cache?.Folder,
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
            .OrderBy(price => price.Key, StringComparer.Ordinal).Select(price => new DevicePrice(price.Key, price.Value))],
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
