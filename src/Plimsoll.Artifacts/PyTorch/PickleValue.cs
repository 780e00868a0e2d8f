using System.Diagnostics.CodeAnalysis;

namespace Plimsoll.Artifacts;

/// <summary>What a pickle's opcodes leave on the stack, as far as a scan tells things apart. None, numbers and texts are
/// plain objects; all else is one of these.</summary>
internal abstract class PickleValue
{
    /// <summary>Something that is not looked into.</summary>
    public sealed class Opaque : PickleValue
    {
        public static readonly Opaque Instance = new();
    }

    public sealed class Mark : PickleValue
    {
        public static readonly Mark Instance = new();
    }

    /// <summary>A function or class by its module and name; it is compared, and never called.</summary>
    public sealed class Global(string name) : PickleValue
    {
        public string Name => name;
    }

    public sealed class Sequence(object?[] first) : PickleValue
    {
        private List<object?>? _later;

        public IReadOnlyList<object?> Items => _later is null ? first : _later;

        public void Add(object? item) => (_later ??= [.. first]).Add(item);
    }

    public sealed class Dict : PickleValue
    {
        private List<(object? Key, object? Value)>? _items;

        public IReadOnlyList<(object? Key, object? Value)> Items => _items is null ? [] : _items;

        public void Add(object? key, object? value) => (_items ??= []).Add((key, value));
    }

    /// <summary>An object that a call would have made; only the state that is set afterwards is known.</summary>
    [SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "It is an object.")]
    public sealed class Object : PickleValue
    {
        public object? State { get; set; }
    }

    /// <summary>The bytes behind tensors, which lie in the archive.</summary>
    /// <param name="key">Their name in the archive's folder "data".</param>
    /// <param name="dtype">PyTorch's name; null for an untyped storage.</param>
    /// <param name="count">Elements, or bytes of an untyped one.</param>
    public sealed class Storage(string key, TorchDtype? dtype, long count) : PickleValue
    {
        public string Key => key;

        public TorchDtype? Dtype => dtype;

        public long Count => count;
    }

    public sealed class Tensor(Storage storage, TorchDtype dtype, long offset, long[] shape, long[] strides) : PickleValue
    {
        public Storage Data => storage;

        public TorchDtype Dtype => dtype;

        /// <summary>Elements before the first of its own.</summary>
        public long Offset => offset;

        public IReadOnlyList<long> Shape => shape;

        public IReadOnlyList<long> Strides => strides;
    }
}
