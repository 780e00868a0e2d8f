using System.Collections.Immutable;
using System.Globalization;
using System.Net.Sockets;
using Plimsoll.Gateway;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>A table of routes, and whose they are.</summary>
/// <param name="Routes">Named as requests name models.</param>
/// <param name="Owners">By the requests' name, the ScaledModel.</param>
/// <param name="Untimed">ScaledModels whose objective is more than a latency, so that nobody here sees whether it was met.</param>
/// <param name="Notes">What is not served though it asks to be, a sentence each.</param>
internal sealed record GatewayTable(
    RouteTable Routes, ImmutableSortedDictionary<string, ObjectName> Owners, ImmutableHashSet<ObjectName> Untimed, ImmutableArray<string> Notes)
{
    public static readonly GatewayTable Empty = new(
        RouteTable.Empty, ImmutableSortedDictionary.Create<string, ObjectName>(StringComparer.Ordinal), [], []);
}

/// <summary>
/// Makes routes of ScaledModels with a gateway and the pods of their targets. Pods are looked at themselves and not their
/// EndpointSlices: only a pod says that it was chosen to end, and slices need a Service and come later.
/// </summary>
internal sealed class ClusterRoutes
{
    private const int ConcurrencyDefault = 8;

    // By ScaledModel: its version and what it said. Of one that has mistakes now, what it said before.
    private readonly Dictionary<ObjectName, Read> _read = [];

    /// <param name="models">All ScaledModels.</param>
    /// <param name="pods">All pods.</param>
    /// <param name="gateways">Gateways that share the replicas' places, this one included.</param>
    public GatewayTable Build(IReadOnlyCollection<ScaledModelView> models, IEnumerable<GatewayPod> pods, int gateways)
    {
        foreach (var gone in _read.Keys.Except(models.Select(model => model.Name)).ToArray()) _read.Remove(gone);
        var served = models.Select(Settle).Where(read => read.Gateway).ToArray();
        var there = pods.Where(pod => pod.Address is not null).ToArray();
        var byWorkload = there.Where(pod => pod.Workload is not null).ToLookup(pod => $"{pod.Name.Namespace}/{pod.Workload}", StringComparer.Ordinal);
        var byNamespace = there.ToLookup(pod => pod.Name.Namespace, StringComparer.Ordinal);
        var byModel = there.Where(pod => pod.Labels.ContainsKey(TemplateWorkload.ModelLabel))
            .ToLookup(pod => pod.Name with { Name = pod.Labels[TemplateWorkload.ModelLabel] });
        var owners = ImmutableSortedDictionary.CreateBuilder<string, ObjectName>(StringComparer.Ordinal);
        var routes = new List<ModelRoute>();
        var notes = ImmutableArray.CreateBuilder<string>();

        // A name is whose it was first: nobody takes another's requests by naming a model after it.
        foreach (var read in served.OrderBy(read => read.Created).ThenBy(read => read.Name))
        {
            var name = read.Settings?.GatewayModel ?? read.Name.Name;
            if (owners.TryGetValue(name, out var older))
            {
                notes.Add($"{read.Name} is not served: the name {name} is {older}'s, which is older; another spec.gateway.model would do");
                continue;
            }

            owners[name] = read.Name;
            // Pods of a kind that is not known beforehand do not name it; which are its, the operator found and wrote down.
            IEnumerable<GatewayPod> PodsOf(VariantSettings variant) =>
                OtherWorkloads.IsKnown(variant.Target) ? byWorkload[$"{read.Name.Namespace}/{OtherWorkloads.KeyOf(variant.Target)}"]
                : read.Selectors.GetValueOrDefault(variant.Name) is { } selector ? byNamespace[read.Name.Namespace].Where(pod => selector.Matches(pod.Labels)) : [];
            routes.Add(read.Settings is { } settings
                ? Route(name, settings, read,
                    [.. settings.Variants.SelectMany(variant => PodsOf(variant).Select(pod => ((VariantSettings?)variant, pod))), .. Unlisted(settings, byModel[read.Name]).Select(pod => ((VariantSettings?)null, pod))],
                    gateways)
                : new ModelRoute { Model = new ModelId(name), Owner = read.Name.ToString(), Slo = Objective(null, false), Unavailable = $"the ScaledModel {read.Name} has mistakes; its status says which" });
        }

        return new GatewayTable(
            new RouteTable([.. routes.OrderBy(route => route.Model)]), owners.ToImmutable(),
            [.. served.Where(read => read.Settings is { TimeToFirstToken: not null } or { TimePerOutputToken: not null }).Select(read => read.Name)],
            notes.ToImmutable());
    }

    // Pods of a template's variants that are no longer listed serve until others do. They name their model, and are of the workload that was
    // made for it.
    private static IEnumerable<GatewayPod> Unlisted(ScaledModelSettings settings, IEnumerable<GatewayPod> pods) =>
        !settings.Variants.Any(variant => variant.Template is not null) ? []
        : pods.Where(pod => TemplateWorkload.IsMadeFor(settings.Name.Name, pod.Labels, pod.Workload));

