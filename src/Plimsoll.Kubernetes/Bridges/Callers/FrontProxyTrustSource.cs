using k8s;

namespace Plimsoll.Kubernetes.Bridges.Callers;

/// <summary>Reads the front proxy's trust from the cluster, once a minute as long as somebody asks.</summary>
internal sealed class FrontProxyTrustSource(IKubernetes kubernetes, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim _one = new(1);
    private volatile Reading? _last;

    /// <summary>The trust as last read.</summary>
    /// <exception cref="ReviewException">It could never be read.</exception>
    public async ValueTask<FrontProxyTrust> CurrentAsync(CancellationToken cancellationToken)
    {
        var last = _last;
        if (last is not null && time.GetElapsedTime(last.Since) < last.Lifetime) return last.Value();

        // While one reads again, the others go on with what was read before.
        if (!await _one.WaitAsync(last?.Trust is null ? Timeout.InfiniteTimeSpan : TimeSpan.Zero, cancellationToken)) return last!.Value();
        try
        {
            last = _last;
            if (last is null || time.GetElapsedTime(last.Since) >= last.Lifetime) _last = last = await ReadAsync(last?.Trust, cancellationToken);
            return last.Value();
        }
        finally
        {
            _one.Release();
        }
    }

    public void Dispose() => _one.Dispose();

    private async Task<Reading> ReadAsync(FrontProxyTrust? before, CancellationToken cancellationToken)
    {
        try
        {
            return await Review.AskAsync(
                async token =>
                {
                    var map = await kubernetes.CoreV1.ReadNamespacedConfigMapAsync(
                        "extension-apiserver-authentication", "kube-system", cancellationToken: token);
                    return new Reading(new FrontProxyTrust(map.Data), null, time.GetTimestamp(), Fresh);
                },
                "read the ConfigMap kube-system/extension-apiserver-authentication",
                "the RoleBinding in kube-system to the Role extension-apiserver-authentication-reader",
                time,
                cancellationToken);
        }
        catch (ReviewException problem)
        {
            return new Reading(before, problem.Message, time.GetTimestamp(), Retry);
        }
    }

    private sealed record Reading(FrontProxyTrust? Trust, string? Problem, long Since, TimeSpan Lifetime)
    {
        public FrontProxyTrust Value() => Trust ?? throw new ReviewException(Problem!);
    }
}
