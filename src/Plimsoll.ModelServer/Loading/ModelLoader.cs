using Microsoft.ML.OnnxRuntime;
using Plimsoll.Artifacts;
using SessionOptions = Microsoft.ML.OnnxRuntime.SessionOptions;

namespace Plimsoll.ModelServer;

/// <summary>How long each stage of a load took, and how many bytes were read.</summary>
internal sealed record LoadTimes(TimeSpan Read, TimeSpan Initialise, TimeSpan WarmUp, long Bytes);

/// <summary>
/// Loads a model so that time and memory follow from its size: the weights are read here, through the declared rate
/// limit, straight into the memory in which ONNX Runtime then uses them. Nothing is copied and nothing is mapped,
/// so a warm page cache makes no load faster than the limit allows, and the peak is close to the steady state.
/// </summary>
internal sealed class ModelLoader(ServerOptions options, TimeProvider clock)
{
    // The skeleton goes through protobuf, whose messages end at 2^31 - 1 bytes.
    private const long SkeletonBytesMax = int.MaxValue;

    /// <exception cref="ArtifactException">The file changed or ended while it was read, or ONNX Runtime refuses it.</exception>
    public async Task<(ModelSession Session, TimeSpan Read, TimeSpan Initialise, long Bytes)> LoadAsync(
        OnnxHeader header, CancellationToken cancel)
    {
        var skeleton = OnnxSkeleton.Of(header);
        if (skeleton.SkeletonBytes > SkeletonBytesMax)
        {
            throw new ArtifactException(
                $"{header.Path} keeps {skeleton.SkeletonBytes} bytes outside raw tensors, and ONNX Runtime takes 2 GB.");
        }

        var start = clock.GetTimestamp();
        var limit = new ReadLimit(options.LoadBytesPerSecond, clock);
        var graph = await ReadSkeletonAsync(header.Path, skeleton, limit, cancel);
        var weights = new WeightMemory(skeleton.WeightMemoryBytes);
        try
        {
            await ReadWeightsAsync(skeleton, weights, limit, cancel);
            await limit.SettleAsync(cancel);
            var readTime = clock.GetElapsedTime(start);
            cancel.ThrowIfCancellationRequested();
            start = clock.GetTimestamp();
            var session = Open(header, graph, weights, cancel);
            var bytes = skeleton.Weights.Sum(weight => weight.Bytes) + skeleton.SkeletonBytes;
            return (new ModelSession(session, weights, clock), readTime, clock.GetElapsedTime(start), bytes);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private InferenceSession Open(OnnxHeader header, byte[] graph, WeightMemory weights, CancellationToken cancel)
    {
        using var session = new SessionOptions
        {
            IntraOpNumThreads = options.Threads,
            InterOpNumThreads = 1,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            // The arena and the pattern planner keep the largest activations ever seen; replicas that idle should not.
            EnableCpuMemArena = false,
            EnableMemoryPattern = false,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        // A spinning pool burns a core while nothing is asked of it.
        session.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        session.AddSessionConfigEntry("session.inter_op.allow_spinning", "0");
        session.AddSessionConfigEntry("session.use_external_initializer_file_buffers_directly", "1");
        session.AddSessionConfigEntry("session.disable_prepacking", options.Prepack ? "0" : "1");
        OrtNative.AddExternalFile(session, OnnxSkeleton.WeightsName, weights.Address, weights.Bytes);
        using var stop = cancel.Register(() => session.SetLoadCancellationFlag(true));
        try
        {
            return new InferenceSession(graph, session);
        }
        catch (OnnxRuntimeException) when (cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancel);
        }
        catch (OnnxRuntimeException e)
        {
            throw new ArtifactException($"{header.Path} is refused by ONNX Runtime: {OrtErrors.Sentence(e)}", e);
        }
    }

    private static async Task<byte[]> ReadSkeletonAsync(
        string path, OnnxSkeleton skeleton, ReadLimit limit, CancellationToken cancel)
    {
        var graph = new byte[skeleton.SkeletonBytes];
        using var file = new LimitedFile(path, limit);
        var at = 0;
        foreach (var piece in skeleton.Pieces)
        {
            if (piece.Replacement is { } replacement)
                replacement.CopyTo(graph, at);
            else
                await file.ReadAsync(piece.Offset, piece.Bytes, (done, bytes) => graph.AsSpan(at + (int)done, bytes), cancel);
            at += (int)piece.Length;
        }

        return graph;
    }

    private static async Task ReadWeightsAsync(
        OnnxSkeleton skeleton, WeightMemory memory, ReadLimit limit, CancellationToken cancel)
    {
        foreach (var group in skeleton.Weights.GroupBy(weight => weight.File, StringComparer.Ordinal))
        {
            using var file = new LimitedFile(group.Key, limit);
            foreach (var weight in group)
            {
                await file.ReadAsync(weight.FileOffset, weight.Bytes,
                    (done, bytes) => memory.Slice(weight.MemoryOffset + done, bytes), cancel);
            }
        }
    }
}
