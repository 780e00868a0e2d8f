namespace Plimsoll.Artifacts;

/// <summary>
/// Bits of the weights that lie packed in words, module by module: one model may mix them (sensitive layers at eight bits,
/// the others at four). GPTQ's and AWQ's tensors tell by themselves: zero points are packed as the weights are, scales are
/// not packed, and both have a column for each output.
/// </summary>
internal sealed class PackedBits
{
    private const long ColumnsMax = 1L << 40;

    private readonly Quantization _quantization;
    private readonly Dictionary<string, int> _byModule = new(StringComparer.Ordinal);

    public PackedBits(IEnumerable<StoredTensor> tensors, Quantization quantization)
    {
        _quantization = quantization;
        var zeros = new Dictionary<string, long>(StringComparer.Ordinal);
        var outputs = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var tensor in tensors)
        {
            if (tensor.Shape is not [_, var columns]) continue;
            if (tensor.Dtype == "int32" && tensor.Name.EndsWith(".qzeros", StringComparison.Ordinal)) zeros[ModuleOf(tensor.Name)] = columns;
            else if (tensor.Name.EndsWith(".scales", StringComparison.Ordinal)) outputs[ModuleOf(tensor.Name)] = columns;
        }

        foreach (var (module, columns) in zeros)
        {
            if (outputs.TryGetValue(module, out var all) && all is > 0 and <= ColumnsMax && columns <= all && columns * 32 / all is var bits and (2 or 3 or 4 or 8))
                _byModule[module] = (int)bits;
        }
    }

    /// <summary>Of the tensor's weights; 0 where nothing says.</summary>
    public int Of(string tensor) => _byModule.TryGetValue(ModuleOf(tensor), out var bits) ? bits : _quantization.PackedBitsOf(ModuleOf(tensor));

    private static string ModuleOf(string tensor) => tensor.LastIndexOf('.') is var dot and > 0 ? tensor[..dot] : tensor;
}
