using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Tests.Resources.Pods;

/// <summary>What a pod asks as the scheduler counts it, read as the client reads it and as the server wrote it.</summary>
public sealed class PodRequestsTests
{
    private const string Containers = """ "containers":[{"name":"a","resources":{"requests":{"cpu":"1","memory":"2Gi","nvidia.com/gpu":"1"}}},{"name":"b","resources":{"limits":{"cpu":"500m","memory":"1Gi"}}}] """;

    [Theory]
    [InlineData("", 1500, 3L << 30)]
    [InlineData(""","overhead":{"memory":"1Gi"}""", 1500, 4L << 30)]
    // Kubernetes 1.34: for the pod as a whole; a limit stands for a request only where no container has one either.
    [InlineData(""","resources":{"requests":{"memory":"200Gi"}}""", 1500, 200L << 30)]
    [InlineData(""","resources":{"limits":{"cpu":"8","memory":"100Gi"}},"overhead":{"cpu":"250m"}""", 1750, 3L << 30)]
    [InlineData(""","resources":{"requests":{"cpu":"2","memory":"0"}}""", 2000, 0)]
    public void What_is_stated_for_the_pod_counts_in_place_of_its_containers(string more, long cpu, long memory)
    {
        var json = $$"""{ {{Containers}}{{more}} }""";
        using var document = JsonDocument.Parse(json);
        PodRequests[] both = [PodRequests.Of(document.RootElement), PodRequests.Of(KubernetesJson.Deserialize<V1PodSpec>(json))];

        Assert.All(both, asked => Assert.Equal((cpu, memory, 1L), (asked.CpuMilli, asked.MemoryBytes, asked.Devices["nvidia.com/gpu"])));
    }
}
