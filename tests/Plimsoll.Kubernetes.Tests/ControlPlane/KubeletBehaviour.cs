using k8s.Models;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>How long a stand-in kubelet's pods take, and what they answer. The functions are asked anew each time.</summary>
public sealed record KubeletBehaviour
{
    /// <summary>From Running to Ready: the server's load.</summary>
    public Func<V1Pod, TimeSpan> LoadTime { get; init; } = _ => TimeSpan.Zero;

    /// <summary>From the signal to stop to the end; the pod's grace period cuts it short.</summary>
    public Func<V1Pod, TimeSpan> StopTime { get; init; } = _ => TimeSpan.Zero;

    /// <summary>
    /// What a ready pod answers to GET /metrics, in Prometheus' text format; it answers 200 to everything else.
    /// It listens on its own address and on its first container's first port, else on <see cref="Workloads.Port"/>;
    /// as with real model servers nothing listens before it is ready.
    /// </summary>
    public Func<V1Pod, string>? Metrics { get; init; }

    /// <summary>
    /// All that a ready pod answers, instead of <see cref="Metrics"/>: to hang, to lie, to reset (context.Abort()). Of a pod
    /// for which it gives null nothing listens.
    /// </summary>
    public Func<V1Pod, RequestDelegate?>? Serve { get; init; }

    /// <summary>Which nodes it stands in for, by name; all that its pods are bound to, unless said otherwise.</summary>
    public Func<string, bool> OwnsNode { get; init; } = _ => true;

    /// <summary>A load of <paramref name="least"/> and the weights' bytes over a bandwidth, to give as <see cref="LoadTime"/>.</summary>
    public static Func<V1Pod, TimeSpan> Loading(TimeSpan least, Func<V1Pod, long> weightBytes, double bytesPerSecond) =>
        pod => least + TimeSpan.FromSeconds(weightBytes(pod) / bytesPerSecond);

    internal RequestDelegate? Server(V1Pod pod)
    {
        if (Serve?.Invoke(pod) is { } server) return server;
        if (Metrics is not { } metrics) return null;
        return context =>
        {
            if (context.Request.Path != "/metrics") return Task.CompletedTask;
            context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
            return context.Response.WriteAsync(metrics(pod), context.RequestAborted);
        };
    }
}
