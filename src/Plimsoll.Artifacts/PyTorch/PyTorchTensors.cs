using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Holds the tensors of a pickle against the storages of its archive, and chooses those that are the model.</summary>
internal sealed class PyTorchTensors(HeaderFile file, Dictionary<string, ZipEntry> storages)
{
    // Where training scripts keep the weights beside an optimiser's state, the commonest first.
    private static readonly ImmutableArray<string> ModelKeys = ["state_dict", "model_state_dict", "model", "module"];

    private readonly HashSet<string> _named = new(StringComparer.Ordinal);
    private readonly List<string> _tied = [];
    private readonly List<string> _wide = [];
    private readonly ImmutableArray<string>.Builder _notes = ImmutableArray.CreateBuilder<string>();

    public StoredWeights Choose(List<FoundTensor> found)
    {
        foreach (var (name, tensor, _) in found)
            Check(name, tensor);
        var (prefix, model) = Model(found);
        var tensors = Distinct(prefix, model);
        var unknown = storages.Where(storage => !_named.Contains(storage.Key)).Sum(storage => storage.Value.Bytes);
        var modelKeys = model.Select(one => one.Tensor.Data.Key).ToHashSet(StringComparer.Ordinal);
        var modelBytes = modelKeys.Sum(key => storages[key].Bytes);
        var asideBytes = _named.Where(key => !modelKeys.Contains(key)).Sum(key => storages[key].Bytes);
        if (asideBytes > 0)
            _notes.Add($"The weights are those of '{prefix}'; beside them lie {new Bytes(asideBytes)} of other tensors, as an optimiser's state.");
        if (unknown > 0)
            _notes.Add($"{new Bytes(unknown)} of its storages belong to no tensor that was recognised: they are exact in bytes, and their shapes are unknown.");
        var exact = unknown + modelBytes == tensors.Sum(tensor => tensor.Bytes);
        if (!exact && unknown == 0)
            _notes.Add($"Its storages take {modelBytes} bytes, and its tensors, which are parts of them, {tensors.Sum(tensor => tensor.Bytes)}.");
        return new StoredWeights
        {
            Files = [],
            Tensors = tensors,
            SecondNames = [.. _tied, .. _wide],
            StorageBytes = exact ? null : unknown + modelBytes,
            Notes = _notes.ToImmutable(),
        };
    }

    // A tensor's elements must lie in its storage, and the storage in the archive.
    private void Check(string name, PickleValue.Tensor tensor)
    {
        var storage = tensor.Data;
        if (!storages.TryGetValue(storage.Key, out var entry))
            throw file.Broken($"tensor '{Messages.Shown(name)}' lies in the storage '{Messages.Shown(storage.Key)}', which is not in the archive");
        if ((Int128)storage.Count * (storage.Dtype?.Bytes ?? 1) != entry.Bytes)
            throw file.Broken($"the storage '{Messages.Shown(storage.Key)}' should hold {storage.Count} elements, and has {entry.Bytes} bytes");
        var last = (Int128)tensor.Offset;
        var isEmpty = false;
        for (var i = 0; i < tensor.Shape.Count; i++)
        {
            isEmpty |= tensor.Shape[i] == 0;
            // Two factors below 2^63 fit 128 bits, and so do 64 such products only when each is checked.
            var reach = (Int128)Math.Max(0, tensor.Shape[i] - 1) * tensor.Strides[i];
            last += reach <= long.MaxValue ? reach : long.MaxValue;
        }

        if (!isEmpty && (last + 1) * tensor.Dtype.Bytes > entry.Bytes)
            throw file.Broken($"tensor '{Messages.Shown(name)}' reaches beyond the storage '{Messages.Shown(storage.Key)}' of {entry.Bytes} bytes");
        _named.Add(storage.Key);
    }

    // The whole pickle where a tensor lies at its root; else the part that is the model.
    private static (string Prefix, List<FoundTensor> Tensors) Model(List<FoundTensor> found)
    {
        if (found.Exists(one => one.Part is null))
            return ("", found);
        foreach (var key in ModelKeys)
        {
            var part = found.Where(one => one.Part == key && one.Name.Length > key.Length).ToList();
            if (part.Count > 0)
                return (key, part);
        }

        return ("", found);
    }

    // Tied weights are one storage under two names, and take its bytes once.
    private ImmutableArray<StoredTensor> Distinct(string prefix, List<FoundTensor> model)
    {
        var tensors = ImmutableArray.CreateBuilder<StoredTensor>(model.Count);
        var names = new HashSet<string>(StringComparer.Ordinal);
        var views = new HashSet<(string, long, string)>();
        foreach (var (found, tensor, _) in model)
        {
            var name = prefix.Length == 0 ? found : found[(prefix.Length + 1)..];
            if (!names.Add(name))
                throw file.Broken($"it has two tensors named '{Messages.Shown(name)}'");
            var elements = tensor.Shape.Aggregate((Int128)1, (product, length) => product > long.MaxValue ? product : product * length);
            // Strides of zero repeat elements, and an expanded tensor has as many as it likes.
            if (elements * tensor.Dtype.Bytes > storages[tensor.Data.Key].Bytes)
                _wide.Add(name);
            else if (!views.Add((tensor.Data.Key, tensor.Offset, string.Join(',', tensor.Shape))) && elements > 0)
                _tied.Add(name);
            else
                tensors.Add(new StoredTensor(name, tensor.Dtype.Name, [.. tensor.Shape], (long)elements * tensor.Dtype.Bytes));
        }

        if (_tied.Count > 0)
            _notes.Add($"Not listed, as they are other tensors under a second name: {Messages.Some(_tied, 3)}.");
        if (_wide.Count > 0)
            _notes.Add($"Not listed, as they repeat the elements of a smaller storage: {Messages.Some(_wide, 3)}.");
        return tensors.ToImmutable();
    }
}
