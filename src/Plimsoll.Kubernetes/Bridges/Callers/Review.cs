using System.Net;
using System.Net.Sockets;
using k8s.Autorest;

namespace Plimsoll.Kubernetes.Bridges.Callers;

/// <summary>A question to the API server about a caller, whose failures become one sentence.</summary>
internal static class Review
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <exception cref="ReviewException">The server refuses, is not there, or takes longer than five seconds.</exception>
    public static async Task<T> AskAsync<T>(
        Func<CancellationToken, Task<T>> ask, string what, string permission, TimeProvider time, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Patience, time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            return await ask(end.Token);
        }
        catch (HttpOperationException problem) when (problem.Response?.StatusCode is HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
        {
            throw new ReviewException($"the operator may not {what}: {permission} is missing", problem);
        }
        catch (HttpOperationException problem)
        {
            throw new ReviewException($"the API server did not let the operator {what}: it answered {(int?)problem.Response?.StatusCode}", problem);
        }
        catch (Exception problem) when (problem is HttpRequestException or SocketException or IOException)
        {
            throw new ReviewException($"the API server is out of reach, so the operator cannot {what}", problem);
        }
        catch (OperationCanceledException problem) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ReviewException($"the API server took longer than {Patience.TotalSeconds} s to {what}", problem);
        }
    }
}
