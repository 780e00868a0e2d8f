using System.Diagnostics;
using Grpc.Core;
using Microsoft.Extensions.Hosting;
using Plimsoll.Kubernetes.Bridges.Keda;

namespace Plimsoll.Kubernetes.Bridges;

/// <summary>
/// KEDA's external scaler. Where there is no fresh number the answer is a status and never a zero: KEDA then keeps the
/// replicas, or falls back where the ScaledObject says so.
/// </summary>
internal sealed class KedaScaler(DesiredScales scales, TimeProvider time, IHostApplicationLifetime lifetime)
    : ExternalScaler.ExternalScalerBase
{
    private const int LongestName = 253;
    private const string LeadsNoMore = "this operator leads no longer: ask again over a new connection";

    public override Task<IsActiveResponse> IsActive(ScaledObjectRef request, ServerCallContext context) =>
        Task.FromResult(new IsActiveResponse { Result = Scale(Model(request)).Active });

    /// <summary>
    /// Sends the state at once, then each change. A plan that grows old ends no stream: KEDA's pause before it comes back
    /// doubles with each failure, up to a minute, and what it heard last still stands. One that is withdrawn does, as another leads.
    /// </summary>
    public override async Task StreamIsActive(
        ScaledObjectRef request, IServerStreamWriter<IsActiveResponse> responseStream, ServerCallContext context)
    {
        var (model, withdrawn) = (Model(request), scales.Withdrawn);
        using var end = Ended(context, withdrawn);
        try
        {
            bool? sent = null;
            while (true)
            {
                // Asked for before reading, so that no plan in between is missed.
                var changed = scales.WaitForChangeAsync(end.Token);
                var reading = ScaleReading.Of(scales, model, time);
                if (sent is null || reading is not ScaleReading.Stale)
                {
                    var active = Scale(reading).Active;
                    if (active != sent) await responseStream.WriteAsync(new IsActiveResponse { Result = active }, end.Token);
                    sent = active;
                }

                await changed;
            }
        }
        catch (OperationCanceledException) when (withdrawn.IsCancellationRequested)
        {
            throw Failure(StatusCode.Unavailable, LeadsNoMore);
        }
        catch (OperationCanceledException)
        {
            // The client is gone, or the server stops: a stream that ends well is opened again after two seconds.
        }
    }

    /// <summary>Needs no plan: without a spec the HPA would have no metric at all.</summary>
    public override Task<GetMetricSpecResponse> GetMetricSpec(ScaledObjectRef request, ServerCallContext context)
    {
        _ = Model(request);
        return Task.FromResult(Spec());
    }

    public override Task<GetMetricsResponse> GetMetrics(GetMetricsRequest request, ServerCallContext context)
    {
        if (request.MetricName != BridgeNames.DesiredReplicas)
        {
            throw Failure(StatusCode.InvalidArgument,
                $"metricName: there is no metric '{Shortened(request.MetricName)}' here; it is {BridgeNames.DesiredReplicas}");
        }

        var scale = Scale(Model(request.ScaledObjectRef));
        return Task.FromResult(new GetMetricsResponse
        {
            MetricValues =
            {
                new MetricValue
                {
                    MetricName = BridgeNames.DesiredReplicas,
                    MetricValue_ = scale.Replicas,
                    MetricValueFloat = scale.Replicas,
                },
            },
        });
    }

    /// <summary>The spec never changes, so it is sent once and the stream is kept.</summary>
    public override async Task StreamMetricSpec(
        ScaledObjectRef request, IServerStreamWriter<GetMetricSpecResponse> responseStream, ServerCallContext context)
    {
        _ = Model(request);
        var withdrawn = scales.Withdrawn;
        using var end = Ended(context, withdrawn);
        try
        {
            await responseStream.WriteAsync(Spec(), end.Token);
            await Task.Delay(Timeout.InfiniteTimeSpan, time, end.Token);
        }
        catch (OperationCanceledException) when (withdrawn.IsCancellationRequested)
        {
            throw Failure(StatusCode.Unavailable, LeadsNoMore);
        }
        catch (OperationCanceledException)
        {
            // As above.
        }
    }

    /// <summary>
    /// One replica per unit. KEDA's metricType for it defaults to AverageValue, which makes ceil(value) of it; with Value the
    /// HPA would multiply by the ready pods.
    /// </summary>
    private static GetMetricSpecResponse Spec() => new()
    {
        MetricSpecs = { new MetricSpec { MetricName = BridgeNames.DesiredReplicas, TargetSize = 1, TargetSizeFloat = 1 } },
    };

    private DesiredScale Scale(ObjectName model) => Scale(ScaleReading.Of(scales, model, time));

    private static DesiredScale Scale(ScaleReading reading) => reading switch
    {
        ScaleReading.Known(var scale) => scale,
        ScaleReading.Stale(var why) => throw Failure(StatusCode.Unavailable, why),
        ScaleReading.Unknown(var why) => throw Failure(StatusCode.NotFound, why),
        _ => throw new UnreachableException(),
    };

    private static ObjectName Model(ScaledObjectRef? reference)
    {
        if (reference is null) throw Failure(StatusCode.InvalidArgument, "scaledObjectRef is missing; it names the ScaledObject");
        return new(
            Named(reference, BridgeNames.NamespaceMetadata, reference.Namespace, "namespace"),
            Named(reference, BridgeNames.ScaledModelMetadata, reference.Name, "name"));
    }

    private static string Named(ScaledObjectRef reference, string metadata, string otherwise, string field)
    {
        var given = reference.ScalerMetadata.TryGetValue(metadata, out var value) && value.Length > 0;
        var name = given ? value! : otherwise;
        if (name.Length is 0 or > LongestName)
        {
            throw Failure(StatusCode.InvalidArgument,
                $"{(given ? "scalerMetadata." + metadata : field)} has {name.Length} characters; a name has 1 to {LongestName}");
        }

        return name;
    }

    private CancellationTokenSource Ended(ServerCallContext context, CancellationToken withdrawn) =>
        CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping, withdrawn);

    private static string Shortened(string text) => text.Length <= 80 ? text : text[..80] + "…";

    private static RpcException Failure(StatusCode code, string why) => new(new Status(code, why));
}
