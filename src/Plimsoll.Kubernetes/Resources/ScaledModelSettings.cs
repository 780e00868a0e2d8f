using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>Who brings the wanted number of replicas about.</summary>
public enum Actuation
{
    /// <summary>Plimsoll writes the target's scale subresource.</summary>
    Scale,

    /// <summary>Plimsoll publishes the number, and KEDA or a HorizontalPodAutoscaler scales.</summary>
    Metric,
}

/// <summary>An object with a scale subresource, every default filled in.</summary>
public readonly record struct ScaleTarget(string ApiVersion, string Kind, string Name)
{
    public string Group => TargetKinds.GroupOf(ApiVersion);

    public static ScaleTarget Of(TargetReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        var kind = reference.Kind ?? TargetKinds.Deployment;
        return new(reference.ApiVersion ?? TargetKinds.ApiVersionOf(kind) ?? "", kind, reference.Name ?? "");
    }

    /// <summary>
    /// What of it has replicas and pods: of an InferenceService the Deployment of its predictor, as with autoscalerClass external; any other
    /// is it itself. Two targets of one workload are one, however they are named.
    /// </summary>
    public ScaleTarget Workload => Kind == TargetKinds.InferenceService && Group == TargetKinds.GroupOf(TargetKinds.ApiVersionOf(TargetKinds.InferenceService)!)
        ? new ScaleTarget(TargetKinds.ApiVersionOf(TargetKinds.Deployment)!, TargetKinds.Deployment, Name + "-predictor") : this;

    public override string ToString() => $"{Kind} {Name}";
}

/// <summary>One way to run a model: what is scaled, or what the template is filled in with.</summary>
public sealed record VariantSettings
{
    /// <summary>The variant's name; "default" of a ScaledModel with one target.</summary>
    public required string Name { get; init; }

    /// <summary>What is scaled; of a template, the workload that Plimsoll makes.</summary>
    public required ScaleTarget Target { get; init; }

    /// <summary>The kind of device that was stated; null to see it from the nodes.</summary>
    public string? Device { get; init; }

    public int? Concurrency { get; init; }

    /// <summary>How long it computes batches; null where nobody measured it, or what was stated is none.</summary>
    public BatchProfile? Profile { get; init; }

    /// <summary>What the template is filled in with; null for a target that is there already.</summary>
    public TemplateVariant? Template { get; init; }
}

/// <summary>A ScaledModel's spec in the brain's own types, defaults filled in. Only of one in which
/// <see cref="ScaledModelCheck"/> finds no problem; what cannot be read counts as left out.</summary>
public sealed record ScaledModelSettings
{
    public const int MaxReplicasDefault = 100;

    /// <summary>The word of spec.apply with which requests are applied.</summary>
    public const string ApplyRequests = "requests";

    /// <summary>The name of the one variant of a ScaledModel with a target.</summary>
    public const string OnlyVariant = "default";

    public required ObjectName Name { get; init; }

    /// <summary>At least one, in order of preference.</summary>
    public required ImmutableArray<VariantSettings> Variants { get; init; }

    /// <summary>An address, its revision in it; null to read it from the pods.</summary>
    public string? Source { get; init; }

    public Bytes? Weights { get; init; }

    public TimeSpan? Latency { get; init; }

    public TimeSpan? TimeToFirstToken { get; init; }

    public TimeSpan? TimePerOutputToken { get; init; }

    public double Attainment { get; init; } = 0.99;

    /// <summary>Mean tokens of a prompt, and of an answer, as stated; null where nothing was.</summary>
    public (double? Prompt, double? Answer) Tokens { get; init; }

    /// <summary>Times at which its demand is known to differ; default where there are none.</summary>
    public ImmutableArray<DemandEvent> Events { get; init; }

    public int Priority { get; init; }

    /// <summary>Null where none was stated: zero, or one where nothing would tell of a request at zero replicas.</summary>
    public int? MinReplicas { get; init; }

    public int MaxReplicas { get; init; } = MaxReplicasDefault;

    /// <summary>The model's own; <see cref="FleetSettings.Cap"/> may hold it lower.</summary>
    public FleetMode Mode { get; init; } = FleetMode.Recommend;

    public TimeSpan? IdleLimit { get; init; }

    public int? Concurrency { get; init; }

    public Actuation Actuation { get; init; } = Actuation.Scale;

    /// <summary>Whether the order of its variants decides, whatever they cost.</summary>
    public bool VariantsInOrder { get; init; }

    /// <summary>Whether the webhook makes new pods ask for what they take.</summary>
    public bool AppliesRequests { get; init; }

    public int? MetricsPort { get; init; }

    public string? MetricsPath { get; init; }

    /// <summary>The model's name in the metrics' labels; null to take it from the pods' arguments.</summary>
    public string? MetricsModel { get; init; }

    /// <summary>"vllm", "sglang", "tgi", "triton", "llama-server" or "plimsoll-model-server"; null to see it from the pods.</summary>
    public string? Server { get; init; }

    /// <summary>PromQL of a counter of arrivals in front of the pods.</summary>
    public string? ArrivalsQuery { get; init; }

    /// <summary>PromQL of the requests that wait in front of the pods.</summary>
    public string? QueueQuery { get; init; }

    public bool HasFront => ArrivalsQuery is not null || QueueQuery is not null;

    public long? Context { get; init; }

    /// <summary>Whether requests come through Plimsoll's gateway.</summary>
    public bool Gateway { get; init; }

    /// <summary>The name that requests use at the gateway.</summary>
    public required string GatewayModel { get; init; }

    public int? GatewayPort { get; init; }

    public TimeSpan? GatewayWait { get; init; }

