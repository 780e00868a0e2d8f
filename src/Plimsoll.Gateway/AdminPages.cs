using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway;

/// <summary>Health and metrics, on a port of their own.</summary>
internal static class AdminPages
{
    public static Task InvokeAsync(HttpContext context, Router router, Func<string?>? trouble, Func<HttpContext, Task?>? pages)
    {
        if (pages?.Invoke(context) is { } answered) return answered;
        switch (context.Request.Path.Value)
        {
            case "/healthz":
                // Not a failure: requests are served, and whoever watches must not restart us for it.
                return context.Response.WriteAsync(trouble?.Invoke() is { } what ? $"ok\n{what}\n" : "ok\n");
            case "/metrics":
                context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
                return context.Response.WriteAsync(Metrics(router));
            default:
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return context.Response.WriteAsync("/healthz and /metrics are served here\n");
        }
    }

    public static Task RefuseAsync(HttpContext context, string why)
    {
        context.Response.StatusCode = StatusCodes.Status403Forbidden;
        return context.Response.WriteAsync(why + "\n");
    }

    internal static string Metrics(Router router)
    {
        var text = new StringBuilder();
        var queues = router.Queues.ToArray();
        void Family(string name, string type, string help, Func<ModelQueue, IEnumerable<(string Labels, double Value)>> rows)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");
            foreach (var queue in queues)
            {
                lock (queue.Gate)
                {
                    foreach (var (labels, value) in rows(queue))
                        text.Append(CultureInfo.InvariantCulture, $"{name}{labels} {value:R}\n");
                }
            }
        }

        static string Label(ModelQueue queue, string more = "") => $"{{model=\"{Escape(queue.Route.Model.Value)}\"{more}}}";
        Family("plimsoll_gateway_requests_total", "counter", "Requests that arrived and count as demand.",
            queue => [(Label(queue), queue.Counter.Totals.Arrivals)]);
        Family("plimsoll_gateway_requests_ended_total", "counter", "Requests that ended, by how.", queue =>
        [
            (Label(queue, ",end=\"completed\""), queue.Counter.Totals.Completed),
            (Label(queue, ",end=\"failed\""), queue.Counter.Totals.Failed),
            (Label(queue, ",end=\"abandoned\""), queue.Counter.Totals.Abandoned),
            (Label(queue, ",end=\"rejected\""), queue.Counter.Totals.Rejected),
        ]);
        Family("plimsoll_gateway_requests_held_total", "counter", "Requests that had to wait for a replica.",
            queue => [(Label(queue), queue.Counter.Totals.Held)]);
        Family("plimsoll_gateway_requests_waiting", "gauge", "Requests that wait for a replica now.",
            queue => [(Label(queue), queue.Waiting.Count)]);
        Family("plimsoll_gateway_replica_outstanding", "gauge", "Requests in a replica now.",
            queue => queue.Replicas.Select(replica =>
                (Label(queue, $",replica=\"{Escape(replica.Route.Replica.Value)}\""), (double)replica.Outstanding)));
        text.Append("# HELP plimsoll_gateway_request_duration_seconds From a request's first byte to its response's last.\n");
        text.Append("# TYPE plimsoll_gateway_request_duration_seconds histogram\n");
        foreach (var queue in queues)
        {
            lock (queue.Gate) Histogram(text, queue, Label);
        }

        return text.ToString();
    }

    private static void Histogram(StringBuilder text, ModelQueue queue, Func<ModelQueue, string, string> label)
    {
        const string Name = "plimsoll_gateway_request_duration_seconds";
        var totals = queue.Counter.Totals;
        var below = 0L;
        for (var i = 0; i < totals.Buckets.Length; i++)
        {
            below += totals.Buckets[i];
            var bound = i < ModelTotals.Bounds.Length ? ModelTotals.Bounds[i].ToString("R", CultureInfo.InvariantCulture) : "+Inf";
            text.Append(CultureInfo.InvariantCulture, $"{Name}_bucket{label(queue, $",le=\"{bound}\"")} {below}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"{Name}_sum{label(queue, "")} {totals.LatencySeconds:R}\n");
        text.Append(CultureInfo.InvariantCulture, $"{Name}_count{label(queue, "")} {below}\n");
    }

    private static string Escape(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
