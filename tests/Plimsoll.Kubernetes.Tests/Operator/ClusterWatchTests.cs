using k8s;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Against a server that refuses as it is told to, in virtual time: a real one refuses all at once, unless it is busy.</summary>
public sealed class ClusterWatchTests
{
    private const string Kinds = """{"resources":[{"name":"scaledmodels"}]}""";

    [Fact]
    public async Task Every_list_that_is_refused_is_named_those_refused_late_among_them()
    {
        var cancel = TestContext.Current.CancellationToken;
        var time = new FakeTimeProvider();
        var start = time.GetTimestamp();
        await using var server = await RefusingAsync(async path =>
        {
            // The first answer about nodes comes twenty seconds after the others.
            while (path == "/api/v1/nodes" && time.GetElapsedTime(start) < TimeSpan.FromSeconds(20)) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, cancel);
        });
        using var api = new KubernetesApi(new KubernetesClientConfiguration { Host = server.Urls.Single() }, TimeProvider.System);

        var starting = ClusterWatch.StartAsync(api, time, cancel);
        while (!starting.IsCompleted)
        {
            time.Advance(TimeSpan.FromMilliseconds(500));
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, cancel);
        }

        var refused = await Assert.ThrowsAsync<ApiException>(() => starting);
        foreach (var path in (string[])["api/v1/nodes", "api/v1/pods", "apis/plimsoll.dev/v1alpha1/scaledmodels", "apis/plimsoll.dev/v1alpha1/fleets"])
            Assert.Contains($"{path} could not be listed", refused.Message, StringComparison.Ordinal);
        Assert.InRange(time.GetElapsedTime(start).TotalSeconds, 30, 50);
    }

    private static async Task<WebApplication> RefusingAsync(Func<string, Task> wait)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        var application = builder.Build();
        application.Run(async context =>
        {
            var path = context.Request.Path.Value!;
            context.Response.ContentType = "application/json";
            if (path is "/version" or "/apis/plimsoll.dev/v1alpha1")
            {
                await context.Response.WriteAsync(path == "/version" ? """{"minor":"31"}""" : Kinds);
                return;
            }

            await wait(path);
            context.Response.StatusCode = path.Count(c => c == '/') < 4 && path.StartsWith("/apis/", StringComparison.Ordinal) ? 404 : 403;
            await context.Response.WriteAsync("""{"kind":"Status","status":"Failure","message":"not yours","reason":"Forbidden"}""");
        });
        await application.StartAsync(TestContext.Current.CancellationToken);
        return application;
    }
}
