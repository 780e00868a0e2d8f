namespace Plimsoll.Kubernetes.Bridges;

/// <summary>What the metrics API says about itself. Newer API servers ask for a newer form and fall back to this one.</summary>
internal static class Discovery
{
    public static readonly ApiGroup Group = new()
    {
        Name = BridgeNames.Group,
        Versions = [new(BridgeNames.GroupVersion, BridgeNames.Version)],
        PreferredVersion = new(BridgeNames.GroupVersion, BridgeNames.Version),
    };

    public static readonly ApiResourceList Resources = new()
    {
        GroupVersion = BridgeNames.GroupVersion,
        Resources =
        [
            new() { Name = BridgeNames.DesiredReplicas, Namespaced = true, Kind = "ExternalMetricValueList", Verbs = ["get"] },
        ],
    };

    /// <summary>Nothing is described: metrics are no objects anyone explains or applies.</summary>
    public static readonly byte[] OpenApiV2 =
        """{"swagger":"2.0","info":{"title":"Plimsoll external metrics","version":"v1beta1"},"paths":{}}"""u8.ToArray();

    public static readonly byte[] OpenApiV3 = """{"paths":{}}"""u8.ToArray();
}
