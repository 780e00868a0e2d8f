using Plimsoll.Artifacts;

namespace Plimsoll.ModelServer;

/// <summary>What the model takes and gives, as clients see it. -1 is an open axis.</summary>
internal sealed record ServedModel(string Name, Signature[] Inputs, Signature[] Outputs)
{
    public const string Version = "1";

    public const string Platform = "onnxruntime_onnx";

    /// <summary>Whether every input and output has an open first axis, so that requests may share a run.</summary>
    public bool IsBatchable { get; } =
        Inputs.Length > 0 && Inputs.All(input => input.IsBatched) && Outputs.All(output => output.IsBatched);

    /// <exception cref="ArtifactException">An input or output is of a type that the protocol cannot carry as JSON.</exception>
    public static ServedModel Of(string name, OnnxHeader header) => new(
        name,
        [.. header.Inputs.Select(value => Describe(header, value, "input"))],
        [.. header.Outputs.Select(value => Describe(header, value, "output"))]);

    private static Signature Describe(OnnxHeader header, OnnxValue value, string role)
    {
        var type = TensorType.Of(value.Type) ?? throw new ArtifactException(
            $"{header.Path} has the {role} '{value.Name}' of type {value.Type}, which this server does not serve.");
        // Without a declared shape the rank is open too, and an empty shape would wrongly say "a scalar".
        var shape = value.Dimensions ?? throw new ArtifactException(
            $"{header.Path} declares no shape for its {role} '{value.Name}', and this server needs its rank.");
        return new Signature(value.Name, type, [.. shape.Select(axis => axis.Length ?? -1)]);
    }
}
