using System.Collections.Immutable;
using System.Threading.RateLimiting;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Kubernetes.Bridges.Callers;

/// <summary>
/// Who a caller is: the API server says so in headers, when it passes a request on under its front-proxy certificate; of all
/// others it is asked by TokenReview.
/// </summary>
internal sealed class CallerAuthentication(IKubernetes kubernetes, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(10);

    private readonly FrontProxyTrustSource _trust = new(kubernetes, time);
    private readonly BriefCache<Caller?> _tokens = new(Remembered, 4096, time);

    // Tokens come from strangers: however many they try, this many reviews run at once and as many again wait.
    private readonly ConcurrencyLimiter _reviews = new(new() { PermitLimit = 16, QueueLimit = 64 });

    /// <summary>Null when the caller shows nothing that is known.</summary>
    /// <exception cref="ReviewException">The API server could not be asked.</exception>
    public async ValueTask<Caller?> CallerOfAsync(HttpContext context)
    {
        var cancellationToken = context.RequestAborted;
        if (context.Connection.ClientCertificate is { } certificate)
        {
            var trust = await _trust.CurrentAsync(cancellationToken);
            if (trust.Trusts(certificate) && trust.CallerOf(context.Request.Headers) is { } caller) return caller;
        }

        const string scheme = "Bearer ";
        var authorization = context.Request.Headers.Authorization.ToString();
        return authorization.StartsWith(scheme, StringComparison.OrdinalIgnoreCase) && authorization[scheme.Length..].Trim() is { Length: > 0 } token
            ? await OwnerAsync(token, cancellationToken)
            : null;
    }

    /// <summary>Returns when the front proxy's trust is known.</summary>
    /// <exception cref="ReviewException">It isn't.</exception>
    public async Task CheckAsync(CancellationToken cancellationToken) => await _trust.CurrentAsync(cancellationToken);

    public void Dispose()
    {
        _trust.Dispose();
        _reviews.Dispose();
    }

    private async Task<Caller?> OwnerAsync(string token, CancellationToken cancellationToken)
    {
        var key = Digest.Of(token);
        if (_tokens.TryGet(key, out var known)) return known;
        using var permit = await _reviews.AcquireAsync(1, cancellationToken);
        if (!permit.IsAcquired) throw new ReviewException("too many tokens are being reviewed at once");
        if (_tokens.TryGet(key, out known)) return known;
        var review = await Review.AskAsync(
            end => kubernetes.AuthenticationV1.CreateTokenReviewAsync(
                new V1TokenReview { Spec = new V1TokenReviewSpec { Token = token } }, cancellationToken: end),
            "create tokenreviews.authentication.k8s.io",
            "the ClusterRoleBinding to system:auth-delegator",
            time,
            cancellationToken);
        var owner = review.Status is { Authenticated: true, User: { Username: { Length: > 0 } name } user }
            ? new Caller
            {
                Name = name,
                Uid = user.Uid,
                Groups = Caller.WithAuthenticated([.. user.Groups ?? []]),
                Extra = (user.Extra ?? new Dictionary<string, IList<string>>())
                    .ToImmutableSortedDictionary(pair => pair.Key, pair => pair.Value.ToImmutableArray(), StringComparer.Ordinal),
            }
            : null;
        _tokens.Add(key, owner);
        return owner;
    }
}
