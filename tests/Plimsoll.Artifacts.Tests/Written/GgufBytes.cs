using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Writes GGUF files: key-values, the tensor table, aligned data.</summary>
internal sealed class GgufBytes : IDisposable
{
    private readonly MemoryStream _pairs = new();
    private readonly MemoryStream _tensors = new();
    private readonly BinaryWriter _pair;
    private readonly BinaryWriter _tensor;
    private ulong _pairCount;
    private ulong _tensorCount;
    private long _dataBytes;

    public GgufBytes() => (_pair, _tensor) = (new BinaryWriter(_pairs), new BinaryWriter(_tensors));

    public GgufBytes Text(string key, string value)
    {
        Key(key, 8);
        Text(_pair, value);
        return this;
    }

    public GgufBytes UInt32(string key, uint value)
    {
        Key(key, 4);
        _pair.Write(value);
        return this;
    }

    public GgufBytes UInt16(string key, ushort value)
    {
        Key(key, 2);
        _pair.Write(value);
        return this;
    }

    public GgufBytes Int32(string key, int value)
    {
        Key(key, 5);
        _pair.Write(value);
        return this;
    }

    public GgufBytes Float(string key, float value)
    {
        Key(key, 6);
        _pair.Write(value);
        return this;
    }

    public GgufBytes Bool(string key, bool value)
    {
        Key(key, 7);
        _pair.Write(value);
        return this;
    }

    public GgufBytes UInt32s(string key, params uint[] values)
    {
        Key(key, 9);
        _pair.Write(4u);
        _pair.Write((ulong)values.Length);
        foreach (var value in values)
            _pair.Write(value);
        return this;
    }

    public GgufBytes Texts(string key, int count)
    {
        Key(key, 9);
        _pair.Write(8u);
        _pair.Write((ulong)count);
        for (var i = 0; i < count; i++)
            Text(_pair, $"token{i}");
        return this;
    }

    /// <summary>A tensor of a type's number; axes from the innermost, as ggml has them. Its data comes after those before it.</summary>
    public GgufBytes Tensor(string name, uint type, long bytes, params ulong[] axes) => TensorAt(name, type, (ulong)_dataBytes, bytes, axes);

    public GgufBytes TensorAt(string name, uint type, ulong offset, long bytes, params ulong[] axes)
    {
        _tensorCount++;
        Text(_tensor, name);
        _tensor.Write((uint)axes.Length);
        foreach (var axis in axes)
            _tensor.Write(axis);
        _tensor.Write(type);
        _tensor.Write(offset);
        _dataBytes = (_dataBytes + bytes + 31) / 32 * 32;
        return this;
    }

    public byte[] File(uint version = 3)
    {
        var (header, length) = Sparse(version);
        Array.Resize(ref header, checked((int)length));
        return header;
    }

    public (byte[] Header, long Length) Sparse(uint version = 3)
    {
        using var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        writer.Write("GGUF"u8);
        writer.Write(version);
        writer.Write(_tensorCount);
        writer.Write(_pairCount);
        writer.Write(_pairs.ToArray());
        writer.Write(_tensors.ToArray());
        while (file.Length % 32 != 0)
            writer.Write((byte)0);
        return (file.ToArray(), file.Length + _dataBytes);
    }

    public void Dispose()
    {
        _pair.Dispose();
        _tensor.Dispose();
    }

    private void Key(string key, uint type)
    {
        _pairCount++;
        Text(_pair, key);
        _pair.Write(type);
    }

    private static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
