using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Artifacts;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Simulation.Plans;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Scenarios;

/// <summary>Makes worlds of a scenario file: weighs its models once, then draws traffic and truth for each seed.</summary>
/// <param name="file">Where all is named; what is wrong is a problem of the field that named it.</param>
internal sealed class ScenarioResolver(ScenarioFile file)
{
    private const int ModelsMax = 20_000;
    private const int DefaultReplicas = 100;
    private const int TextConcurrency = 64;
    private const int OtherConcurrency = 8;

    /// <summary>The share of requests in time that a model asks for where it says none.</summary>
    public const double DefaultAttainment = 0.99;

    private static readonly BytesPerSecond DefaultDisk = new(7_000_000_000);
    private static readonly BytesPerSecond DefaultNetwork = new(1_250_000_000);

    private readonly Dictionary<string, Footprint?> _weighed = new(StringComparer.Ordinal);

    /// <summary>What a model and its copies are called.</summary>
    public static IEnumerable<string> NamesOf(ScenarioModelDocument model) => model.Copies is { } copies
        ? Enumerable.Range(0, copies).Select(copy => string.Create(CultureInfo.InvariantCulture, $"{model.Name}-{copy}"))
        : [model.Name!];

    /// <summary>The world of a seed.</summary>
    /// <exception cref="CommandException">There are problems; it has all of them.</exception>
    public World MustOf(int seed, CancellationToken cancellationToken, bool earlier = false, bool fluid = false) =>
        Of(seed, cancellationToken, earlier, fluid) ?? throw new CommandException(ExitCode.BadInput, string.Join('\n', file.Problems.Lines()));

    /// <summary>The world of a seed; null where there are problems.</summary>
    /// <param name="seed">Of its traffic and truth.</param>
    /// <param name="cancellationToken">Breaks it off.</param>
    /// <param name="earlier">Whether traces are read in the part before the one that the scenario is about, as long as it.</param>
    /// <param name="fluid">Whether requests go in groups, and the traffic of models that are asked much is drawn as the run goes.</param>
    public World? Of(int seed, CancellationToken cancellationToken, bool earlier = false, bool fluid = false)
    {
        if (file.Problems.Any) return null;
        var document = file.Document;
        var nodes = Nodes();
        if (IsTooMany()) return null;
        var traffic = new ScenarioTraffic(file, earlier);
        var models = ImmutableArray.CreateBuilder<SimulatedModel>();
        var spread = new TruthSpread(document.Truth?.Pace ?? 0.2, document.Truth?.Load ?? 0.3);
        for (var i = 0; i < document.Models.Length; i++)
        {
            var (model, path) = (document.Models[i], string.Create(CultureInfo.InvariantCulture, $"models[{i}]"));
            foreach (var name in NamesOf(model))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (Of(model, path, name, traffic, spread, seed, fluid, earlier) is { } made) models.Add(made);
                if (file.Problems.Any) return null;
            }
        }

