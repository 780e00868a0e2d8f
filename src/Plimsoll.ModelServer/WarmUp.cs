using Microsoft.ML.OnnxRuntime;

namespace Plimsoll.ModelServer;

/// <summary>Runs the model a few times before it counts as ready, so that no client pays for first-time work.</summary>
internal static class WarmUp
{
    // A short and a long sequence take different paths through the matrix kernels.
    private static readonly int[] Lengths = [8, 64];

    /// <summary>Feeds zeros. Models that refuse zeros of these lengths are served all the same.</summary>
    public static void Run(ServedModel model, ModelSession session)
    {
        foreach (var length in Lengths)
        {
            var inputs = model.Inputs.Select(input => Zeros(input, length)).ToArray();
            // Models with huge fixed axes would make the warm-up the largest request ever.
            if (inputs.Any(input => input is null))
                return;
            try
            {
                session.Run(inputs!, model.Outputs);
            }
            catch (OnnxRuntimeException)
            {
                // Only the model's own clients know what it accepts.
            }
        }
    }

    private static TensorData? Zeros(Signature input, int length)
    {
        const long bytesMax = 64 << 20;
        // The first open axis is the batch: one row. Others are lengths.
        long[] shape = [.. input.Shape.Select((axis, i) => axis >= 0 ? axis : i == 0 ? 1 : length)];
        var bytes = shape.Aggregate((Int128)input.Type.Bytes, (product, axis) => product * axis);
        return bytes > bytesMax ? null : new TensorData(input.Name, input.Type, shape, new byte[(long)bytes]);
    }
}
