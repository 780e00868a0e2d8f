using System.Collections.Immutable;
using System.Globalization;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>What a recommendation rests on.</summary>
public sealed record RecommendationQuestion
{
    /// <summary>The pod as its template has it.</summary>
    public required V1PodSpec Pod { get; init; }

    /// <summary>What it serves and how, by its arguments.</summary>
    public required ServedModel Served { get; init; }

    public required Footprint Footprint { get; init; }

    /// <summary>What a request may take.</summary>
    public required TimeSpan Latency { get; init; }

    /// <summary>By the kind of device on which it fits ("cpu" without devices), what a replica takes there.</summary>
    public required ImmutableSortedDictionary<string, ReplicaNeeds> Fits { get; init; }

    /// <summary>Whether <see cref="Pod"/> is what pods are made of, and not itself read off one, which may have been patched.</summary>
    public bool FromTemplate { get; init; }

    /// <summary>Nodes with its device resource that its selectors and tolerations allow.</summary>
    public ImmutableArray<AlikeNodes> Nodes { get; init; } = [];
}

/// <summary>Whether what a pod asks for covers what it takes.</summary>
public enum RequestsVerdict { Enough, TooLittle, TooMuch }

/// <summary>What a pod of a model ought to ask of its node, and how far its template is from it.</summary>
public sealed record PodRecommendation
{
    // A request is called wasteful where more than half of it and more than this is not needed.
    private static readonly Bytes Margin = Bytes.GiB(1);
    private static readonly Cores MarginCores = Cores.Of(4);

    // Logs, an engine's compiled kernels.
    private static readonly Bytes Beside = Bytes.GiB(1);

    public required string Container { get; init; }

    public required Cores Cores { get; init; }

    /// <summary>At the load's peak, /dev/shm counted.</summary>
    public required Bytes Memory { get; init; }

    public required Bytes EphemeralStorage { get; init; }

    public string? Resource { get; init; }

    public long Devices { get; init; }

    public required NodeChoice Nodes { get; init; }

    public Bytes? SharedMemory { get; init; }

    public required int GraceSeconds { get; init; }

    /// <summary>Of the template that it was derived from; null where there is none.</summary>
    public string? Template { get; init; }

    public RequestsVerdict Verdict { get; init; }

    /// <summary>What the template has otherwise, the dangerous first; a part of a sentence each.</summary>
    public ImmutableArray<string> Differs { get; init; } = [];

    /// <summary>Derives it; null where nothing says on what it fits.</summary>
    public static PodRecommendation? Of(RecommendationQuestion question)
    {
        ArgumentNullException.ThrowIfNull(question);
        if (question.Fits.IsEmpty || question.Served.PodsPerReplica > 1) return null;
        var served = question.Served;
        var devices = DevicesOf(served);
        var place = WeightsPlaces.Of(question.Pod, served);
        var shared = SharedMemoryOf(served, devices);
        var host = question.Fits.Values.Aggregate(Bytes.Zero, (most, needs) => Bytes.Max(most, needs.Host.Highest));
        var recommended = new PodRecommendation
        {
            Container = served.Container,
            Cores = EngineProfile.CoresFor(question.Footprint.Weights, (int)Math.Min(devices, 1024)),
            Memory = host + (shared ?? Bytes.Zero) + (place == WeightsPlace.Memory ? question.Footprint.OnDisk : Bytes.Zero),
            EphemeralStorage = Beside + (place == WeightsPlace.NodeDisk ? question.Footprint.OnDisk : Bytes.Zero),
            Resource = served.DeviceResource,
            Devices = devices,
            Nodes = served.DeviceResource is null ? new NodeChoice([], [], false) : NodeChoice.Of(question.Nodes, question.Fits.Keys.ToHashSet(StringComparer.Ordinal)),
            SharedMemory = shared,
            GraceSeconds = GraceOf(question.Latency),
            Template = question.FromTemplate ? TemplateDigest.Of(question.Pod, served.Container) : null,
        };
        return recommended.ComparedWith(question.Pod);
    }