    private sealed record Read(ObjectName Name, string Version, DateTime Created, bool Gateway, ScaledModelSettings? Settings, TimeSpan? LoadTime,
        IReadOnlyDictionary<string, LabelSelector> Selectors);

    // A mistake in an edit must not take a model that serves away.
    private Read Settle(ScaledModelView view)
    {
        if (_read.TryGetValue(view.Name, out var known) && known.Version == view.ResourceVersion) return known;
        var settings = view.Model is { } model && ScaledModelCheck.Of(model).IsEmpty ? ScaledModelSettings.Of(model) : null;
        var read = new Read(
            view.Name, view.ResourceVersion, view.Model?.Metadata?.CreationTimestamp ?? known?.Created ?? DateTime.MaxValue,
            settings?.Gateway ?? known?.Gateway ?? view.Model?.Spec?.Gateway is not null, settings ?? known?.Settings,
            LoadTimeOf(view.Model?.Status?.LoadTime), SelectorsOf(view.Model?.Status));
        return _read[view.Name] = read;
    }

    // By the variant's name, as the operator wrote them.
    private static Dictionary<string, LabelSelector> SelectorsOf(ScaledModelStatus? status)
    {
        var selectors = new Dictionary<string, LabelSelector>(StringComparer.Ordinal);
        foreach (var (name, text) in (status?.Variants ?? []).Select(one => (one.Name, one.Selector)).Append((ScaledModelSettings.OnlyVariant, status?.Selector)))
        {
            if (name is not null && text is { Length: > 0 } && LabelSelector.TryParse(text, out var selector, out _)) selectors.TryAdd(name, selector);
        }

        return selectors;
    }

    // As status shows it: "3.2 s", "4 min 10 s".
    private static TimeSpan? LoadTimeOf(string? text)
    {
        TimeSpan? sum = null;
        foreach (var part in (text ?? "").Split(' ').Chunk(2))
        {
            if (!DurationText.TryParse(string.Concat(part), out var time)) return null;
            sum = (sum ?? TimeSpan.Zero) + time;
        }

        return sum;
    }

    private static ModelRoute Route(
        string name, ScaledModelSettings settings, Read read, IEnumerable<(VariantSettings? Variant, GatewayPod Pod)> pods, int gateways)
    {
        var there = pods.Where(one => one.Pod.Ready).DistinctBy(one => one.Pod.Name).OrderBy(one => one.Pod.Name).ToArray();

        // The one that was chosen to end gets nothing more while others serve. Alone, it serves on: it may not end after all.
        var spared = there.Any(one => one.Pod is { Ends: false, Marked: false });
        var replicas = there.Where(one => (settings.GatewayPort ?? one.Pod.Server.Port) is not null && !one.Pod.Server.Tls).Select(one => new ReplicaRoute(
            new ReplicaId($"{one.Pod.Name}@{one.Pod.Uid[..Math.Min(8, one.Pod.Uid.Length)]}"),
            AddressOf(one.Pod, settings.GatewayPort ?? one.Pod.Server.Port!.Value),
            Share(settings.Concurrency ?? one.Variant?.Concurrency ?? one.Pod.Server.Concurrency ?? ConcurrencyDefault, gateways),
            Draining: one.Pod.Ends || (one.Pod.Marked && spared))).ToImmutableArray();
        return new ModelRoute
        {
            Model = new ModelId(name),
            Owner = read.Name.ToString(),
            Priority = settings.Priority,
            Slo = Objective(settings, there.Any(one => one.Pod.Server.Generates)),
            HoldTime = settings.GatewayWait,
            ExpectedReady = replicas.Any(replica => !replica.Draining) ? null : read.LoadTime,
            Replicas = replicas,
            Unavailable = replicas.IsEmpty && there.Length > 0
                ? there[0].Pod.Server.Tls ? "its pods speak TLS, which is not spoken to pods here" : "its pods do not say on which port they serve; spec.gateway.port would do" : null,
        };
    }

    /// <summary>
    /// A replica's places are shared by the gateways in equal parts, rounded up: each counts only its own requests, and
    /// all of them to each would let a replica get several times what it works on at once.
    /// </summary>
    private static int Share(int concurrency, int gateways) => Math.Max(1, (concurrency + gateways - 1) / Math.Max(1, gateways));

    private static Uri AddressOf(GatewayPod pod, int port) => new(string.Create(CultureInfo.InvariantCulture,
        $"http://{(pod.Address!.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{pod.Address}]" : pod.Address.ToString())}:{port}"));

    // As the operator fills it in; whether a model generates text it sees from the weights, and we from the server.
    private static Slo Objective(ScaledModelSettings? settings, bool generates) =>
        settings?.Objective(generates) ?? Slo.Of(null, 0.99, null, null, generates);
}
