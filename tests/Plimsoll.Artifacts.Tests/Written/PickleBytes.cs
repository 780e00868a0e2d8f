using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Writes pickles of protocol 2 in the way of torch.save, opcode by opcode.</summary>
internal static class PickleBytes
{
    private static byte[] Ascii(string text) => Encoding.ASCII.GetBytes(text);

    public static byte[] Pickle(params byte[][] values) => [0x80, 2, .. values.SelectMany(value => value), (byte)'.'];

    public static byte[] Global(string module, string name) => [(byte)'c', .. Ascii(module), (byte)'\n', .. Ascii(name), (byte)'\n'];

    public static byte[] Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return [(byte)'X', .. BitConverter.GetBytes(bytes.Length), .. bytes];
    }

    // The shortest opcode that holds it, as Python chooses.
    public static byte[] Number(long value) => value switch
    {
        >= 0 and < 256 => [(byte)'K', (byte)value],
        >= 0 and < 65536 => [(byte)'M', .. BitConverter.GetBytes((ushort)value)],
        >= 0 and <= int.MaxValue => [(byte)'J', .. BitConverter.GetBytes((int)value)],
        _ => [0x8A, 8, .. BitConverter.GetBytes(value)],
    };

    public static byte[] Tuple(params byte[][] items) => [(byte)'(', .. items.SelectMany(item => item), (byte)'t'];

    public static byte[] Put(int index) => [(byte)'q', (byte)index];

    public static byte[] Get(int index) => [(byte)'h', (byte)index];

    /// <summary>collections.OrderedDict() with items, and the attribute _metadata that state_dict() sets.</summary>
    public static byte[] OrderedDict(params (string Key, byte[] Value)[] items) =>
    [
        .. Global("collections", "OrderedDict"), (byte)')', (byte)'R',
        (byte)'(', .. items.SelectMany(item => Text(item.Key).Concat(item.Value)), (byte)'u',
        (byte)'}', .. Text("_metadata"), .. Global("collections", "OrderedDict"), (byte)')', (byte)'R', (byte)'s', (byte)'b',
    ];

    public static byte[] Dict(params (string Key, byte[] Value)[] items) =>
        [(byte)'}', (byte)'(', .. items.SelectMany(item => Text(item.Key).Concat(item.Value)), (byte)'u'];

    public static byte[] Storage(string type, string key, long count, string module = "torch") =>
        [.. Tuple(Text("storage"), Global(module, type), Text(key), Text("cpu"), Number(count)), (byte)'Q'];

    public static byte[] Tensor(byte[] storage, long offset, long[] shape, long[] strides) =>
    [
        .. Global("torch._utils", "_rebuild_tensor_v2"),
        .. Tuple(storage, Number(offset), Tuple([.. shape.Select(Number)]), Tuple([.. strides.Select(Number)]), [0x89],
            [.. Global("collections", "OrderedDict"), (byte)')', (byte)'R']),
        (byte)'R',
    ];

    /// <summary>How torch.save writes element types younger than its storage classes.</summary>
    public static byte[] TensorOfDtype(byte[] storage, string dtype, long[] shape, long[] strides) =>
    [
        .. Global("torch._utils", "_rebuild_tensor_v3"),
        .. Tuple(storage, Number(0), Tuple([.. shape.Select(Number)]), Tuple([.. strides.Select(Number)]), [0x89],
            [.. Global("collections", "OrderedDict"), (byte)')', (byte)'R'], Global("torch", dtype), [(byte)'N']),
        (byte)'R',
    ];
}
