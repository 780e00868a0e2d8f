using System.Collections.Concurrent;
using System.Net;
using k8s;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>
/// An API server of a few objects that never change, which refuses and ends watches as it is told to: a real one does so when it is busy. It takes
/// all writes that it is not told to refuse, and only notes them.
/// </summary>
internal sealed class FixedServer : IAsyncDisposable
{
    // Of a path, when it was refused; whoever watches it then is cut off.
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _refused = new(StringComparer.Ordinal);
    private readonly WebApplication _application;

    private FixedServer(WebApplication application) => _application = application;

    /// <summary>By the path of a list, its objects as JSON ("{…},{…}").</summary>
    public ConcurrentDictionary<string, string> Items { get; } = new(StringComparer.Ordinal);

    /// <summary>By the path of a group and version, the kinds that it has.</summary>
    public ConcurrentDictionary<string, string[]> Kinds { get; } = new(StringComparer.Ordinal)
    {
        ["apis/plimsoll.dev/v1alpha1"] = ["scaledmodels", "fleets", "plannedjobs"],
        ["apis/batch/v1"] = ["jobs"],
    };

    /// <summary>Lines that a watch of a path from a place is answered with before it ends; null where it goes on without a word.</summary>
    public Func<string, string, string[]?> Watched { get; set; } = (_, _) => null;

    /// <summary>Which writes are refused.</summary>
    public Func<string, bool> RefusesWrite { get; set; } = _ => false;

    /// <summary>Paths that were written to.</summary>
    public ConcurrentQueue<string> Writes { get; } = [];

    public KubernetesClientConfiguration Configuration => new() { Host = _application.Urls.Single() };

    public static async Task<FixedServer> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var application = builder.Build();
        var server = new FixedServer(application);
        application.Run(server.AnswerAsync);
        await application.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    /// <summary>A watch of it that has listed all; the clock goes on by itself until then.</summary>
    public static async Task<ClusterWatch> WatchAsync(KubernetesApi api, FakeTimeProvider time, CancellationToken cancel)
    {
        var starting = ClusterWatch.StartAsync(api, time, cancel);
        while (!starting.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(200));
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancel);
        }

        return await starting;
    }

    /// <summary>Refuses lists and watches of a path from now on.</summary>
    public void Refuse(string path) => Refused(path).TrySetResult();

    public async ValueTask DisposeAsync()
    {
        foreach (var path in Items.Keys.ToArray()) Refuse(path);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _application.StopAsync(limit.Token);
        await _application.DisposeAsync();
    }

    private TaskCompletionSource Refused(string path) => _refused.GetOrAdd(path, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value![1..];
        context.Response.ContentType = "application/json";
        if (context.Request.Method != HttpMethods.Get)
        {
            Writes.Enqueue(path);
            if (RefusesWrite(path)) context.Response.StatusCode = StatusCodes.Status422UnprocessableEntity;
            await context.Response.WriteAsync(RefusesWrite(path) ? """{"kind":"Status","status":"Failure","message":"not so","reason":"Invalid"}""" : "{}");
        }
        else if (path == "version") await context.Response.WriteAsync("""{"minor":"31"}""");
        else if (Kinds.TryGetValue(path, out var kinds))
            await context.Response.WriteAsync($$"""{"resources":[{{string.Join(',', kinds.Select(kind => $$"""{"name":"{{kind}}"}"""))}}]}""");
        else if (path.Count(c => c == '/') < 3 && path.StartsWith("apis/", StringComparison.Ordinal))
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            await context.Response.WriteAsync("""{"kind":"Status","status":"Failure","message":"no such kind","reason":"NotFound"}""");
        }
        else if (Refused(path).Task.IsCompleted)
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            await context.Response.WriteAsync("""{"kind":"Status","status":"Failure","message":"not yours","reason":"Forbidden"}""");
        }
        else if (context.Request.Query.ContainsKey("watch")) await WatchAsync(context, path);
        else await context.Response.WriteAsync($$"""{"metadata":{"resourceVersion":"1"},"items":[{{Items.GetValueOrDefault(path, "")}}]}""");
    }

    private async Task WatchAsync(HttpContext context, string path)
    {
        var lines = Watched(path, context.Request.Query["resourceVersion"].ToString());
        foreach (var line in lines ?? []) await context.Response.WriteAsync(line + "\n");
        await context.Response.Body.FlushAsync();
        if (lines is not null) return;
        await Task.WhenAny(Refused(path).Task, Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
        context.Abort();
    }
}
