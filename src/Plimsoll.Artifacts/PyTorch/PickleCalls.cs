namespace Plimsoll.Artifacts;

/// <summary>What the few calls and persistent ids that describe tensors stand for. Nothing is called: names are compared.</summary>
internal sealed class PickleCalls
{
    private const int AxesMax = 64;
    private readonly Dictionary<string, PickleValue.Storage> _storages = new(StringComparer.Ordinal);

    /// <summary>('storage', torch.HalfStorage, '0', 'cpu', 4096).</summary>
    public object Persistent(object? id)
    {
        if (id is not PickleValue.Sequence { Items: ["storage", PickleValue.Global type, string key, _, long count] } || count < 0)
            return PickleValue.Opaque.Instance;
        // One storage, however often it is named, so that shared tensors are recognised.
        if (!_storages.TryGetValue(key, out var storage) || storage.Count != count)
            _storages[key] = storage = new PickleValue.Storage(key, TorchDtype.OfStorage(type.Name), count);
        return storage;
    }

    public static object Result(object? function, object? arguments)
    {
        if (function is not PickleValue.Global global || arguments is not PickleValue.Sequence { Items: var items })
            return new PickleValue.Object();
        return global.Name switch
        {
            "collections.OrderedDict" or "collections.defaultdict" => new PickleValue.Dict(),
            "torch._utils._rebuild_tensor_v2" when items is [PickleValue.Storage { Dtype: { } dtype } storage, ..] => Tensor(items, storage, dtype),
            // Newer element types have no storage class of their own, and come as the seventh argument.
            "torch._utils._rebuild_tensor_v3" when items is [PickleValue.Storage storage, _, _, _, _, _, PickleValue.Global type, ..]
                && TorchDtype.Of(type.Name) is { } dtype => Tensor(items, storage, dtype),
            "torch._utils._rebuild_parameter" or "torch._utils._rebuild_parameter_with_state" when items is [PickleValue.Tensor tensor, ..] => tensor,
            _ => new PickleValue.Object(),
        };
    }

    // (storage, offset, size, stride, requires_grad, hooks, ...)
    private static PickleValue Tensor(IReadOnlyList<object?> items, PickleValue.Storage storage, TorchDtype dtype) =>
        items is [_, long offset, PickleValue.Sequence size, PickleValue.Sequence stride, ..]
        && Lengths(size) is { } shape && Lengths(stride) is { } strides && shape.Length == strides.Length && offset >= 0
            ? new PickleValue.Tensor(storage, dtype, offset, shape, strides) : new PickleValue.Object();

    private static long[]? Lengths(PickleValue.Sequence sequence)
    {
        if (sequence.Items.Count > AxesMax) return null;
        var lengths = new long[sequence.Items.Count];
        for (var i = 0; i < lengths.Length; i++)
        {
            if (sequence.Items[i] is not (long and >= 0 and var length)) return null;
            lengths[i] = length;
        }

        return lengths;
    }
}
