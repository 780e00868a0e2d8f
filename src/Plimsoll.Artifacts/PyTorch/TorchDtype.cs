using System.Collections.Frozen;

namespace Plimsoll.Artifacts;

/// <summary>An element type by PyTorch's name, and the bytes of one element.</summary>
internal sealed record TorchDtype(string Name, int Bytes)
{
    private static readonly FrozenDictionary<string, TorchDtype> ByName = new TorchDtype[]
    {
        new("float64", 8), new("float32", 4), new("float16", 2), new("bfloat16", 2),
        new("int64", 8), new("int32", 4), new("int16", 2), new("int8", 1), new("uint8", 1), new("bool", 1),
        new("uint16", 2), new("uint32", 4), new("uint64", 8),
        new("complex32", 4), new("complex64", 8), new("complex128", 16),
        new("qint8", 1), new("quint8", 1), new("qint32", 4),
        new("float8_e4m3fn", 1), new("float8_e5m2", 1), new("float8_e4m3fnuz", 1), new("float8_e5m2fnuz", 1),
        new("float8_e8m0fnu", 1), new("float4_e2m1fn_x2", 1),
    }.ToFrozenDictionary(dtype => dtype.Name, StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> ByStorage = new Dictionary<string, string>
    {
        ["DoubleStorage"] = "float64",
        ["FloatStorage"] = "float32",
        ["HalfStorage"] = "float16",
        ["BFloat16Storage"] = "bfloat16",
        ["LongStorage"] = "int64",
        ["IntStorage"] = "int32",
        ["ShortStorage"] = "int16",
        ["CharStorage"] = "int8",
        ["ByteStorage"] = "uint8",
        ["BoolStorage"] = "bool",
        ["ComplexFloatStorage"] = "complex64",
        ["ComplexDoubleStorage"] = "complex128",
        ["QInt8Storage"] = "qint8",
        ["QUInt8Storage"] = "quint8",
        ["QInt32Storage"] = "qint32",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>"torch.bfloat16", as a pickle names it.</summary>
    public static TorchDtype? Of(string global) =>
        global.StartsWith("torch.", StringComparison.Ordinal) ? ByName.GetValueOrDefault(global["torch.".Length..]) : null;

    /// <summary>Of "torch.HalfStorage"; null for an untyped or unknown one.</summary>
    public static TorchDtype? OfStorage(string global) =>
        ByStorage.TryGetValue(global[(global.LastIndexOf('.') + 1)..], out var name) ? ByName[name] : null;
}
