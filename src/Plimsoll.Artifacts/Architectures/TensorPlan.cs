namespace Plimsoll.Artifacts;

/// <summary>One tensor, or several alike, of a model, as weighed.</summary>
/// <param name="Name">Its name; for several alike that of the first.</param>
/// <param name="Dtype">As stored.</param>
/// <param name="Parameters">Of one.</param>
/// <param name="Bytes">Of one.</param>
/// <param name="Count">How many there are.</param>
internal readonly record struct WeighedTensor(string Name, string Dtype, long Parameters, long Bytes, int Count);

/// <summary>
/// The tensors an architecture has, written down from its configuration: linear layers in their quantised form where
/// the configuration says so, everything else as it is.
/// </summary>
internal sealed class TensorPlan(Quantization quantization, string dtype)
{
    // The largest published mixture has 83,328 experts in all; planned as one entry a layer they are 93.
    private const int TensorsMax = 1_000_000;

    private readonly List<WeighedTensor> _tensors = [];

    public IReadOnlyList<WeighedTensor> Tensors => _tensors;

    /// <summary>A linear layer: <c>module.weight</c> of outputs × inputs, and <c>module.bias</c>.</summary>
    public void Linear(string module, long outputs, long inputs, bool bias = false, int count = 1, bool head = false)
    {
        if (quantization.FormOf(module, head) is { } form)
        {
            foreach (var tensor in form.Tensors(module, outputs, inputs))
                Add(tensor, count, form.Bits);
        }
        else
        {
            Tensor($"{module}.weight", count, null, outputs, inputs);
        }

        if (bias)
            Tensor($"{module}.bias", count, null, outputs);
    }

    /// <summary>The experts of a layer in one tensor, outputs × inputs each, with no name of their own in the module.</summary>
    public void Stacked(string name, int experts, long outputs, long inputs)
    {
        if (quantization.FormOf(name, head: false) is { } form)
        {
            foreach (var tensor in form.Tensors(name, outputs, inputs))
            {
                var stacked = tensor.Name.Replace(".weight_scale", "_scales", StringComparison.Ordinal)
                    .Replace(".weight_packed", "_blocks", StringComparison.Ordinal).Replace(".weight", "_blocks", StringComparison.Ordinal);
                Add(tensor with { Name = stacked, Shape = tensor.Shape.Insert(0, experts), Bytes = checked(tensor.Bytes * experts) }, 1, form.Bits);
            }
        }
        else
        {
            Tensor(name, 1, null, experts, outputs, inputs);
        }
    }

    /// <summary>A norm's weight, and its bias where it has one.</summary>
    public void Norm(string module, long width, bool bias = false)
    {
        Tensor($"{module}.weight", 1, null, width);
        if (bias)
            Tensor($"{module}.bias", 1, null, width);
    }

    /// <summary>A tensor that is never quantised, in the model's dtype.</summary>
    public void Plain(string name, params ReadOnlySpan<long> shape) => Tensor(name, 1, null, shape);

    /// <summary>A tensor whose dtype the architecture fixes.</summary>
    public void Fixed(string name, string fixedDtype, params ReadOnlySpan<long> shape) => Tensor(name, 1, fixedDtype, shape);

    private void Tensor(string name, int count, string? fixedDtype, params ReadOnlySpan<long> shape)
    {
        var elements = 1L;
        foreach (var size in shape)
            elements = checked(elements * size);
        var stored = fixedDtype ?? dtype;
        Add(new StoredTensor(name, stored, [.. shape], checked(elements * Dtypes.Bits(stored)!.Value / 8)), count);
    }

    private void Add(StoredTensor tensor, int count, int packedBits = 0)
    {
        if (count <= 0)
            return;
        if (_tensors.Count >= TensorsMax)
            throw new ArtifactException($"config.json describes more than {TensorsMax} tensors; no published model has so many.");
        _tensors.Add(new WeighedTensor(tensor.Name, tensor.Dtype,
            StoredParameters.Of(tensor, packedBits, quantization.PairsInInt8), tensor.Bytes, count));
    }
}
