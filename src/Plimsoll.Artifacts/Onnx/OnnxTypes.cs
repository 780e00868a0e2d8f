using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>An operator set that the model imports; an empty domain is ONNX's own.</summary>
public sealed record OnnxOpset(string Domain, long Version);

/// <summary>One axis: a known length, or a name ("batch"), or neither when it is merely unknown.</summary>
public sealed record OnnxDimension(long? Length, string? Name)
{
    public bool IsDynamic => Length is null;
}

/// <summary>A graph's input or output. <see cref="Dimensions"/> is null when the model declares no shape, and
/// <see cref="Type"/> is Undefined when the value is not a dense tensor.</summary>
public sealed record OnnxValue(string Name, OnnxDataType Type, ImmutableArray<OnnxDimension>? Dimensions);

/// <summary>Where a tensor's bytes lie.</summary>
public enum OnnxStorage
{
    /// <summary>In the model file, as little-endian raw bytes at a known offset.</summary>
    Raw,

    /// <summary>In the model file, as protobuf's typed fields (or without any data): no contiguous raw bytes.</summary>
    Typed,

    /// <summary>In another file beside the model.</summary>
    External,
}

/// <summary>A weight. <see cref="Bytes"/> is what it takes in memory; <see cref="File"/> and
/// <see cref="Offset"/> say where its raw bytes begin (offset -1 for typed storage).
/// <see cref="RecordStart"/> and <see cref="RecordEnd"/> bound the whole protobuf field that declares it.</summary>
public sealed record OnnxTensor(
    string Name,
    OnnxDataType Type,
    ImmutableArray<long> Dimensions,
    long Elements,
    long Bytes,
    OnnxStorage Storage,
    string File,
    long Offset,
    long RecordStart,
    long RecordEnd);
