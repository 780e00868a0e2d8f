using System.Collections.Concurrent;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// What size and hardware say of replicas' pace (<see cref="ServicePriors"/>), computed in the background, one after the other:
/// thousands of models at the start must not hold up the planning of those that are known. What was computed is kept.
/// </summary>
public sealed class PaceStore
{
    private const int PacesMax = 50_000;

    private readonly ConcurrentDictionary<object, Lazy<Task<ServicePrior?>>> _known = new();
    private readonly Lock _gate = new();
    private Task _last = Task.CompletedTask;

    /// <summary>False while it is being computed; true with null where nothing tells.</summary>
    public bool TryFind(Footprint footprint, FitReport fit, Slo slo, TypicalLengths lengths, out ServicePrior? prior)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(fit);
        ArgumentNullException.ThrowIfNull(slo);
        prior = null;
        if (footprint.Shape is not { } shape || !fit.Fits) return true;
        var variant = fit.Variant;
        var asked = new Asked(
            StepCalibration.ModelKey(shape), footprint.Weights, footprint.KvPerToken, fit.KvTokens, variant.Device.Name, variant.Engine.ToString(),
            (variant.TensorParallel, variant.PipelineParallel, variant.ExpertParallel, variant.KvDtype, variant.MaxSequences, variant.MaxBatchedTokens, variant.Context), slo, lengths);
        return TryFind(asked, () => ServicePriors.Of(footprint, fit, slo, lengths), out prior);
    }

    /// <summary>The same of a model that answers at once, by what was measured of it.</summary>
    public bool TryFind(BatchProfile profile, int concurrency, Slo slo, out ServicePrior? prior) =>
        TryFind((profile, concurrency, slo), () => ServicePriors.Of(profile, concurrency, slo), out prior);

    private bool TryFind(object asked, Func<ServicePrior?> compute, out ServicePrior? prior)
    {
        prior = null;
        if (_known.Count >= PacesMax) _known.Clear();
        var work = _known.GetOrAdd(asked, _ => new Lazy<Task<ServicePrior?>>(() => Queue(compute))).Value;
        if (!work.IsCompleted) return false;
        prior = work.IsCompletedSuccessfully ? work.Result : null;
        return true;
    }

    private Task<ServicePrior?> Queue(Func<ServicePrior?> compute)
    {
        lock (_gate)
        {
            var work = _last.ContinueWith(_ => compute(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            _last = work;
            return work;
        }
    }

    // Fine-tunes of one model are as fast as it.
    private sealed record Asked(
        string Model, Bytes Weights, Bytes KvPerToken, long KvTokens, string Device, string Engine,
        (int Tensor, int Pipeline, int Expert, string KvDtype, int? Sequences, int? StepTokens, long Context) Variant, Slo Slo, TypicalLengths Lengths);
}
