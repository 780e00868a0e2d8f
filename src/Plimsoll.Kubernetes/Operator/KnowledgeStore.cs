using System.Text.Json;
using Plimsoll.Json;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>
/// What was learned, and what was weighed, kept in ConfigMaps so that the next leader has it wherever it runs: it decides from its first
/// turn on, whether the models' stores answer by then or not.
/// </summary>
public sealed class KnowledgeStore(KubernetesApi api, string space, string name, Action<string> log)
{
    private readonly PackedStore _learned = new(api, space, name + "-knowledge", "what was learned", log);
    private readonly PackedStore _weighed = new(api, space, name + "-weights", "what was weighed", log);
    private long _kept;

    /// <summary>What was learned; empty where nothing was kept, or nothing that can be read.</summary>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public async Task<Knowledge> ReadAsync(CancellationToken cancellationToken) => await _learned.ReadAsync(
        stream => JsonSerializer.Deserialize(stream, PlimsollJson.Default.Knowledge), cancellationToken).ConfigureAwait(false) ?? Knowledge.Empty;

    /// <summary>Keeps it; nothing to do when it is what is kept already.</summary>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public Task WriteAsync(Knowledge knowledge, Func<bool> mayWrite, CancellationToken cancellationToken) => _learned.WriteAsync(
        stream => JsonSerializer.Serialize(stream, knowledge, PlimsollJson.Default.Knowledge), mayWrite, cancellationToken);

    /// <summary>Tells what was weighed before; what it holds already stays.</summary>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public async Task ReadAsync(FootprintStore footprints, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(footprints);
        _kept = -1;
        if (await _weighed.ReadAsync(KeptFootprint.Read, cancellationToken).ConfigureAwait(false) is { } kept) footprints.Restore(kept);
    }

    /// <summary>Keeps what is weighed of sources that are named now.</summary>
    /// <exception cref="ApiException">The API server cannot be reached, or refuses.</exception>
    public async Task WriteAsync(FootprintStore footprints, Func<bool> mayWrite, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(footprints);
        // Weights hardly ever change, and those of thousands of models are megabytes to pack.
        var weighed = footprints.Weighed;
        if (weighed == _kept) return;
        await _weighed.WriteAsync(stream => KeptFootprint.Write(stream, footprints.Kept), mayWrite, cancellationToken).ConfigureAwait(false);
        _kept = weighed;
    }
}
