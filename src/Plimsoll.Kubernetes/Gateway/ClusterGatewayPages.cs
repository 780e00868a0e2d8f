using System.Globalization;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Kubernetes.Gateway;

/// <summary>
/// What a gateway in a cluster tells beside its health and its own metrics: /readyz, and for the operator /demand (all
/// that was counted since its start) and /demand/held, which answers as soon as a request waits for a model at zero.
/// </summary>
internal sealed class ClusterGatewayPages(ClusterGateway gateway, TimeProvider time)
{
    // A proxy on the way might not keep a silent connection for longer.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(10);

    // Those who wait at once: the operators, and hardly more.
    private const int WaitingMax = 32;

    private int _waiting;
    private readonly string _instance = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
    private readonly long _started = time.GetTimestamp();

    /// <summary>Null for a path that is not one of these.</summary>
    public Task? Answer(HttpContext context) => context.Request.Path.Value switch
    {
        "/readyz" => ReadyAsync(context),
        "/demand" => DemandAsync(context),
        "/demand/held" => HeldAsync(context),
        _ => null,
    };

    private Task ReadyAsync(HttpContext context)
    {
        var unready = gateway.Unready;
        context.Response.StatusCode = unready is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(unready ?? $"ok\n{gateway.Table.Owners.Count} models, the cluster seen {Durations.Show(gateway.Outdated)} ago\n");
    }

    private async Task DemandAsync(HttpContext context)
    {
        // Before the first table it knows no model, which is not the same as that nobody asked for one.
        if (!gateway.HasTable)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        var table = gateway.Table;
        var sample = new DemandSample
        {
            Instance = _instance,
            Uptime = time.GetElapsedTime(_started),
            Wakes = gateway.Router.Wakes,
            Models = gateway.Router.Totals(time.GetUtcNow()).Where(row => table.Owners.ContainsKey(row.Model.Value))
                .ToDictionary(row => table.Owners[row.Model.Value].ModelId, row => GatewayCounts.Of(row, table.Untimed.Contains(table.Owners[row.Model.Value]))),
        };
        var json = sample.Write();
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = json.Length;
        await context.Response.Body.WriteAsync(json, context.RequestAborted).ConfigureAwait(false);
    }

    private async Task HeldAsync(HttpContext context)
    {
        if (!long.TryParse(context.Request.Query["past"].ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var past))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsync("past: the wakes of the last /demand would do\n").ConfigureAwait(false);
            return;
        }

        try
        {
            if (Interlocked.Increment(ref _waiting) > WaitingMax)
            {
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return;
            }

            using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, gateway.Over);
            limit.CancelAfter(LongestWait);
            await gateway.Router.WaitForWakeAsync(past, limit.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (context.RequestAborted.IsCancellationRequested) return;
            context.Response.StatusCode = gateway.Router.Wakes > past ? StatusCodes.Status200OK : StatusCodes.Status204NoContent;
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }
}
