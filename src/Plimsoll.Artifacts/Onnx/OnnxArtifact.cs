using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>An ONNX graph as an artefact: its initialisers, and the tensors inside nodes and subgraphs.</summary>
internal static class OnnxArtifact
{
    public static ArtifactHeader Read(ByteSource source)
    {
        var header = OnnxHeader.Read(source);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var tensor in header.Initializers)
        {
            if (tensor.Name.Length > 0 && !names.Add(tensor.Name))
                throw new ArtifactException($"{source.Name} is not an ONNX model: it has two initialisers named '{Messages.Shown(tensor.Name)}'.");
        }

        return new ArtifactHeader
        {
            Format = ArtifactFormat.Onnx,
            Source = source.Name,
            Files = header.Files,
            Tensors = [.. header.Initializers.Concat(header.EmbeddedTensors).Select(tensor =>
                new StoredTensor(tensor.Name, Dtype(tensor.Type), tensor.Dimensions, tensor.Bytes))],
            Metadata = Metadata(header),
        };
    }

    /// <summary>PyTorch's name of an element type; ONNX's texts have none.</summary>
    internal static string Dtype(OnnxDataType type) => type switch
    {
        OnnxDataType.Boolean => "bool",
        OnnxDataType.Text => "string",
        OnnxDataType.Float8E4M3FN => "float8_e4m3fn",
        OnnxDataType.Float8E4M3FNUZ => "float8_e4m3fnuz",
        OnnxDataType.Float8E5M2 => "float8_e5m2",
        OnnxDataType.Float8E5M2FNUZ => "float8_e5m2fnuz",
        OnnxDataType.Float8E8M0 => "float8_e8m0fnu",
        OnnxDataType.Float4E2M1 => "float4_e2m1fn_x2",
        _ => type.ToString().ToLowerInvariant(),
    };

    private static ImmutableDictionary<string, string> Metadata(OnnxHeader header)
    {
        var metadata = ImmutableDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        metadata["producer"] = header.Producer;
        metadata["nodes"] = header.NodeCount.ToString(CultureInfo.InvariantCulture);
        foreach (var opset in header.Opsets.Where(opset => opset.Domain.Length <= 256).Take(16))
            metadata[opset.Domain.Length == 0 ? "opset" : $"opset.{opset.Domain}"] = opset.Version.ToString(CultureInfo.InvariantCulture);
        return metadata.ToImmutable();
    }
}
