using System.Globalization;
using System.Threading.RateLimiting;
using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Bridges.Callers;

/// <summary>Whether a caller may: the API server is asked by SubjectAccessReview and its answer kept for ten seconds.</summary>
internal sealed class CallerAuthorization(IKubernetes kubernetes, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(10);

    private readonly BriefCache<bool> _answers = new(Remembered, 4096, time);
    private readonly ConcurrencyLimiter _reviews = new(new() { PermitLimit = 16, QueueLimit = 1024 });

    /// <exception cref="ReviewException">The API server could not be asked.</exception>
    public async ValueTask<bool> MayAsync(Caller caller, Access access, CancellationToken cancellationToken)
    {
        var key = Digest.Of(Parts(caller, access));
        if (_answers.TryGet(key, out var known)) return known;
        using var permit = await _reviews.AcquireAsync(1, cancellationToken);
        if (!permit.IsAcquired) throw new ReviewException("too many requests are being reviewed at once");
        if (_answers.TryGet(key, out known)) return known;
        var review = await Review.AskAsync(
            end => kubernetes.AuthorizationV1.CreateSubjectAccessReviewAsync(
                new V1SubjectAccessReview { Spec = Question(caller, access) }, cancellationToken: end),
            "create subjectaccessreviews.authorization.k8s.io",
            "the ClusterRoleBinding to system:auth-delegator",
            time,
            cancellationToken);
        var may = review.Status is { Allowed: true } and not { Denied: true };
        _answers.Add(key, may);
        return may;
    }

    public void Dispose() => _reviews.Dispose();

    private static V1SubjectAccessReviewSpec Question(Caller caller, Access access) => new()
    {
        User = caller.Name,
        Uid = caller.Uid,
        Groups = [.. caller.Groups],
        Extra = caller.Extra.ToDictionary(pair => pair.Key, pair => (IList<string>)[.. pair.Value]),
        ResourceAttributes = access.Resource is null ? null : new()
        {
            Group = BridgeNames.Group,
            Version = BridgeNames.Version,
            Resource = access.Resource,
            NamespaceProperty = access.Namespace,
            Verb = access.Verb,
        },
        NonResourceAttributes = access.Path is null ? null : new() { Path = access.Path, Verb = access.Verb },
    };

    /// <summary>Everything the answer depends on, each list with its length before it.</summary>
    private static IEnumerable<string?> Parts(Caller caller, Access access) =>
    [
        access.Verb, access.Namespace, access.Resource, access.Path, caller.Name, caller.Uid,
        Count(caller.Groups.Length), .. caller.Groups,
        .. caller.Extra.SelectMany(pair => (string[])[pair.Key, Count(pair.Value.Length), .. pair.Value]),
    ];

    private static string Count(int length) => length.ToString(CultureInfo.InvariantCulture);
}
