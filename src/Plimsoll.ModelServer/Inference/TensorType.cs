using System.Collections.Frozen;
using Microsoft.ML.OnnxRuntime.Tensors;
using Plimsoll.Artifacts;

namespace Plimsoll.ModelServer;

/// <summary>An element type under its three names: the protocol's, ONNX's and ONNX Runtime's.</summary>
internal sealed record TensorType(string Protocol, OnnxDataType Onnx, TensorElementType Runtime, int Bytes)
{
    private static readonly TensorType[] All =
    [
        new("BOOL", OnnxDataType.Boolean, TensorElementType.Bool, 1),
        new("UINT8", OnnxDataType.UInt8, TensorElementType.UInt8, 1),
        new("UINT16", OnnxDataType.UInt16, TensorElementType.UInt16, 2),
        new("UINT32", OnnxDataType.UInt32, TensorElementType.UInt32, 4),
        new("UINT64", OnnxDataType.UInt64, TensorElementType.UInt64, 8),
        new("INT8", OnnxDataType.Int8, TensorElementType.Int8, 1),
        new("INT16", OnnxDataType.Int16, TensorElementType.Int16, 2),
        new("INT32", OnnxDataType.Int32, TensorElementType.Int32, 4),
        new("INT64", OnnxDataType.Int64, TensorElementType.Int64, 8),
        new("FP16", OnnxDataType.Float16, TensorElementType.Float16, 2),
        new("FP32", OnnxDataType.Float32, TensorElementType.Float, 4),
        new("FP64", OnnxDataType.Float64, TensorElementType.Double, 8),
    ];

    private static readonly FrozenDictionary<OnnxDataType, TensorType> ByOnnx = All.ToFrozenDictionary(type => type.Onnx);

    /// <summary>The type, or null when the protocol's JSON has no plain numbers for it (text, complex, 8-bit floats).</summary>
    public static TensorType? Of(OnnxDataType type) => ByOnnx.GetValueOrDefault(type);
}

/// <summary>An input or output of the served model.</summary>
internal sealed record Signature(string Name, TensorType Type, long[] Shape)
{
    /// <summary>Whether the first axis is open, so that requests can be stacked along it.</summary>
    public bool IsBatched => Shape.Length > 0 && Shape[0] < 0;
}

/// <summary>Values with their shape; <paramref name="Data"/> is what ONNX Runtime sees, little-endian.</summary>
internal sealed record TensorData(string Name, TensorType Type, long[] Shape, byte[] Data);
