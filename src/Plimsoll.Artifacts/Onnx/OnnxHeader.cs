using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>
/// What an ONNX file says about itself, read without touching its tensors' data: a 2 GB model's header takes
/// milliseconds. The file is untrusted: every count, length, depth and path in it is bounded.
/// </summary>
public sealed record OnnxHeader
{
    public required string Path { get; init; }

    public required long IrVersion { get; init; }

    public required string Producer { get; init; }

    public required ImmutableArray<OnnxOpset> Opsets { get; init; }

    /// <summary>The graph's real inputs: those that no initialiser gives a value to.</summary>
    public required ImmutableArray<OnnxValue> Inputs { get; init; }

    public required ImmutableArray<OnnxValue> Outputs { get; init; }

    public required int NodeCount { get; init; }

    /// <summary>The main graph's initialisers, in file order.</summary>
    public required ImmutableArray<OnnxTensor> Initializers { get; init; }

    /// <summary>Tensors held elsewhere: in nodes' attributes (Constant), subgraphs, functions, sparse initialisers.</summary>
    public required ImmutableArray<OnnxTensor> EmbeddedTensors { get; init; }

    /// <summary>The model file first, then its external data files by name.</summary>
    public required ImmutableArray<ModelFile> Files { get; init; }

    /// <summary>Where the GraphProto's own field starts, and where its content starts and ends, in the model file.</summary>
    public required (long FieldStart, long ContentStart, long End) GraphRange { get; init; }

    public long FileBytes => Files.Sum(file => file.Bytes);

    /// <summary>Elements of all floating, quantised and other weights together.</summary>
    public long ParameterCount => AllTensors.Sum(tensor => tensor.Elements);

    /// <summary>Bytes that the tensors take in memory.</summary>
    public long TensorBytes => AllTensors.Sum(tensor => tensor.Bytes);

    public ImmutableSortedDictionary<OnnxDataType, long> BytesByType => AllTensors
        .GroupBy(tensor => tensor.Type)
        .ToImmutableSortedDictionary(group => group.Key, group => group.Sum(tensor => tensor.Bytes));

    internal static OnnxHeader Read(ByteSource source) => new OnnxHeaderReader(new HeaderFile(source, "an ONNX model"), source.Validator).Read();

    private IEnumerable<OnnxTensor> AllTensors => Initializers.Concat(EmbeddedTensors);

    /// <summary>Reads the header of the model at <paramref name="path"/> and the sizes of its external data files.</summary>
    /// <exception cref="ArtifactException">The file is missing, truncated, not ONNX, or points outside its folder.</exception>
    public static OnnxHeader Read(string path)
    {
        using var file = new LocalFile(path);
        return Read(file);
    }
}
