using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class OwnershipTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    private static OwnershipQuestion Question(Actuation actuation = Actuation.Scale, string kind = "Deployment") => new()
    {
        Namespace = "prod",
        Target = new ScaleTarget(TargetKinds.ApiVersionOf(kind)!, kind, "llama"),
        Actuation = actuation,
        At = Now,
        Created = Now.AddHours(-1),
    };

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static JsonElement Autoscaler(string metrics = "[]", string more = "", string target = """{"apiVersion":"apps/v1","kind":"Deployment","name":"llama"}""") => Json(
        $$$$"""{"metadata":{"name":"llama-hpa","namespace":"prod"{{{{more}}}}},"spec":{"scaleTargetRef":{{{{target}}}},"metrics":{{{{metrics}}}}}}""");

    private static JsonElement Scaled(string triggers, string annotations = "{}") => Json(
        $$$$"""{"metadata":{"name":"llama-keda","namespace":"prod","annotations":{{{{annotations}}}}},"spec":{"scaleTargetRef":{"name":"llama"},"triggers":{{{{triggers}}}}}}""");

    [Fact]
    public void Nobody_else_is_no_conflict() => Assert.Null(Ownership.Conflict(Question()));

    [Theory]
    [InlineData("""{"apiVersion":"apps/v1","kind":"Deployment","name":"llama"}""", true)]
    [InlineData("""{"apiVersion":"apps/v1beta2","kind":"Deployment","name":"llama"}""", true)]
    [InlineData("""{"apiVersion":"apps/v1","kind":"StatefulSet","name":"llama"}""", false)]
    [InlineData("""{"apiVersion":"example.org/v1","kind":"Deployment","name":"llama"}""", false)]
    [InlineData("""{"apiVersion":"apps/v1","kind":"Deployment","name":"other"}""", false)]
    [InlineData("""{"kind":7}""", false)]
    public void An_autoscaler_of_the_same_target_is_named(string target, bool conflicts) => Assert.Equal(
        conflicts ? "the HorizontalPodAutoscaler llama-hpa scales Deployment prod/llama; delete it, or choose actuation metric and let it read plimsoll_desired_replicas" : null,
        Ownership.Conflict(Question() with { Autoscalers = [Autoscaler(target: target)] }));

    [Theory]
    [InlineData("""[{"type":"External","external":{"metric":{"name":"plimsoll_desired_replicas"}}}]""", true)]
    [InlineData("""[{"type":"External","external":{"metricName":"plimsoll_desired_replicas"}}]""", true)]
    [InlineData("""[{"type":"Resource","resource":{"name":"cpu"}}]""", false)]
    public void An_autoscaler_that_reads_our_metric_is_who_scales_by_it(string metrics, bool ours)
    {
        var conflict = Ownership.Conflict(Question(Actuation.Metric) with { Autoscalers = [Autoscaler(metrics)] });
        Assert.Equal(ours ? null : "the HorizontalPodAutoscaler llama-hpa scales Deployment prod/llama by something else than plimsoll_desired_replicas; an External metric of that name would do", conflict);
        // Two writers are two writers, whatever they read.
        Assert.NotNull(Ownership.Conflict(Question() with { Autoscalers = [Autoscaler(metrics)] }));
    }

    [Theory]
    [InlineData("""[{"type":"external","metadata":{"scalerAddress":"keda-bridge:50051","scaledModel":"llama"}}]""", true)]
    [InlineData("""[{"type":"external-push","metadata":{"scalerAddress":"plimsoll.plimsoll-system:50051"}}]""", true)]
    [InlineData("""[{"type":"prometheus","metadata":{"query":"max(plimsoll_desired_replicas{scaledmodel=\"llama\"})"}}]""", true)]
    [InlineData("""[{"type":"external","metadata":{"scalerAddress":"other:1"}}]""", false)]
    [InlineData("""[{"type":"cron","metadata":{}}]""", false)]
    public void A_ScaledObject_that_reads_our_number_is_who_scales_by_it(string triggers, bool ours)
    {
        Assert.Equal(ours, Ownership.Conflict(Question(Actuation.Metric) with { ScaledObjects = [Scaled(triggers)] }) is null);
        Assert.Equal("the ScaledObject llama-keda scales Deployment prod/llama; delete it, or choose actuation metric and let it read plimsoll_desired_replicas",
            Ownership.Conflict(Question() with { ScaledObjects = [Scaled(triggers)] }));
    }

    [Fact]
    public void KEDAs_own_autoscaler_is_spoken_of_as_its_ScaledObject_and_a_paused_one_scales_nothing()
    {
        var scaled = Scaled("""[{"type":"external","metadata":{"scaledModel":"llama"}}]""");
        var owned = Autoscaler("""[{"type":"External","external":{"metric":{"name":"s0-plimsoll_desired_replicas"}}}]""", ""","ownerReferences":[{"kind":"ScaledObject","name":"llama-keda"}]""");
        Assert.Null(Ownership.Conflict(Question(Actuation.Metric) with { ScaledObjects = [scaled], Autoscalers = [owned] }));
        Assert.NotNull(Ownership.Conflict(Question(Actuation.Metric) with { Autoscalers = [owned] }));
        Assert.Null(Ownership.Conflict(Question() with { ScaledObjects = [Scaled("[]", """{"autoscaling.keda.sh/paused":"true"}""")] }));
    }

    [Theory]
    [InlineData(null, "KServe scales InferenceService prod/llama itself (by default); the annotation serving.kserve.io/autoscalerClass: external would leave it to Plimsoll")]
    [InlineData("hpa", "KServe scales InferenceService prod/llama itself (autoscalerClass hpa); the annotation serving.kserve.io/autoscalerClass: external would leave it to Plimsoll")]
    [InlineData("external", null)]
    public void KServe_scales_what_it_is_not_told_to_leave(string? scaler, string? conflict) => Assert.Equal(conflict, Ownership.Conflict(Question(kind: "InferenceService") with
    {
        Annotations = scaler is null ? new Dictionary<string, string>() : new Dictionary<string, string> { ["serving.kserve.io/autoscalerClass"] = scaler },
    }));

    [Fact]
    public void An_autoscaler_of_the_predictor_scales_its_InferenceService() => Assert.Equal(
        "the HorizontalPodAutoscaler llama-hpa scales InferenceService prod/llama; delete it, or choose actuation metric and let it read plimsoll_desired_replicas",
        Ownership.Conflict(Question(kind: "InferenceService") with
        {
            Annotations = new Dictionary<string, string> { ["serving.kserve.io/autoscalerClass"] = "external" },
            Autoscalers = [Autoscaler(target: """{"apiVersion":"apps/v1","kind":"Deployment","name":"llama-predictor"}""")],
        }));

    [Theory]
    [InlineData("kube-controller-manager", "Update", "scale", -60, "kube-controller-manager wrote the replicas of Deployment prod/llama 1 min ago; stop it, or choose mode recommend")]
    [InlineData("kube-controller-manager", "Update", "scale", -601, null)]
    [InlineData("helm", "Update", "", -3599, null)]
    [InlineData("helm", "Update", "", -30, "helm wrote the replicas of Deployment prod/llama 30 s ago; stop it, or choose mode recommend")]
    [InlineData("kustomize-controller", "Apply", "", -3000, "kustomize-controller applies Deployment prod/llama with spec.replicas; leave replicas out of its manifest")]
    [InlineData("kubectl-client-side-apply", "Update", "", -30, null)]
    [InlineData("kubectl", "Apply", "", -30, null)]
    [InlineData("plimsoll", "Update", "scale", -1, null)]
    [InlineData("kube-controller-manager", "Update", "status", -1, null)]
    public void Another_writer_of_the_replicas_is_named(string manager, string operation, string subresource, int seconds, string? conflict)
    {
        var entry = new V1ManagedFieldsEntry
        {
            Manager = manager,
            Operation = operation,
            Subresource = subresource,
            Time = Now.AddSeconds(seconds).UtcDateTime,
            FieldsV1 = Json("""{"f:spec":{"f:replicas":{}}}"""),
        };
        Assert.Equal(conflict, Ownership.Conflict(Question() with { ManagedFields = [entry] }));
        Assert.Null(Ownership.Conflict(Question(Actuation.Metric) with { ManagedFields = [entry] }));
        Assert.Null(Ownership.Conflict(Question() with { ManagedFields = [new V1ManagedFieldsEntry { Manager = manager, Operation = operation, Time = entry.Time, FieldsV1 = Json("""{"f:spec":{"f:template":{}}}""") }] }));
    }

    private static V1ManagedFieldsEntry Wrote(string manager, int seconds, string fields) => new()
    {
        Manager = manager,
        Operation = "Update",
        Time = Now.AddSeconds(seconds).UtcDateTime,
        FieldsV1 = Json($$$"""{"f:spec":{{{{fields}}}}}"""),
    };

    [Fact]
    public void A_rollout_by_who_made_the_target_is_no_write_of_its_replicas()
    {
        const string both = "\"f:replicas\":{},\"f:template\":{}";
        var made = ReplicaWrites.None.Then("uid", 2, 1, [Wrote("helm", -3600, both)]);
        string? Conflict(ReplicaWrites writes, params V1ManagedFieldsEntry[] fields) => Ownership.Conflict(Question() with { ManagedFields = fields, Writes = writes });

        // A new image an hour later: the API server dates all of what helm has written anew.
        var rolled = made.Then("uid", 2, 2, [Wrote("helm", -30, both)]);
        Assert.Null(Conflict(rolled, Wrote("helm", -30, both)));
        Assert.Null(Conflict(rolled.Then("uid", 2, 2, [Wrote("helm", -30, both)]), Wrote("helm", -30, both)));

        // Then it writes the replicas too; or does so, and somebody puts them back, between two looks.
        const string wrote = "helm wrote the replicas of Deployment prod/llama 5 s ago; stop it, or choose mode recommend";
        Assert.Equal(wrote, Conflict(rolled.Then("uid", 5, 3, [Wrote("helm", -5, both)]), Wrote("helm", -5, both)));
        Assert.Equal(wrote, Conflict(rolled.Then("uid", 2, 4, [Wrote("helm", -5, both)]), Wrote("helm", -5, both)));
        // Another object of the same name says nothing about this one, nor does what was never seen before.
        Assert.Equal(wrote, Conflict(rolled.Then("other", 2, 2, [Wrote("helm", -5, both)]), Wrote("helm", -5, both)));
        Assert.Equal(wrote, Conflict(ReplicaWrites.None.Then("uid", 2, 2, [Wrote("helm", -5, both)]), Wrote("helm", -5, both)));
    }

    [Fact]
    public void Of_ScaledModels_with_one_target_the_oldest_has_it()
    {
        ScaledModel Made(string name, int minute, string target, string space = "prod", string? kind = null) => new()
        {
            Metadata = new() { Name = name, NamespaceProperty = space, CreationTimestamp = Now.AddMinutes(minute).UtcDateTime },
            Spec = new ScaledModelSpec { Target = new TargetReference { Name = target, Kind = kind } },
        };
        var usurped = Ownership.Usurped([Made("young", 9, "llama"), Made("old", 1, "llama"), Made("b", 5, "qwen"), Made("a", 5, "qwen"), Made("else", 9, "llama", "test"), Made("alone", 3, "phi")]);
        Assert.Equal("prod/b by prod/a, prod/young by prod/old", string.Join(", ", usurped.Select(pair => $"{pair.Key} by {pair.Value}")));

        // An InferenceService and the Deployment that KServe makes of its predictor are one.
        usurped = Ownership.Usurped([Made("first", 1, "llama", kind: "InferenceService"), Made("second", 2, "llama-predictor"), Made("third", 3, "llama")]);
        Assert.Equal("prod/second by prod/first", string.Join(", ", usurped.Select(pair => $"{pair.Key} by {pair.Value}")));
    }
}
