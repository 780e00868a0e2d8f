using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Events;

/// <summary>Events as a person sees them on a real server.</summary>
public sealed class EventTests : OperatorTest
{
    [Fact]
    public async Task In_mode_recommend_a_person_reads_what_would_be_done_and_nothing_is_done()
    {
        await Cluster.ServeAsync("llama", 0, 1, "1Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"minReplicas\":2");
        var host = await Cluster.OperateAsync();
        await Cluster.OperateAsync(); // stands by, and tells nothing

        var recommended = await EventAsync("Recommended");
        Assert.StartsWith("from 0 to 2 replicas: at least 2 wanted", recommended.Message, StringComparison.Ordinal);
        Assert.EndsWith("(mode recommend changes nothing)", recommended.Message, StringComparison.Ordinal);
        var requests = await EventAsync("Requests");
        Assert.Equal("Warning", requests.Type);
        Assert.Contains("1024Mi of memory where 21300Mi is needed", requests.Message, StringComparison.Ordinal);
        Assert.Equal(0, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);

        // Told once, however often it is planned.
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("it is planned three times more", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 3));
        var all = await EventsAsync();
        Assert.Single(all, one => one.Reason == "Recommended");
        Assert.Single(all.Select(one => one.ReportingInstance).Distinct());

        var said = await Kubectl.RunAsync(Cluster.Plane, "describe", "scaledmodel", "llama", "-n", OperatedCluster.Space);
        TestContext.Current.TestOutputHelper?.WriteLine(said);
        Assert.Contains("Recommended", said[said.LastIndexOf("Events:", StringComparison.Ordinal)..], StringComparison.Ordinal);

        // The next leader does not tell it all again.
        await Cluster.EndAsync(host);
        Cluster.Ticks.Clear();
        await Patience.UntilAsync("the other plans", _ => Task.FromResult(Cluster.Ticks.Count > 2));
        Assert.Single(await EventsAsync(), one => one.Reason == "Recommended");
    }

    [Fact]
    public async Task What_is_scaled_held_or_disputed_is_told()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ServeAsync("heavy", 0, 1, "24Gi");
        await Cluster.ServeAsync("scarce", 0, 8, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        await Cluster.ModelAsync("heavy", "\"weights\":\"200GiB\",\"mode\":\"act\"");
        await Cluster.OperateAsync();

        // The node has eight devices and two are taken.
        Assert.StartsWith("from 0 to 2 replicas: at least 2 wanted", (await EventAsync("ScaledUp")).Message, StringComparison.Ordinal);
        Assert.Contains("per device against", (await EventAsync("DoesNotFit", "heavy")).Message, StringComparison.Ordinal);
        await Cluster.ModelAsync("scarce", "\"weights\":\"16GiB\",\"mode\":\"act\"");
        Assert.Contains("no ready node has that much left", (await EventAsync("Held", "scarce")).Message, StringComparison.Ordinal);

        await Cluster.Client.AutoscalingV1.CreateNamespacedHorizontalPodAutoscalerAsync(
            new V1HorizontalPodAutoscaler
            {
                Metadata = new() { Name = "by-requests" },
                Spec = new() { MaxReplicas = 5, ScaleTargetRef = new() { ApiVersion = "apps/v1", Kind = "Deployment", Name = "llama" } },
            }, OperatedCluster.Space, cancellationToken: Cancel);
        var conflict = await EventAsync("Conflict");
        Assert.Equal("Warning", conflict.Type);
        Assert.Contains("by-requests", conflict.Message, StringComparison.Ordinal);
    }

    private async Task<Corev1Event> EventAsync(string reason, string model = "llama") => (await Patience.UntilAsync(
        $"an Event {reason} of {model}", async _ => (await EventsAsync(model)).FirstOrDefault(one => one.Reason == reason), one => one is not null,
        _ => string.Join('\n', Cluster.Log.TakeLast(8))))!;

    // As kubectl describe asks for them.
    private async Task<IList<Corev1Event>> EventsAsync(string model = "llama") => (await Cluster.Client.CoreV1.ListNamespacedEventAsync(
        OperatedCluster.Space, fieldSelector: $"involvedObject.kind={ScaledModel.KubeKind},involvedObject.name={model}", cancellationToken: Cancel)).Items;
}