        models.Sort((a, b) => a.Spec.Id.CompareTo(b.Spec.Id));
        var training = Training(nodes);
        if (file.Problems.Any) return null;
        var world = new World
        {
            Name = document.Name ?? System.IO.Path.GetFileNameWithoutExtension(file.Path),
            Length = document.Length!.Value,
            IsFluid = fluid,
            Nodes = nodes,
            Models = models.ToImmutable(),
            Others =
            [
                .. document.Others.Select(job => new OtherJob
                {
                    Name = job.Name!,
                    At = job.At!.Value,
                    For = job.For!.Value,
                    Group = job.On!,
                    Members = job.Members ?? 1,
                    Devices = job.Gpus ?? 0,
                    Memory = job.Memory ?? Bytes.Zero,
                }).Concat(training).OrderBy(job => job.At),
            ],
            Faults = [.. document.Faults.Select(fault => new Fault(fault.At!.Value, fault.What!.Value, fault.Strikes!)).OrderBy(fault => fault.At)],
            Spec = new FleetSpec
            {
                Models = [.. models.Select(model => model.Spec)],
                Training = training.Planned(nodes, World.Beginning),
                Settings = FleetSettings.Planner(document.Planner ?? new PlannerDocument()),
                Prices = PricesOf(nodes),
                NodePools = nodes.Pools(),
            },
        };
        return document.PlacedBy == PlacedBy.KubeScheduler ? world.Scheduled() : world;
    }

    /// <summary>The same fleet as it is described, for a plan; null where there are problems.</summary>
    /// <param name="demand">Of models by name, or of all copies by the name they share; what is not in it is as the scenario's traffic says.</param>
    /// <param name="nodes">How many there are of groups of nodes; the others are as the scenario says.</param>
    /// <param name="cancellationToken">Breaks it off.</param>
    public DescribedFleet? Described(IReadOnlyDictionary<string, KnownDemand> demand, IReadOnlyDictionary<string, int> nodes, CancellationToken cancellationToken)
    {
        if (file.Problems.Any) return null;
        var document = file.Document;
        var groups = Nodes().Select(group => nodes.TryGetValue(group.Name, out var count) ? group with { Count = count, Most = group.IsElastic ? Math.Max(count, group.Most) : group.Most } : group).ToImmutableArray();
        if (IsTooMany()) return null;
        var traffic = new ScenarioTraffic(file);
        var models = ImmutableArray.CreateBuilder<DescribedModel>();
        for (var i = 0; i < document.Models.Length; i++)
        {
            var (model, path) = (document.Models[i], string.Create(CultureInfo.InvariantCulture, $"models[{i}]"));
            foreach (var name in NamesOf(model))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (Weigh(model, path, name) is not { } footprint) return null;
                var known = demand.TryGetValue(name, out var own) ? own : demand.TryGetValue(model.Name!, out var shared) ? shared : traffic.Known(model, path, name);
                if (known is not { } asked) return null;
                models.Add(DescribedModel.Of(Recipe(model, name, footprint, RequestTrace.Silence(1)), asked));
            }
        }

        var training = Training(groups);
        if (file.Problems.Any) return null;
        return new DescribedFleet
        {
            Training = training.Planned(groups, DescribedFleet.Moment),
            Name = document.Name ?? System.IO.Path.GetFileNameWithoutExtension(file.Path),
            Nodes = groups,
            Models = [.. models.OrderBy(model => model.Id)],
            Settings = FleetSettings.Planner(document.Planner ?? new PlannerDocument()),
            Prices = PricesOf(groups),
        };
    }

    private ImmutableArray<OtherJob> Training(ImmutableArray<NodeGroup> nodes) => new TrainingResolver(file.Problems, Weigh).Of(file.Document.Training, nodes);

    private bool IsTooMany()
    {
        var count = file.Document.Models.Sum(model => (long)(model.Copies ?? 1));
        if (count > ModelsMax) file.Problems.Add("models", string.Create(CultureInfo.InvariantCulture, $"{count} models together; {ModelsMax} are the most"));
        return file.Problems.Any;
    }

    private SimulatedModel? Of(ScenarioModelDocument model, string path, string name, ScenarioTraffic traffic, TruthSpread spread, int seed, bool fluid, bool earlier)
    {
        if (Weigh(model, path, name) is not { } footprint) return null;
        var drawn = fluid ? traffic.Drawn(model, path, name, seed) : [];
        if (file.Problems.Any) return null;
        var length = file.Document.Length!.Value.TotalSeconds;
        if ((drawn.IsEmpty ? traffic.Of(model, path, name, seed) : RequestTrace.Silence(length)) is not { } trace) return null;
        try
        {
            var made = Recipe(model, name, footprint, trace).Resolve(spread, seed) with { Drawn = drawn };
            // What is told of the part of a trace that the scenario is about is not true of the one before it.
            return earlier || model.Events.IsEmpty ? made : made with { Spec = made.Spec with { Events = KnownEvents.Of(model.Events, World.Beginning) } };
        }
        catch (ArgumentException wrong)
        {
            file.Problems.Add($"{path}.runs", Show.Text(wrong.Message, 600));
            return null;
        }
    }

    private static ModelRecipe Recipe(ScenarioModelDocument model, string name, Footprint footprint, RequestTrace trace) => new()
    {
        Id = ModelId.Of(name),
        Footprint = footprint,
        Slo = Slo.Of(model.Slo?.Latency, model.Slo?.Attainment?.Value ?? DefaultAttainment, model.Slo?.Ttft, model.Slo?.Tpot, generates: footprint.KvPerToken > Bytes.Zero),
        Trace = trace,
        Priority = model.Priority ?? 0,
        MinReplicas = model.MinReplicas ?? 0,
        MaxReplicas = model.MaxReplicas ?? Math.Max(DefaultReplicas, model.MinReplicas ?? 0),
        IdleLimit = model.IdleLimit,
        Cached = model.Cache ?? false,
        Sleeps = model.Sleep ?? false,
        Lengths = new TypicalLengths(model.Tokens?.Input, model.Tokens?.Output),
        Variants = [.. model.Runs.Select(Variant)],
    };

    private static VariantRecipe Variant(RunsDocument run)
    {
        var profile = BatchProfiles.Of(run.Profile);
        return new()
        {
            Device = run.Device is { } device ? DeviceCatalogue.BuiltIn.Find(device) : null,
            Devices = run.Gpus ?? 1,
            Engine = run.Engine ?? (run.Device is null || run.Seconds is not null || profile is not null ? "plimsoll-model-server" : "vllm"),
            Context = run.Context ?? 0,
            Concurrency = run.Concurrency ?? (profile is not null ? 2 * profile.BatchMax : run.Seconds is null ? TextConcurrency : OtherConcurrency),
            Cores = run.Cores,
            Batch = run.Seconds is { } seconds ? new BatchTimes(seconds.TotalSeconds, run.SecondsEach?.TotalSeconds ?? 0) : null,
            Profile = profile,
        };
    }

    private Footprint? Weigh(ScenarioModelDocument model, string path, string name) =>
        model.Weights is { } weights ? Footprint.Declared(weights, name) : Weigh(model.Source!, $"{path}.source");

    private Footprint? Weigh(string source, string path)
    {
        if (_weighed.TryGetValue(source, out var known)) return known;
        Footprint? weighed = null;
        try
        {
            weighed = ArtifactWeigher.Weigh(FleetChecks.PathOf(source, file.Folder)).Footprint;
        }
        catch (ArtifactException unreadable)
        {
            file.Problems.Add(path, Show.Text(unreadable.Message, 400));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file.Problems.Add(path, $"cannot be read: {Show.Text(e.Message, 200)}");
        }

        return _weighed[source] = weighed;
    }

    private ImmutableArray<NodeGroup> Nodes()
    {
        var groups = ImmutableArray.CreateBuilder<NodeGroup>();
        for (var i = 0; i < file.Document.Nodes.Length; i++)
        {
            var (nodes, path) = (file.Document.Nodes[i], string.Create(CultureInfo.InvariantCulture, $"nodes[{i}]"));
            CloudInstance? instance = null;
            if (nodes.Instance is { } type)
            {
                instance = DeviceCatalogue.BuiltIn.Instance(type);
                if (instance is null) file.Problems.Add($"{path}.instance", $"found \"{Show.Text(type)}\", which is no machine of the catalogue; plimsoll devices --instances lists them");
            }

            if (instance is not null && nodes.Memory is null && instance.Memory == Bytes.Zero) file.Problems.Add($"{path}.memory", $"missing; the catalogue does not know how much {instance.Type} has, and a size such as 64GiB would do");
            if (instance is not null && nodes.Cores is null && instance.Cores == Cores.Zero) file.Problems.Add($"{path}.cores", $"missing; the catalogue does not know how many {instance.Type} has, and a number of cores would do");
            var device = nodes.Device ?? instance?.Accelerator;
            var accelerator = device is null ? null : DeviceCatalogue.BuiltIn.Find(device);
            if (device is not null && accelerator is null) file.Problems.Add($"{path}.device", $"found \"{Show.Text(device)}\", which is no device of the catalogue; plimsoll devices lists them");
            groups.Add(new NodeGroup
            {
                Name = nodes.Name!,
                Count = nodes.Count ?? 1,
                Most = nodes.Most ?? 0,
                Boot = nodes.Boot ?? TimeSpan.FromMinutes(3),
                Spot = nodes.Spot is { } spot ? new SpotTerms(spot.Lasts!.Value, spot.Notice ?? TimeSpan.FromMinutes(2)) : null,
                DeviceKind = accelerator?.Name,
                Devices = nodes.Devices ?? instance?.Devices ?? (accelerator is null ? 0 : 1),
                DeviceMemory = accelerator?.Memory ?? Bytes.Zero,
                HostMemory = nodes.Memory ?? instance?.Memory ?? Bytes.Zero,
                Cores = nodes.Cores ?? instance?.Cores ?? Cores.Zero,
                CacheSize = nodes.Cache ?? (instance?.LocalDisk is { Value: > 0 } disk ? disk : null),
                DiskBandwidth = nodes.Disk ?? DefaultDisk,
                NetworkBandwidth = nodes.Network ?? (instance?.Network is { Value: > 0 } network ? network : DefaultNetwork),
                PricePerHour = nodes.PricePerHour ?? instance?.Price,
            });
        }

        groups.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        return groups.ToImmutable();
    }

    // A device costs its share of the cheapest node that has it; memory of nodes without devices its share of theirs.
    private static Prices PricesOf(ImmutableArray<NodeGroup> nodes) => new()
    {
        Devices =
        [
            .. from nodeGroup in nodes
               where nodeGroup is { DeviceKind: not null, Devices: > 0, PricePerHour: not null }
               group new UsdPerHour(nodeGroup.PricePerHour!.Value.Micro / nodeGroup.Devices) by nodeGroup.DeviceKind into kind
               orderby kind.Key
               select new DevicePrice(kind.Key!, kind.Min()),
        ],
        HostMemoryPerGiB = nodes.Where(nodeGroup => nodeGroup is { Devices: 0, PricePerHour: not null } && nodeGroup.HostMemory > Bytes.Zero)
            .Select(nodeGroup => (UsdPerHour?)UsdPerHour.Of(nodeGroup.PricePerHour!.Value.Dollars / (nodeGroup.HostMemory.Value / (double)(1L << 30)))).Min(),
    };
}
