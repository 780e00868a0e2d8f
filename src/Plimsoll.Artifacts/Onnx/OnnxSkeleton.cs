using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>A range of the model file to copy, or, where <see cref="Replacement"/> is given, bytes to put in its place.</summary>
public readonly record struct SkeletonPiece(long Offset, long Bytes, byte[]? Replacement)
{
    public long Length => Replacement?.Length ?? Bytes;
}

/// <summary>One weight's place in the file and in the memory that is to hold all weights.</summary>
public readonly record struct WeightRange(string File, long FileOffset, long Bytes, long MemoryOffset);

/// <summary>
/// How to split a model into its graph without weights (the skeleton, itself an ONNX model whose weights are external
/// data of one pseudo file) and the weights, so that a loader can read the latter at its own pace into memory it owns.
/// </summary>
/// <param name="Pieces">The skeleton, in order.</param>
/// <param name="SkeletonBytes">Their length together.</param>
/// <param name="Weights">The weights by file and offset, so that reading is sequential.</param>
/// <param name="WeightMemoryBytes">Memory that the weights need, alignment included.</param>
public sealed record OnnxSkeleton(
    ImmutableArray<SkeletonPiece> Pieces, long SkeletonBytes, ImmutableArray<WeightRange> Weights, long WeightMemoryBytes)
{
    /// <summary>The external data location that the skeleton's weights name.</summary>
    public const string WeightsName = "plimsoll-weights";

    // Shape constants stay inline, where graph optimisers look for them.
    private const long InlineBytesMax = 1024;
    private const long Alignment = 64;

    public static OnnxSkeleton Of(OnnxHeader header)
    {
        var replacements = new List<SkeletonPiece>();
        var weights = new List<WeightRange>();
        var memory = 0L;
        foreach (var tensor in header.Initializers)
        {
            var isInline = tensor.Storage == OnnxStorage.Typed
                || (tensor.Storage == OnnxStorage.Raw && tensor.Bytes <= InlineBytesMax);
            if (isInline)
                continue;
            var record = new ProtobufMessage().Message(5, Record(tensor, memory));
            replacements.Add(new SkeletonPiece(
                tensor.RecordStart, tensor.RecordEnd - tensor.RecordStart, record.Bytes.ToArray()));
            weights.Add(new WeightRange(tensor.File, tensor.Offset, tensor.Bytes, memory));
            memory = (memory + tensor.Bytes + Alignment - 1) / Alignment * Alignment;
        }

        var pieces = Cut(header, replacements);
        var sequential = weights
            .OrderBy(weight => weight.File, StringComparer.Ordinal)
            .ThenBy(weight => weight.FileOffset);
        return new OnnxSkeleton(pieces, pieces.Sum(piece => piece.Length), [.. sequential], memory);
    }

    private static ProtobufMessage Record(OnnxTensor tensor, long memoryOffset)
    {
        var record = new ProtobufMessage();
        foreach (var length in tensor.Dimensions)
            record.Number(1, length);
        return record.Number(2, (int)tensor.Type).Text(8, tensor.Name)
            .Message(13, Entry("location", WeightsName))
            .Message(13, Entry("offset", memoryOffset.ToString(CultureInfo.InvariantCulture)))
            .Message(13, Entry("length", tensor.Bytes.ToString(CultureInfo.InvariantCulture)))
            .Number(14, 1);
    }

    private static ProtobufMessage Entry(string key, string value) => new ProtobufMessage().Text(1, key).Text(2, value);

    private static ImmutableArray<SkeletonPiece> Cut(OnnxHeader header, List<SkeletonPiece> replacements)
    {
        var graph = header.GraphRange;
        var graphBytes = graph.End - graph.ContentStart + replacements.Sum(piece => piece.Length - piece.Bytes);
        var pieces = ImmutableArray.CreateBuilder<SkeletonPiece>();
        Copy(pieces, 0, graph.FieldStart);
        var graphHeader = new ProtobufMessage().Header(7, graphBytes).Bytes.ToArray();
        pieces.Add(new SkeletonPiece(graph.FieldStart, graph.ContentStart - graph.FieldStart, graphHeader));
        var at = graph.ContentStart;
        foreach (var piece in replacements)
        {
            Copy(pieces, at, piece.Offset);
            pieces.Add(piece);
            at = piece.Offset + piece.Bytes;
        }

        Copy(pieces, at, graph.End);
        Copy(pieces, graph.End, header.Files[0].Bytes);
        return pieces.ToImmutable();
    }

    private static void Copy(ImmutableArray<SkeletonPiece>.Builder pieces, long from, long to)
    {
        if (to > from)
            pieces.Add(new SkeletonPiece(from, to - from, null));
    }
}
