using System.Text.Json;
using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>The API group and version of our resources.</summary>
public static class ResourceGroup
{
    public const string Group = "plimsoll.dev";
    public const string Version = "v1alpha1";
    public const string ApiVersion = Group + "/" + Version;
}

/// <summary>
/// A model of the cluster, as a person asks for it (<see cref="Spec"/>) and as Plimsoll sees it (<see cref="Status"/>).
/// Everything in it comes from strangers: what <see cref="ScaledModelCheck"/> refuses is not acted on.
/// </summary>
[Means("A model that Plimsoll weighs, plans for and, when asked, scales.")]
[Names("scaledmodels", "scaledmodel", "smo")]
[Column("Model", "string", ".status.model", "The artefact.")]
[Column("Weight", "string", ".status.weight", "What its weights take in memory.")]
[Column("Replicas", "integer", ".status.replicas", "Replicas there are, those that load counted.")]
[Column("Desired", "integer", ".status.desiredReplicas", "Replicas that the last plan wants.")]
[Column("Demand", "number", ".status.demandPerSecond", "Requests that arrive in a second.")]
[Column("Hold", "string", ".status.hold", "How long an idle replica is kept.")]
[Column("Mode", "string", ".status.mode", "What Plimsoll may do: observe, recommend or act.")]
[Column("Reason", "string", ".status.reason", "Why it is so.")]
[Column("Ready", "integer", ".status.readyReplicas", "Replicas that serve.", Wide = true)]
[Column("Load", "string", ".status.loadTime", "How long a replica takes until it serves, at the 90th percentile.", Wide = true)]
[Column("Age", "date", ".metadata.creationTimestamp", "Since it was made.", Wide = true)]
[KubernetesEntity(Group = ResourceGroup.Group, ApiVersion = ResourceGroup.Version, Kind = KubeKind, PluralName = KubePluralName)]
public sealed record ScaledModel : IKubernetesObject<V1ObjectMeta>
{
    public const string KubeKind = "ScaledModel";
    public const string KubePluralName = "scaledmodels";

    public string ApiVersion { get; set; } = ResourceGroup.ApiVersion;

    public string Kind { get; set; } = KubeKind;

    public V1ObjectMeta Metadata { get; set; } = new();

    [Means("What is asked for.")]
    [Needed("spec with a target")]
    public ScaledModelSpec? Spec { get; set; }

    [Means("What Plimsoll sees and thinks; written by the operator alone.")]
    public ScaledModelStatus? Status { get; set; }
}

/// <summary>What is asked for. Every text and number is as written; <see cref="ScaledModelSettings"/> reads them.</summary>
[Means("What is asked for: one of target, variants and template, and what else differs from the defaults.")]
[OneOf("target", "variants", "template")]
[Rule("[has(self.target), has(self.variants), has(self.template)].filter(given, given).size() == 1", "exactly one of target, variants and template would do")]
[Rule("!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas", "minReplicas must not be above maxReplicas")]
[Rule("!has(self.template) || self.actuation != 'metric'", "what a template makes is Plimsoll's own to scale: actuation scale would do")]
public sealed record ScaledModelSpec
{
    [Means("What is scaled: a Deployment, StatefulSet, LeaderWorkerSet or InferenceService.")]
    public TargetReference? Target { get; init; }

    [Means("Several targets that serve the same model in different ways, in order of preference.")]
    [Holds(32, Least = 1, Key = "name")]
    public IReadOnlyList<TargetVariant>? Variants { get; init; }

    [Means("A pod template, from which Plimsoll makes one workload for each variant.")]
    public ModelTemplate? Template { get; init; }

