using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Kubernetes.Tests.Webhook;

/// <summary>The webhook's answers to what the API server, and strangers, send.</summary>
public sealed class AdmissionTests
{
    private static readonly RecommendedPod Wanted = new() { Container = "server", Requests = new Dictionary<string, string> { ["memory"] = "20480Mi" } };

    private const string ReplicaSet = """{"kind":"ReplicaSet","name":"llama-5d9","controller":true}""";

    [Fact]
    public void A_Deployments_pod_is_allowed_with_a_patch_under_the_requests_uid()
    {
        var answer = Answer(Review(ReplicaSet, """{"pod-template-hash":"5d9"}"""))["response"]!;

        Assert.Equal("7f0b2891", (string?)answer["uid"]);
        Assert.True((bool)answer["allowed"]!);
        Assert.Equal("JSONPatch", (string?)answer["patchType"]);
        var patch = JsonNode.Parse(Convert.FromBase64String((string)answer["patch"]!))!.AsArray();
        Assert.Equal(["/spec/containers/0/resources", "/metadata/annotations"], patch.Select(one => (string)one!["path"]!));
        Assert.Equal("20480Mi", (string?)patch[0]!["value"]!["requests"]!["memory"]);
    }

    [Theory]
    [InlineData("""{"kind":"StatefulSet","name":"llama","controller":true}""", "{}", "StatefulSet/llama")]
    [InlineData("""{"kind":"StatefulSet","name":"llama","controller":true}""", """{"leaderworkerset.sigs.k8s.io/name":"llama","leaderworkerset.sigs.k8s.io/worker-index":"0"}""", "LeaderWorkerSet/llama")]
    [InlineData(ReplicaSet, """{"pod-template-hash":"5d9"}""", "Deployment/llama")]
    public void A_pods_owner_is_found_by_what_made_it(string owner, string labels, string workload)
    {
        var asked = new List<string>();
        Admission.Answer(Review(owner, labels), (space, name) => { asked.Add($"{space} {name}"); return null; });
        Assert.Equal([$"prod {workload}"], asked);
    }

    [Theory]
    [InlineData("", "{}", "Pod", "CREATE")]
    [InlineData("""{"kind":"Job","name":"train","controller":true}""", "{}", "Pod", "CREATE")]
    [InlineData(ReplicaSet, """{"pod-template-hash":"5d9"}""", "Pod", "UPDATE")]
    [InlineData(ReplicaSet, """{"pod-template-hash":"5d9"}""", "Service", "CREATE")]
    [InlineData(ReplicaSet, """{"pod-template-hash":"5d9","leaderworkerset.sigs.k8s.io/name":"llama","leaderworkerset.sigs.k8s.io/worker-index":"1"}""", "Pod", "CREATE")]
    public void All_else_is_allowed_as_it_is(string owner, string labels, string kind, string operation)
    {
        var answer = Answer(Review(owner, labels, kind, operation))["response"]!.AsObject();
        Assert.True((bool)answer["allowed"]!);
        Assert.False(answer.ContainsKey("patch"));
    }

    [Theory]
    [InlineData("{}", "found kind none of no version; an AdmissionReview of admission.k8s.io/v1 would do")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1"}""", "found kind AdmissionReview of admission.k8s.io/v1beta1; an AdmissionReview of admission.k8s.io/v1 would do")]
    [InlineData("""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}}""", "request.uid: missing; the API server's own would do")]
    public void What_is_no_review_is_refused_in_a_sentence(string body, string sentence) =>
        Assert.Equal(sentence, Assert.Throws<JsonException>(() => Admission.Answer(Encoding.UTF8.GetBytes(body), (_, _) => Wanted)).Message);

    [Fact]
    public void What_is_nested_too_deep_is_refused_and_an_odd_pod_is_left_to_the_API_server()
    {
        var deep = $$$"""{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","object":{{{string.Concat(Enumerable.Repeat("[", 200))}}}{{{string.Concat(Enumerable.Repeat("]", 200))}}} }}""";
        Assert.ThrowsAny<JsonException>(() => Admission.Answer(Encoding.UTF8.GetBytes(deep), (_, _) => Wanted));
        var odd = Encoding.UTF8.GetString(Review(ReplicaSet, """{"pod-template-hash":"5d9"}""").Span).Replace("\"name\":\"server\"", "\"name\":[]", StringComparison.Ordinal);
        Assert.False(Answer(Encoding.UTF8.GetBytes(odd))["response"]!.AsObject().ContainsKey("patch"));
    }

    private static JsonObject Answer(ReadOnlyMemory<byte> review) =>
        Admission.Answer(review, (space, workload) => (space, workload) is ("prod", "Deployment/llama" or "LeaderWorkerSet/llama") ? Wanted : null);

    private static ReadOnlyMemory<byte> Review(string owner, string labels, string kind = "Pod", string operation = "CREATE") => Encoding.UTF8.GetBytes($$$"""
        {"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"7f0b2891","kind":{"group":"","version":"v1","kind":"{{{kind}}}"},
         "namespace":"prod","operation":"{{{operation}}}","dryRun":true,
         "object":{"metadata":{"generateName":"llama-5d9-","labels":{{{labels}}},"ownerReferences":[{{{owner}}}]},
                   "spec":{"containers":[{"name":"server","image":"x"}]} } }}
        """);
}
