using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>A tensor of a pickle.</summary>
/// <param name="Name">The keys that lead to it, joined by dots.</param>
/// <param name="Tensor">The tensor.</param>
/// <param name="Part">The key of the pickle's outermost dictionary that holds the container it lies in, itself perhaps with
/// dots in it; null where it lies at the root, or the root is no dictionary.</param>
internal readonly record struct FoundTensor(string Name, PickleValue.Tensor Tensor, string? Part);

/// <summary>Finds the tensors in what a pickle leaves, each by the keys that lead to it, joined by dots.</summary>
internal sealed class PickledTensors
{
    private const int DepthMax = 64;
    private const int TensorsMax = 1_000_000;
    private const int NameMax = 8192;
    private const long NamesMax = 32 << 20;
    private readonly List<FoundTensor> _found = [];
    private readonly HashSet<object> _seen = new(ReferenceEqualityComparer.Instance);
    private long _nameCharacters;

    /// <summary>Tensors in the pickle's order. A container that is met again, or inside itself, is passed over.</summary>
    /// <exception cref="PickleException">They are nested too deep, or too many.</exception>
    public static List<FoundTensor> In(object? value)
    {
        var tensors = new PickledTensors();
        tensors.Walk("", null, value, 0);
        return tensors._found;
    }

    private void Walk(string name, string? part, object? value, int depth)
    {
        if (depth > DepthMax || name.Length > NameMax)
            throw new PickleException($"its values are nested deeper than {DepthMax}, or their names are longer than {NameMax}");
        // A million entries may share two long keys, and each would have a name of its own.
        if ((_nameCharacters += name.Length) > NamesMax)
            throw new PickleException($"the names of its values are longer than {NamesMax} characters together");
        switch (value)
        {
            case PickleValue.Tensor tensor:
                if (_found.Count >= TensorsMax)
                    throw new PickleException($"it holds more than {TensorsMax} tensors");
                _found.Add(new FoundTensor(name, tensor, part));
                break;
            case PickleValue.Dict dict when _seen.Add(dict):
                foreach (var (key, item) in dict.Items)
                {
                    if (key is not (string or long))
                        continue;
                    var text = Convert.ToString(key, CultureInfo.InvariantCulture)!;
                    // "model.norm.weight" is one key of a flat state_dict, and no part "model" of a checkpoint.
                    Walk(Joined(name, text), depth == 0 && item is not PickleValue.Tensor ? text : part, item, depth + 1);
                }

                break;
            case PickleValue.Sequence sequence when _seen.Add(sequence):
                for (var i = 0; i < sequence.Items.Count; i++)
                {
                    if (sequence.Items[i] is PickleValue)
                        Walk(Joined(name, i.ToString(CultureInfo.InvariantCulture)), part, sequence.Items[i], depth + 1);
                }

                break;
            case PickleValue.Object { State: { } state } made when _seen.Add(made):
                Walk(name, part, state, depth + 1);
                break;
        }
    }

    // A module that was pickled whole keeps its parts in these; its state_dict does not name them.
    private static string Joined(string name, string key) =>
        key is "_parameters" or "_buffers" or "_modules" ? name : name.Length == 0 ? key : $"{name}.{key}";
}
