using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Plimsoll.ModelServer;

/// <summary>How long the parts of one run took.</summary>
internal readonly record struct RunTimes(TimeSpan Input, TimeSpan Compute, TimeSpan Output);

/// <summary>A loaded model. One run at a time: its threads are all the cores there are.</summary>
internal sealed class ModelSession(InferenceSession session, WeightMemory weights, TimeProvider clock) : IDisposable
{
    private const long OutputMost = 512L << 20;

    private readonly RunOptions _run = new();

    /// <exception cref="OnnxRuntimeException">The inputs do not suit the model.</exception>
    /// <exception cref="InferenceException">An output is too large to be answered.</exception>
    public (TensorData[] Outputs, RunTimes Times) Run(IReadOnlyList<TensorData> inputs, IReadOnlyList<Signature> outputs)
    {
        var start = clock.GetTimestamp();
        var pins = new List<GCHandle>(inputs.Count);
        var values = new List<OrtValue>(inputs.Count);
        try
        {
            foreach (var input in inputs)
            {
                var pin = GCHandle.Alloc(input.Data, GCHandleType.Pinned);
                pins.Add(pin);
                values.Add(OrtValue.CreateTensorValueWithData(OrtMemoryInfo.DefaultInstance, input.Type.Runtime,
                    input.Shape, pin.AddrOfPinnedObject(), input.Data.Length));
            }

            var computeStart = clock.GetTimestamp();
            using var results = session.Run(
                _run, [.. inputs.Select(input => input.Name)], values, [.. outputs.Select(output => output.Name)]);
            var outputStart = clock.GetTimestamp();
            var copied = outputs.Select((output, i) => Copy(output, results[i])).ToArray();
            var times = new RunTimes(clock.GetElapsedTime(start, computeStart),
                clock.GetElapsedTime(computeStart, outputStart), clock.GetElapsedTime(outputStart));
            return (copied, times);
        }
        finally
        {
            foreach (var value in values)
                value.Dispose();
            foreach (var pin in pins)
                pin.Free();
        }
    }

    public void Dispose()
    {
        _run.Dispose();
        session.Dispose();
        weights.Dispose();
    }

    private static TensorData Copy(Signature output, OrtValue value)
    {
        var shape = value.GetTensorTypeAndShape().Shape;
        var data = output.Type.Runtime switch
        {
            TensorElementType.Bool => Bytes<bool>(output.Name, value),
            TensorElementType.UInt8 => Bytes<byte>(output.Name, value),
            TensorElementType.UInt16 => Bytes<ushort>(output.Name, value),
            TensorElementType.UInt32 => Bytes<uint>(output.Name, value),
            TensorElementType.UInt64 => Bytes<ulong>(output.Name, value),
            TensorElementType.Int8 => Bytes<sbyte>(output.Name, value),
            TensorElementType.Int16 => Bytes<short>(output.Name, value),
            TensorElementType.Int32 => Bytes<int>(output.Name, value),
            TensorElementType.Int64 => Bytes<long>(output.Name, value),
            TensorElementType.Float16 => Bytes<Float16>(output.Name, value),
            TensorElementType.Float => Bytes<float>(output.Name, value),
            TensorElementType.Double => Bytes<double>(output.Name, value),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
        return new TensorData(output.Name, output.Type, shape, data);
    }

    // The runtime gives a span of no more than two billion values, wrong ones beyond, and an answer is text many times as long.
    private static byte[] Bytes<T>(string output, OrtValue value) where T : unmanaged
    {
        var bytes = value.GetTensorTypeAndShape().ElementCount * (long)Unsafe.SizeOf<T>();
        if (bytes is < 0 or > OutputMost)
            throw new InferenceException(413, $"output '{output}' takes {bytes} bytes, and at most {OutputMost} are answered; fewer rows, shorter inputs or other outputs would do");
        return MemoryMarshal.AsBytes(value.GetTensorDataAsSpan<T>()).ToArray();
    }
}
