using System.Globalization;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>Objects as a user would write them, to change before use.</summary>
public static class Workloads
{
    /// <summary>The port on which a pod's server listens.</summary>
    public const int Port = 8000;

    /// <summary>One container "server" that asks for so many GPUs; the label is app=name.</summary>
    public static V1Deployment Deployment(string name, int replicas, int gpus = 0, string? memory = null, params string[] arguments)
    {
        var labels = new Dictionary<string, string> { ["app"] = name };
        return new V1Deployment
        {
            ApiVersion = "apps/v1",
            Kind = "Deployment",
            Metadata = new() { Name = name, Labels = labels },
            Spec = new()
            {
                Replicas = replicas,
                Selector = new() { MatchLabels = labels },
                Template = new() { Metadata = new() { Labels = labels }, Spec = PodSpec(gpus, memory, arguments) },
            },
        };
    }

    public static V1PodSpec PodSpec(int gpus = 0, string? memory = null, params string[] arguments)
    {
        var asked = new Dictionary<string, ResourceQuantity>();
        if (gpus > 0) asked["nvidia.com/gpu"] = new(gpus.ToString(CultureInfo.InvariantCulture));
        if (memory is not null) asked["memory"] = new(memory);
        return new V1PodSpec
        {
            TerminationGracePeriodSeconds = 30,
            Containers =
            [
                new V1Container
                {
                    Name = "server",
                    Image = "example.com/server:1",
                    Args = arguments,
                    Ports = [new V1ContainerPort { Name = "http", ContainerPort = Port }],
                    Resources = new() { Requests = asked, Limits = new Dictionary<string, ResourceQuantity>(asked) },
                },
            ],
        };
    }
}