    /// <summary>Amounts by resource as Kubernetes writes them.</summary>
    public SortedDictionary<string, string> Requests()
    {
        var requests = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["cpu"] = string.Create(CultureInfo.InvariantCulture, $"{Cores.Milli}m"),
            ["memory"] = Mebi(Memory),
            ["ephemeral-storage"] = Mebi(EphemeralStorage),
        };
        if (Resource is { } resource && Devices > 0) requests[resource] = Devices.ToString(CultureInfo.InvariantCulture);
        return requests;
    }

    /// <summary>As status has it.</summary>
    public RecommendedPod Status()
    {
        var requests = Requests();
        return new RecommendedPod
        {
            Container = Container,
            Requests = requests,
            // No limit on processors: a model that may use idle ones loads faster and hurts nobody.
            Limits = requests.Where(one => one.Key == "memory" || one.Key == Resource).ToDictionary(one => one.Key, one => one.Value),
            Nodes = Nodes.Labels.IsEmpty ? null : [.. Nodes.Labels.Select(one => new RecommendedLabel { Label = one.Label, Value = one.Value })],
            SharedMemory = SharedMemory is { } shared ? Mebi(shared) : null,
            TerminationGracePeriodSeconds = GraceSeconds,
            Template = Template,
            Differs = Differs.IsEmpty ? null : string.Join("; ", Differs),
        };
    }

    // The ranks that the arguments name, where they do: what the pod asks for may be the mistake.
    internal static long DevicesOf(ServedModel served) =>
        served.DeviceResource is null ? 0
        : served.Server is ServerNames.Vllm or ServerNames.SgLang or ServerNames.Tgi && served.PodsPerReplica == 1
            ? (long)served.TensorParallel * served.PipelineParallel * Math.Max(1, served.DataParallel) : served.Devices;

    // Ranks of one pod speak through /dev/shm, of which a container has 64 MiB; the sizes are those of the engines' own examples.
    private static Bytes? SharedMemoryOf(ServedModel served, long devices) => devices <= 1 ? null : served.Server switch
    {
        ServerNames.Vllm or ServerNames.SgLang => Bytes.GiB(2),
        ServerNames.Tgi => Bytes.GiB(1),
        _ => null,
    };

    // One in a hundred may take longer than the objective: twice that, and ten seconds until nobody sends it anything more.
    private static int GraceOf(TimeSpan latency) => (int)Math.Clamp(Math.Ceiling((2 * latency.TotalSeconds) + 10), 30, 3600);

    private PodRecommendation ComparedWith(V1PodSpec pod)
    {
        var container = (pod.Containers ?? []).FirstOrDefault(one => one?.Name == Container);
        var asked = container is null ? [] : PodRequests.AskedBy(container);
        var (danger, waste, rest) = (new List<string>(), new List<string>(), new List<string>());
        Compare("memory", Memory.Value, danger, 2, Margin.Value, amount => Mebi(new Bytes(amount)));
        Compare("ephemeral-storage", EphemeralStorage.Value, danger, long.MaxValue, 0, amount => Mebi(new Bytes(amount)));
        if (Resource is { } resource && asked.GetValueOrDefault(resource) != Devices)
            danger.Add($"{asked.GetValueOrDefault(resource)} {resource} where its arguments split it over {Devices}");
        if (!Nodes.Elsewhere.IsEmpty)
            danger.Add($"it may go to {string.Join(" and ", Nodes.Elsewhere.Take(4))}, where it does not fit"
                + (Nodes.Labels.IsEmpty ? " and which no label tells apart" : Nodes.Indistinct ? " (some nodes on which it does have no label that tells them apart)" : ""));
        Compare("cpu", Cores.Milli, rest, 4, MarginCores.Milli, amount => string.Create(CultureInfo.InvariantCulture, $"{amount}m"));
        if (SharedMemory is { } shared && pod.HostIPC != true && container?.VolumeMounts?.Any(mount => mount?.MountPath.TrimEnd('/') == "/dev/shm") != true)
            rest.Add($"no memory volume of {Mebi(shared)} at /dev/shm");
        if ((pod.TerminationGracePeriodSeconds ?? 30) is var grace && grace < GraceSeconds)
            rest.Add(string.Create(CultureInfo.InvariantCulture, $"terminationGracePeriodSeconds {grace} of {GraceSeconds}"));
        return this with
        {
            Verdict = danger.Count > 0 ? RequestsVerdict.TooLittle : waste.Count > 0 ? RequestsVerdict.TooMuch : RequestsVerdict.Enough,
            Differs = [.. danger, .. waste, .. rest],
        };

        void Compare(string name, long need, List<string> little, long times, long beyond, Func<long, string> shown)
        {
            if (!asked.TryGetValue(name, out var have)) little.Add($"no request of {shown(need)} of {name}");
            else if (have < need) little.Add($"{shown(have)} of {name} where {shown(need)} is needed");
            else if (have / times > need && have - need > beyond) waste.Add($"{shown(have)} of {name} where {shown(need)} would do");
        }
    }

    private static string Mebi(Bytes bytes) => string.Create(CultureInfo.InvariantCulture, $"{(bytes.Value + (1L << 20) - 1) >> 20}Mi");
}