    [Means("Where the model is: an address with hf://, s3://, gs://, https:// or pvc://. Default: what the pods' arguments, environment and volumes say.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 2048, "an address such as hf://org/name")]
    public string? Source { get; init; }

    [Means("The branch, tag or commit of the source. Default: the address's own, or the pods' arguments.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._/-]*$", 255, "a branch, tag or commit")]
    public string? Revision { get; init; }

    [Means("What the weights take in memory, for a source that cannot be read from here or by anybody (TensorRT plans). Where the source's header tells, it is believed.")]
    [Size(1, 1_000_000_000_000_000)]
    public string? Weights { get; init; }

    [Means("What requests may take.")]
    public ModelSlo? Slo { get; init; }

    [Means("How long requests are, for models that generate text, until the pods' metrics tell. Default: as in a public trace of conversations.")]
    public ModelTokens? Tokens { get; init; }

    [Means("Of a model that answers at once (classifiers, encoders, images): how long batches are computed, as measured on its device. It is then planned for from the first request on. Default: what its requests show.")]
    [Holds(BatchProfile.RowsMost)]
    public IReadOnlyList<ModelBatch>? Profile { get; init; }

    [Means("Times at which demand is known beforehand to differ: a launch, a batch run, a holiday. They are planned for as far ahead as the model is heavy.")]
    [Holds(DemandEvent.PerModelMost)]
    public IReadOnlyList<ModelEvent>? Events { get; init; }

    [Means("Higher goes first when devices are short.")]
    [Bounds(-1000, 1000)]
    [FilledIn(0)]
    public int? Priority { get; init; }

    [Means("Replicas kept whatever the demand. Default: 0, and 1 where nothing would tell of a request at zero replicas; status then says so.")]
    [Bounds(0, 1000)]
    public int? MinReplicas { get; init; }

    [Means("Most replicas. Default: 100, or minReplicas where that is more, within what the nodes hold.")]
    [Bounds(1, 1000)]
    public int? MaxReplicas { get; init; }

    [Means("observe: learn and show what is; recommend: show what Plimsoll would do too; act: do it. The Fleet's mode may hold it lower.")]
    [Words("observe", "recommend", "act")]
    [FilledIn("recommend")]
    public string? Mode { get; init; }

    [Means("Release an idle replica after this long even when nobody needs its device. Default: when holding it has cost as much as loading it again would.")]
    [Duration(1, 31_536_000)]
    public string? IdleLimit { get; init; }

    [Means("Requests one replica works on at once. Default: the server's own bound, or 8.")]
    [Bounds(1, 100_000)]
    public int? Concurrency { get; init; }

    [Means("scale: write the target's scale subresource; metric: publish the wanted number for KEDA or a HorizontalPodAutoscaler, which then scales.")]
    [Words("scale", "metric")]
    [FilledIn("scale")]
    public string? Actuation { get; init; }

    [Means("cost: of several variants the cheapest mix that carries the demand, the next cheapest where that has no room; order: the first of them that has room. Where a price or what a replica carries is not known the order decides. Default: cost.")]
    [Words("cost", "order")]
    public string? VariantsBy { get; init; }

    [Means("requests: Plimsoll's webhook fills in what new pods leave out of their requests, raises what is too little and keeps them off nodes on which they do not fit, as status.recommended has it; nothing: that is only shown.")]
    [Words("nothing", "requests")]
    [FilledIn("nothing")]
    public string? Apply { get; init; }

    [Means("Where and how the pods tell of their work, where it differs from what their server usually does.")]
    public ModelMetrics? Metrics { get; init; }

    [Means("Tokens of the longest sequence, prompt and answer together. Default: the pods' arguments, or what the model was made for.")]
    [Bounds(1, 1_073_741_824)]
    public long? Context { get; init; }

    [Means("Given where requests come through Plimsoll's gateway, which holds them while a replica loads: with it a model can go to zero.")]
    public ModelGateway? Gateway { get; init; }
}

[Means("An object with a scale subresource, in the ScaledModel's own namespace.")]
public sealed record TargetReference
{
    [Means("Its group and version. Default: apps/v1, leaderworkerset.x-k8s.io/v1 or serving.kserve.io/v1beta1, by kind.")]
    [Looks("^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$", 253, "a group and version such as apps/v1")]
    public string? ApiVersion { get; init; }

    [Means("Deployment, StatefulSet, LeaderWorkerSet, InferenceService or any other kind with a scale subresource.")]
    [Looks("^[A-Z][A-Za-z0-9]*$", 63, "a kind such as Deployment")]
    [FilledIn("Deployment")]
    public string? Kind { get; init; }

    [Means("Its name.")]
    [Needed("the target's name")]
    [Looks("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", 253, "the name of an object")]
    public string? Name { get; init; }
}

[Means("One of several ways to run the model.")]
public sealed record TargetVariant
{
    [Means("The variant's name.")]
    [Needed("a name")]
    [Looks("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", 63, "small letters, digits and '-'")]
    public string? Name { get; init; }

    [Means("What is scaled.")]
    [Needed("the object that is scaled")]
    public TargetReference? Target { get; init; }

    [Means("The kind of device, as plimsoll devices lists it (h100-80gb). Default: what the nodes that its pods may go to have.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]*$", 128, "a name such as h100-80gb")]
    public string? Device { get; init; }

    [Means("Requests one replica works on at once. Default: the model's own.")]
    [Bounds(1, 100_000)]
    public int? Concurrency { get; init; }

    [Means("How long batches are computed on this device. Default: the model's own.")]
    [Holds(BatchProfile.RowsMost)]
    public IReadOnlyList<ModelBatch>? Profile { get; init; }
}

[Means("A pod template with the placeholders {tp}, {pp}, {devices} and {maxModelLen}, and the variants they are filled in for.")]
public sealed record ModelTemplate
{
    [Means("What is made for each variant.")]
    [Words("Deployment", "LeaderWorkerSet")]
    [FilledIn("Deployment")]
    public string? Kind { get; init; }

    [Means("The pods' metadata (labels, annotations) and spec; of a LeaderWorkerSet, the leaders'.")]
    [Needed("metadata and spec of a pod")]
    public JsonElement? PodTemplate { get; init; }

    [Means("The workers' metadata and spec, for a LeaderWorkerSet. Default: as the leaders'.")]
    public JsonElement? WorkerTemplate { get; init; }

    [Means("The ways to run it, in order of preference.")]
    [Needed("a list with at least one variant")]
    [Holds(32, Least = 1, Key = "name")]
    public IReadOnlyList<TemplateVariant>? Variants { get; init; }
}

[Means("One way to fill in the template.")]
public sealed record TemplateVariant
{
    [Means("The variant's name; the workload is named after the ScaledModel and it.")]
    [Needed("a name")]
    [Looks("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", 63, "small letters, digits and '-'")]
    public string? Name { get; init; }

    [Means("The kind of device, as plimsoll devices lists it (h100-80gb): it is planned for no other, and the template's node selector is to keep its pods there. Default: any.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]*$", 128, "a name such as h100-80gb")]
    public string? Device { get; init; }

    [Means("Ranks that share every layer, {tp}.")]
    [Bounds(1, 1024)]
    [FilledIn(1)]
    public int? Tp { get; init; }

    [Means("Stages that share the layers out between them, {pp}. A LeaderWorkerSet has a pod for each.")]
    [Bounds(1, 1024)]
    [FilledIn(1)]
    public int? Pp { get; init; }

    [Means("Tokens of the longest sequence, {maxModelLen}. Default: the model's context.")]
    [Bounds(1, 1_073_741_824)]
    public long? MaxModelLen { get; init; }

    [Means("How long batches are computed on this device. Default: the model's own.")]
    [Holds(BatchProfile.RowsMost)]
    public IReadOnlyList<ModelBatch>? Profile { get; init; }
}

[Means("A latency objective on a share of the requests.")]
public sealed record ModelSlo
{
    [Means("From a request's arrival to the last byte of its response, time spent waiting for a load included. Default: 2s, or none where ttft or tpot is given.")]
    [Duration(0.001, 3600)]
    public string? Latency { get; init; }

    [Means("Time to the first token.")]
    [Duration(0.001, 3600)]
    public string? Ttft { get; init; }

    [Means("Time per output token after the first.")]
    [Duration(0.001, 60)]
    public string? Tpot { get; init; }

    [Means("The share of requests that must meet it.")]
    [Bounds(0.01, 0.99999)]
    [FilledIn(0.99)]
    public double? Attainment { get; init; }
}

[Means("A time at which demand is known beforehand to differ.")]
public sealed record ModelEvent
{
    [Means("When it begins, with its offset from universal time.")]
    [Needed(MomentText.WouldDo)]
    [Looks(MomentText.Pattern, MomentText.LongestText, MomentText.WouldDo)]
    public string? From { get; init; }

    [Means("When it is over, as from.")]
    [Needed(MomentText.WouldDo)]
    [Looks(MomentText.Pattern, MomentText.LongestText, MomentText.WouldDo)]
    public string? To { get; init; }

    [Means("What the usual demand is multiplied by. Default: 1.")]
    [Bounds(0, DemandEvent.FactorMost)]
    public double? Factor { get; init; }

    [Means("Requests a second that come on top, also to a model that nobody asks for otherwise. Default: 0.")]
    [Bounds(0, DemandEvent.AddedMost)]
    public double? AddedPerSecond { get; init; }

    [Means("It comes again, so long from start to start, and never ends: 1d, 7d. Default: it comes once.")]
    [Duration(600, 31_622_400)]
    public string? Every { get; init; }
}

[Means("One measurement of a profile.")]
public sealed record ModelBatch
{
    [Means("Requests that are computed together.")]
    [Needed("a number of requests, 1 or more,")]
    [Bounds(1, BatchProfile.BatchMost)]
    public int? Batch { get; init; }

    [Means("From the batch's start to its end.")]
    [Needed("a duration such as 12ms")]
    [Duration(0.000_001, BatchProfile.SecondsMost)]
    public string? Latency { get; init; }
}

[Means("Mean lengths of requests.")]
public sealed record ModelTokens
{
    [Means("Tokens of a prompt, on the mean.")]
    [Bounds(1, 10_000_000)]
    public double? Input { get; init; }

    [Means("Tokens of an answer, on the mean.")]
    [Bounds(1, 10_000_000)]
    public double? Output { get; init; }
}

[Means("Where and how the pods tell of their work.")]
public sealed record ModelMetrics
{
    [Means("The pods' port. Default: that of their server.")]
    [Bounds(1, 65_535)]
    public int? Port { get; init; }

    [Means("Default: /metrics.")]
    [Looks("^/[!-~]*$", 256, "a path such as /metrics")]
    public string? Path { get; init; }

    [Means("Whose names the metrics have. Default: the server that the pods' arguments and image tell of.")]
    [Words("vllm", "sglang", "tgi", "triton", "llama-server", "plimsoll-model-server")]
    public string? Server { get; init; }

    [Means("The model's name in the metrics' labels, where one server serves several; an ensemble's own, of which its steps are counted apart. Default: as the pods' arguments have it, else the one there is.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 256, "a name such as ensemble")]
    public string? Model { get; init; }

    [Means("PromQL of a counter of the requests that arrive in front of the pods (an ingress), not of its rate; asked of the operator's Prometheus. With it a model can go to zero.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 2048, "a query such as ingress_requests_total{service=\"llama\"}")]
    public string? Arrivals { get; init; }

    [Means("PromQL of the number of requests that wait in front of the pods now (an endpoint picker's queue); asked of the operator's Prometheus. With it a model can go to zero.")]
    [Looks(@"^[^\x00-\x1f\x7f]+$", 2048, "a query such as inference_extension_flow_control_queue_size{model_name=\"llama\"}")]
    public string? Queue { get; init; }
}

[Means("How requests for the model come through Plimsoll's gateway.")]
public sealed record ModelGateway
{
    [Means("The name that requests use. Default: the ScaledModel's own.")]
    [Looks(@"^[A-Za-z0-9][A-Za-z0-9._/:-]*$", 128, "a name such as llama-8b")]
    public string? Model { get; init; }

    [Means("The pods' port that requests go to. Default: that of their server.")]
    [Bounds(1, 65_535)]
    public int? Port { get; init; }

    [Means("Longest wait while a replica loads. Default: the gateway's own.")]
    [Duration(0.001, 3600)]
    public string? Wait { get; init; }
}
