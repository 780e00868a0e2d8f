using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>Replicas to be written for one target.</summary>
/// <param name="Target">What is scaled.</param>
/// <param name="Replicas">As many as there are to be.</param>
internal sealed record ScaleRequest(ResolvedModel Target, int Replicas) : WriteRequest
{
    public override string Key { get; } = SnapshotBuilder.KeyOf(Target.Workload!);

    public override string Over => Target.Workload!.ResourceVersion;
}

/// <summary>Writes replicas into scale subresources, beside the turns.</summary>
internal sealed class ScaleWriter
{
    private readonly KubernetesFleetParts _parts;
    private readonly WriteQueue<ScaleRequest> _queue;

    public ScaleWriter(KubernetesFleetParts parts)
    {
        _parts = parts;
        _queue = new WriteQueue<ScaleRequest>(parts, WriteAsync);
    }

    /// <summary>Replicas the target is asked for: what we ask, until the watch shows it or it should have.</summary>
    public int Asked(ResolvedModel target) =>
        _queue.Asked(SnapshotBuilder.KeyOf(target.Workload!), target.Workload!.ResourceVersion, _parts.Cluster.ListOf(target.Workload.Kind))?.Replicas ?? target.Workload!.Replicas;

    /// <summary>What the server refused since the call before.</summary>
    public IEnumerable<(ModelId Model, string Why, DateTimeOffset At)> TakeRefused() => _queue.TakeRefused().Select(one => (one.Request.Target.Id, one.Why, one.At));

    /// <inheritdoc cref="WriteQueue{T}.WriteAsync(IReadOnlyList{T}, IReadOnlySet{string}, CancellationToken)"/>
    public Task<IReadOnlySet<string>> WriteAsync(IReadOnlyList<ScaleRequest> due, IReadOnlySet<string> ours, CancellationToken cancellationToken) =>
        _queue.WriteAsync(due, ours, cancellationToken);

    /// <inheritdoc cref="WriteQueue{T}.EndAsync"/>
    public Task EndAsync() => _queue.EndAsync();

    private async Task WriteAsync(ScaleRequest request, CancellationToken cancellationToken)
    {
        var workload = request.Target.Workload!;
        var body = Encoding.UTF8.GetBytes(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = request.Replicas } }.ToJsonString());
        try
        {
            using var written = await _parts.Cluster.Api.PatchAsync(request.Target.ScalePath!, body, PatchKind.Merge, cancellationToken).ConfigureAwait(false);
            _parts.Log($"{request.Target.Id}: {workload.Kind} {workload.Name.Name} is asked for {request.Replicas} replicas");
        }
        catch (ApiException refused) when (refused.Status != HttpStatusCode.Conflict)
        {
            _parts.Log($"{request.Target.Id}: {refused.Message}");
            throw;
        }
    }
}