    /// <summary>The objective to plan with, filled in for a model that generates text where it keeps keys and values.</summary>
    public Slo SloFor(Footprint footprint)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        return Objective(footprint.KvPerToken > Bytes.Zero);
    }

    /// <summary>The same where whether it generates text is known from elsewhere.</summary>
    public Slo Objective(bool generates) => Slo.Of(Latency, Attainment, TimeToFirstToken, TimePerOutputToken, generates);

    /// <summary>Reads a ScaledModel.</summary>
    public static ScaledModelSettings Of(ScaledModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var spec = model.Spec ?? new ScaledModelSpec();
        var name = new ObjectName(model.Metadata?.NamespaceProperty ?? "", model.Metadata?.Name ?? "");
        return new ScaledModelSettings
        {
            Name = name,
            Variants = VariantsOf(spec, name),
            Source = SourceOf(spec),
            Weights = Bytes.TryParse(spec.Weights, out var weights) ? weights : null,
            Latency = Time(spec.Slo?.Latency),
            TimeToFirstToken = Time(spec.Slo?.Ttft),
            TimePerOutputToken = Time(spec.Slo?.Tpot),
            Attainment = spec.Slo?.Attainment ?? 0.99,
            Tokens = (spec.Tokens?.Input, spec.Tokens?.Output),
            Events = EventsOf(spec.Events),
            Priority = spec.Priority ?? 0,
            MinReplicas = spec.MinReplicas,
            MaxReplicas = spec.MaxReplicas ?? Math.Max(MaxReplicasDefault, spec.MinReplicas ?? 0),
            Mode = ModeOf(spec.Mode, FleetMode.Recommend),
            IdleLimit = Time(spec.IdleLimit),
            Concurrency = spec.Concurrency,
            Actuation = spec.Actuation == "metric" ? Actuation.Metric : Actuation.Scale,
            VariantsInOrder = spec.VariantsBy == "order",
            AppliesRequests = spec.Apply == ApplyRequests,
            MetricsPort = spec.Metrics?.Port,
            MetricsPath = spec.Metrics?.Path,
            MetricsModel = spec.Metrics?.Model,
            Server = spec.Metrics?.Server,
            ArrivalsQuery = spec.Metrics?.Arrivals,
            QueueQuery = spec.Metrics?.Queue,
            Context = spec.Context,
            Gateway = spec.Gateway is not null,
            GatewayModel = spec.Gateway?.Model ?? name.Name,
            GatewayPort = spec.Gateway?.Port,
            GatewayWait = Time(spec.Gateway?.Wait),
        };
    }

    internal static FleetMode ModeOf(string? word, FleetMode otherwise) => word switch
    {
        "observe" => FleetMode.Observe,
        "recommend" => FleetMode.Recommend,
        "act" => FleetMode.Act,
        _ => otherwise,
    };

    internal static TimeSpan? Time(string? text) => DurationText.TryParse(text, out var time) ? time : null;

    /// <summary>One as the planner has it; null where a moment of it cannot be read.</summary>
    internal static DemandEvent? EventOf(ModelEvent? one) =>
        one is not null && MomentText.TryParse(one.From, out var from) && MomentText.TryParse(one.To, out var to)
            ? new DemandEvent(from, to, one.Factor ?? 1, one.AddedPerSecond ?? 0) { Every = Time(one.Every) } : null;

    /// <summary>A profile, or a sentence with what is wrong with it; neither where there is none, or a field of it cannot be read.</summary>
    internal static (BatchProfile? Profile, string? Problem) ProfileOf(IReadOnlyList<ModelBatch>? rows)
    {
        if (rows is not { Count: > 0 and <= BatchProfile.RowsMost }) return default;
        var times = rows.Where(row => row is { Batch: not null } && Time(row.Latency) is not null).Select(row => new BatchTime(row.Batch!.Value, Time(row.Latency)!.Value.TotalSeconds)).ToArray();
        return times.Length == rows.Count ? BatchProfile.Of(times) : default;
    }

    private static ImmutableArray<DemandEvent> EventsOf(IReadOnlyList<ModelEvent>? events) =>
        events?.Take(DemandEvent.PerModelMost).Select(EventOf).OfType<DemandEvent>().ToImmutableArray() is { IsEmpty: false } some ? some : default;

    private static string? SourceOf(ScaledModelSpec spec) => spec switch
    {
        { Source: { } source, Revision: { } revision } when source.StartsWith("hf://", StringComparison.OrdinalIgnoreCase) => ModelSource.WithRevision(source, revision),
        _ => spec.Source,
    };

    private static ImmutableArray<VariantSettings> VariantsOf(ScaledModelSpec spec, ObjectName name) => spec switch
    {
        { Target: { } target } => [new() { Name = OnlyVariant, Target = ScaleTarget.Of(target), Concurrency = spec.Concurrency, Profile = ProfileOf(spec.Profile).Profile }],
        { Variants: { } variants } =>
        [
            .. variants.Where(variant => variant?.Target is not null).Select(variant => new VariantSettings
            {
                Name = variant.Name ?? "",
                Target = ScaleTarget.Of(variant.Target!),
                Device = variant.Device,
                Concurrency = variant.Concurrency ?? spec.Concurrency,
                Profile = ProfileOf(variant.Profile ?? spec.Profile).Profile,
            }),
        ],
        { Template: { Variants: { } variants } template } =>
        [
            .. variants.Where(variant => variant is not null).Select(variant => new VariantSettings
            {
                Name = variant.Name ?? "",
                Target = ScaleTarget.Of(new TargetReference { Kind = template.Kind, Name = $"{name.Name}-{variant.Name}" }),
                Device = variant.Device,
                Concurrency = spec.Concurrency,
                Profile = ProfileOf(variant.Profile ?? spec.Profile).Profile,
                Template = variant,
            }),
        ],
        _ => [],
    };
}
