using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>One tensor of an artefact, as its header describes it.</summary>
/// <param name="Name">Its name in the file.</param>
/// <param name="Dtype">PyTorch's name ("bfloat16", "float8_e4m3fn"), or ggml's for quantised blocks ("Q4_K").</param>
/// <param name="Shape">Dimensions, outermost first.</param>
/// <param name="Bytes">Bytes it takes in the file.</param>
public sealed record StoredTensor(string Name, string Dtype, ImmutableArray<long> Shape, long Bytes)
{
    /// <summary>Product of the dimensions; 1 for a scalar.</summary>
    public long Elements
    {
        get
        {
            var product = 1L;
            foreach (var size in Shape)
                product = checked(product * size);
            return product;
        }
    }
}
