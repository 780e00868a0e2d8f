using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Plimsoll.Kubernetes.Bridges;

/// <summary>
/// The bridges one by one, for an application that has ports and routing of its own; <see cref="BridgesHost"/> brings both.
/// </summary>
public static class BridgesEndpoints
{
    /// <summary>What <see cref="MapKeda"/> needs.</summary>
    public static IServiceCollection AddKeda(this IServiceCollection services, DesiredScales scales, TimeProvider time)
    {
        services.AddSingleton(scales);
        services.AddSingleton(time);

        // A ScaledObjectRef has a name, a namespace and some metadata.
        services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = 64 * 1024);
        return services;
    }

    /// <summary>
    /// KEDA's external scaler. The port must speak HTTP/2; KEDA keeps one connection for all ScaledObjects with two open streams
    /// for each external-push trigger, so Kestrel's limit of 100 streams a connection must be raised.
    /// </summary>
    public static GrpcServiceEndpointConventionBuilder MapKeda(this IEndpointRouteBuilder routes) => routes.MapGrpcService<KedaScaler>();

    /// <summary>The external metrics API. The port must speak TLS and ask for a client certificate without judging it.</summary>
    public static void MapExternalMetrics(this IEndpointRouteBuilder routes, ExternalMetricsApi api)
    {
        ArgumentNullException.ThrowIfNull(api);
        api.Map(routes);
    }

    /// <summary>/metrics.</summary>
    public static IEndpointConventionBuilder MapOperatorMetrics(this IEndpointRouteBuilder routes, OperatorMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return routes.MapGet("/metrics", metrics.WriteAsync);
    }
}
