using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using k8s;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Kubernetes.Bridges.Callers;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Bridges;

/// <summary>
/// <c>external.metrics.k8s.io/v1beta1</c> with the one metric plimsoll_desired_replicas, for the API server to pass on to. Who
/// calls and whether they may is asked of that same API server. An error is never a small number: an HPA that gets none leaves
/// its target as it is.
/// </summary>
public sealed partial class ExternalMetricsApi(
    DesiredScales scales, IKubernetes kubernetes, TimeProvider time, ILogger<ExternalMetricsApi>? log = null) : IDisposable
{
    private const string GroupPath = "/apis/" + BridgeNames.Group;
    private const string VersionPath = "/apis/" + BridgeNames.GroupVersion;

    private readonly ILogger _log = log ?? NullLogger<ExternalMetricsApi>.Instance;
    private readonly CallerAuthentication _callers = new(kubernetes, time);
    private readonly CallerAuthorization _rights = new(kubernetes, time);

    /// <summary>Serves the group, its discovery and a minimal OpenAPI; everything here asks who calls.</summary>
    internal void Map(IEndpointRouteBuilder routes)
    {
        routes.Map(VersionPath + "/namespaces/{namespace}/{metric}", context => GuardedAsync(context, MetricAccess(context), MetricAsync));
        Document(routes, "/apis", new ApiGroupList { Groups = [Discovery.Group] }, ApiJson.Default.ApiGroupList);
        Document(routes, GroupPath, Discovery.Group, ApiJson.Default.ApiGroup);
        Document(routes, VersionPath, Discovery.Resources, ApiJson.Default.ApiResourceList);
        routes.Map("/openapi/v2", context => GuardedAsync(context, PathAccess(context), c => RawAsync(c, Discovery.OpenApiV2)));
        routes.Map("/openapi/v3", context => GuardedAsync(context, PathAccess(context), c => RawAsync(c, Discovery.OpenApiV3)));
        foreach (var rest in (string[])["/apis/{**rest}", "/openapi/{**rest}"])
            routes.Map(rest, context => GuardedAsync(context, PathAccess(context), NothingAsync));
    }

    /// <summary>Health, which nobody has to be known for; ready when the front proxy's certificate authority was read.</summary>
    internal void MapHealth(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/livez", context => context.Response.WriteAsync("ok"));
        foreach (var path in (string[])["/readyz", "/healthz"])
        {
            routes.MapGet(path, async context =>
            {
                try
                {
                    await _callers.CheckAsync(context.RequestAborted);
                    await context.Response.WriteAsync("ok");
                }
                catch (ReviewException problem)
                {
                    context.Response.StatusCode = 503;
                    await context.Response.WriteAsync(problem.Message);
                }
            });
        }
    }

    public void Dispose()
    {
        _callers.Dispose();
        _rights.Dispose();
    }

    private void Document<T>(IEndpointRouteBuilder routes, string path, T document, JsonTypeInfo<T> type) =>
        routes.Map(path, context => GuardedAsync(context, PathAccess(context), c => JsonAsync(c, 200, document, type)));

    private async Task GuardedAsync(HttpContext context, Access access, RequestDelegate next)
    {
        try
        {
            if (await _callers.CallerOfAsync(context) is not { } caller)
            {
                context.Response.Headers.WWWAuthenticate = "Bearer";
                await StatusAsync(context, ApiStatus.Of(401, "Unauthorized"));
                return;
            }

            if (!HttpMethods.IsGet(context.Request.Method))
            {
                await StatusAsync(context, ApiStatus.Of(405, $"{context.Request.Method} is not supported here: metrics are only read"));
                return;
            }

            if (!await _rights.MayAsync(caller, access, context.RequestAborted))
            {
                await StatusAsync(context, ApiStatus.Of(403, access.Refusal(caller.Name), access.Resource is null ? null : About(null)));
                return;
            }

            await next(context);
        }
        catch (ReviewException problem)
        {
            LogReview(_log, problem.Message, problem.InnerException?.Message);
            await StatusAsync(context, ApiStatus.Of(503, problem.Message));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client is gone; there is nobody to answer.
        }
    }

    private async Task MetricAsync(HttpContext context)
    {
        var space = (string)context.GetRouteValue("namespace")!;
        var metric = (string)context.GetRouteValue("metric")!;
        var query = context.Request.Query;
        if (metric != BridgeNames.DesiredReplicas)
            await StatusAsync(context, ApiStatus.Of(404, $"there is no metric '{metric}' here; it is {BridgeNames.DesiredReplicas}"));
        else if (IsWatch(context))
            await StatusAsync(context, ApiStatus.Of(405, "watch is not supported on external metrics", About(null)));
        else if (query["fieldSelector"].ToString() is { Length: > 0 })
            await StatusAsync(context, ApiStatus.Of(400, "fieldSelector is not supported on external metrics; labelSelector is"));
        else if (!LabelSelector.TryParse(query["labelSelector"].ToString(), out var selector, out var problem))
            await StatusAsync(context, ApiStatus.Of(400, problem));
        else
            await ValuesAsync(context, space, selector);
    }

    /// <summary>
    /// All or nothing: an HPA adds the values up, so that leaving out one that is stale would scale down on missing data.
    /// </summary>
    private async Task ValuesAsync(HttpContext context, string space, LabelSelector selector)
    {
        var items = new List<ExternalMetricValue>();
        foreach (var name in scales.Current.Keys)
        {
            if (name.Namespace != space || !selector.Matches(BridgeNames.ScaledModelLabel, name.Name)) continue;
            switch (ScaleReading.Of(scales, name, time))
            {
                case ScaleReading.Known(var scale):
                    items.Add(ExternalMetricValue.Of(scale));
                    break;
                case ScaleReading.Stale(var why):
                    await StatusAsync(context, ApiStatus.Of(503, why, About(name.Name)));
                    return;
            }
        }

        // Nothing selected: there is no fresh plan, or it is fresh and lacks what was named. Only who names nothing gets no items.
        if (items.Count == 0 && ScaleReading.Of(scales, new(space, ""), time) is ScaleReading.Stale none)
            await StatusAsync(context, ApiStatus.Of(503, none.Why));
        else if (items.Count == 0 && !selector.IsEmpty)
        {
            var problem = $"the plan has no ScaledModel in namespace '{space}' that labelSelector selects";
            await StatusAsync(context, ApiStatus.Of(404, problem, About(null)));
        }
        else
        {
            var list = new ExternalMetricValueList { Items = [.. items] };
            await JsonAsync(context, 200, list, ApiJson.Default.ExternalMetricValueList);
        }
    }

    private static Task NothingAsync(HttpContext context) =>
        StatusAsync(context, ApiStatus.Of(404, "the server could not find the requested resource"));

    private static Access MetricAccess(HttpContext context) => new()
    {
        // The verb the API server reads out of a GET that names no object; reading and watching are different rights.
        Verb = IsWatch(context) ? "watch" : "list",
        Namespace = (string)context.GetRouteValue("namespace")!,
        Resource = (string)context.GetRouteValue("metric")!,
    };

    private static Access PathAccess(HttpContext context) => new() { Verb = "get", Path = context.Request.Path.ToString() };

    private static ApiStatusDetails About(string? name) => new(name, BridgeNames.Group, BridgeNames.DesiredReplicas);

    private static bool IsWatch(HttpContext context) => context.Request.Query["watch"].ToString() is "true" or "1";

    // No Retry-After with any of these: the API machinery's client would wait and ask again where its caller has a period anyway.
    private static Task StatusAsync(HttpContext context, ApiStatus status) =>
        JsonAsync(context, status.Code, status, ApiJson.Default.ApiStatus);

    private static Task JsonAsync<T>(HttpContext context, int code, T value, JsonTypeInfo<T> type)
    {
        context.Response.StatusCode = code;
        return RawAsync(context, JsonSerializer.SerializeToUtf8Bytes(value, type));
    }

    private static async Task RawAsync(HttpContext context, byte[] json)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        await context.Response.Body.WriteAsync(json, context.RequestAborted);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "A caller of the metrics API could not be judged: {Problem} ({Cause})")]
    private static partial void LogReview(ILogger logger, string problem, string? cause);
}
