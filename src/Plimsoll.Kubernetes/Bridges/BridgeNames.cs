namespace Plimsoll.Kubernetes.Bridges;

/// <summary>The names under which the plan's numbers are known outside.</summary>
public static class BridgeNames
{
    /// <summary>The metric: replicas that the plan wants. The same name for KEDA, the metrics API and Prometheus.</summary>
    public const string DesiredReplicas = "plimsoll_desired_replicas";

    /// <summary>The label that picks a ScaledModel: <c>labelSelector=scaledmodel=NAME</c>.</summary>
    public const string ScaledModelLabel = "scaledmodel";

    /// <summary>The trigger metadata that names the ScaledModel when it isn't called as the ScaledObject is.</summary>
    public const string ScaledModelMetadata = "scaledModel";

    /// <summary>The trigger metadata that names the ScaledModel's namespace when it isn't the ScaledObject's.</summary>
    public const string NamespaceMetadata = "namespace";

    internal const string Group = "external.metrics.k8s.io";
    internal const string Version = "v1beta1";
    internal const string GroupVersion = Group + "/" + Version;
}
