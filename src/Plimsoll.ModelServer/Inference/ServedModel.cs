using Plimsoll.Artifacts;

namespace Plimsoll.ModelServer;

/// <summary>What the model takes and gives, as clients see it. -1 is an open axis.</summary>
/// <param name="Name">Its name in URLs and metrics.</param>
/// <param name="Inputs">What it takes, in the graph's order.</param>
/// <param name="Outputs">What it gives, in the graph's order.</param>
/// <param name="HasOneRowAxis">False when the graph gives its first axes different names, so that they cannot all be the batch.</param>
internal sealed record ServedModel(string Name, Signature[] Inputs, Signature[] Outputs, bool HasOneRowAxis)
{
    public const string Version = "1";

    public const string Platform = "onnxruntime_onnx";

    /// <summary>
    /// Whether every input and output has an open first axis, as far as the graph says the same one, so that requests may
    /// share a run. Stacked where it is not, one client's values would come out in another's answer.
    /// </summary>
    public bool IsBatchable { get; } =
        HasOneRowAxis && Inputs.Length > 0 && Inputs.All(input => input.IsBatched) && Outputs.All(output => output.IsBatched);

    /// <exception cref="ArtifactException">An input or output is of a type that the protocol cannot carry as JSON.</exception>
    public static ServedModel Of(string name, OnnxHeader header) => new(
        name,
        [.. header.Inputs.Select(value => Describe(header, value, "input"))],
        [.. header.Outputs.Select(value => Describe(header, value, "output"))],
        header.Inputs.Concat(header.Outputs).Select(FirstAxisName).OfType<string>().Distinct(StringComparer.Ordinal).Count() <= 1);

    private static string? FirstAxisName(OnnxValue value) => value.Dimensions is { Length: > 0 } axes ? axes[0].Name : null;

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
