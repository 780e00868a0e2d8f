using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>Finds the tensors in what a pickle leaves, each by the keys that lead to it, joined by dots.</summary>
internal sealed class PickledTensors
{
    private const int DepthMax = 64;
    private const int TensorsMax = 1_000_000;
    private const int NameMax = 8192;
    private const long NamesMax = 32 << 20;
    private readonly List<(string Name, PickleValue.Tensor Tensor)> _found = [];
    private readonly HashSet<object> _seen = new(ReferenceEqualityComparer.Instance);
    private long _nameCharacters;

    /// <summary>Tensors in the pickle's order. A container that is met again, or inside itself, is passed over.</summary>
    /// <exception cref="PickleException">They are nested too deep, or too many.</exception>
    public static List<(string Name, PickleValue.Tensor Tensor)> In(object? value)
    {
        var tensors = new PickledTensors();
        tensors.Walk("", value, 0);
        return tensors._found;
    }

    private void Walk(string name, object? value, int depth)
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
                _found.Add((name, tensor));
                break;
            case PickleValue.Dict dict when _seen.Add(dict):
                foreach (var (key, item) in dict.Items)
                {
                    if (key is string or long)
                        Walk(Joined(name, Convert.ToString(key, CultureInfo.InvariantCulture)!), item, depth + 1);
                }

                break;
            case PickleValue.Sequence sequence when _seen.Add(sequence):
                for (var i = 0; i < sequence.Items.Count; i++)
                {
                    if (sequence.Items[i] is PickleValue)
                        Walk(Joined(name, i.ToString(CultureInfo.InvariantCulture)), sequence.Items[i], depth + 1);
                }

                break;
            case PickleValue.Object { State: { } state } made when _seen.Add(made):
                Walk(name, state, depth + 1);
                break;
        }
    }

    // A module that was pickled whole keeps its parts in these; its state_dict does not name them.
    private static string Joined(string name, string key) =>
        key is "_parameters" or "_buffers" or "_modules" ? name : name.Length == 0 ? key : $"{name}.{key}";
}
