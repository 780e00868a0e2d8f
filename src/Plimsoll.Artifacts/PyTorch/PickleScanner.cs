using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>A pickle that a scan cannot follow; the message says where and why, without the file's name.</summary>
internal sealed class PickleException(string message) : Exception(message);

/// <summary>
/// Walks a pickle's opcodes to find the tensors in it, and executes nothing: of all that a pickle may call, it knows what
/// PyTorch's functions that rebuild a tensor would return, and that an OrderedDict is a dictionary. Any other call leaves
/// an opaque object. Opcodes, stack and memo are bounded.
/// </summary>
internal sealed class PickleScanner(HeaderFile file, long end)
{
    // A tensor takes about thirty opcodes.
    private const int OpcodesMax = 8_000_000;
    private const int StackMax = 1_000_000;
    private const int TextMax = 4096;
    private const int LineMax = 4096;
    private const long TextsBytesMax = 128 << 20;

    private readonly List<object?> _stack = [];
    private readonly Dictionary<long, object?> _memo = [];
    private readonly PickleCalls _calls = new();
    private long _textsBytes;

    /// <summary>What the pickle leaves at its end.</summary>
    /// <exception cref="PickleException">It cannot be followed.</exception>
    public object? Scan()
    {
        for (var i = 0; i < OpcodesMax; i++)
        {
            var at = file.Position;
            var opcode = Byte();
            if (opcode == '.')
                return Pop();
            if (!Containers(opcode) && !Numbers(opcode) && !Texts(opcode) && !Memo(opcode) && !Objects(opcode))
                throw new PickleException($"the opcode {opcode} at byte {at} is not known");
            if (_stack.Count > StackMax)
                throw new PickleException($"its stack holds more than {StackMax} values at byte {at}");
        }

        throw new PickleException($"it has more than {OpcodesMax} opcodes");
    }

    private bool Containers(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'(': _stack.Add(PickleValue.Mark.Instance); return true;
            case (byte)'0': Pop(); return true;
            case (byte)'1': PopToMark(); return true;
            case (byte)'2': _stack.Add(Peek()); return true;
            case (byte)')' or (byte)']': _stack.Add(new PickleValue.Sequence([])); return true;
            case (byte)'t' or (byte)'l' or 0x91: _stack.Add(new PickleValue.Sequence(PopToMark())); return true;
            case 0x85 or 0x86 or 0x87: _stack.Add(new PickleValue.Sequence(PopMany(opcode - 0x84))); return true;
            case (byte)'}': _stack.Add(new PickleValue.Dict()); return true;
            case 0x8F: _stack.Add(PickleValue.Opaque.Instance); return true;
            case (byte)'d':
                var items = PopToMark();
                _stack.Add(new PickleValue.Dict());
                SetItems(items);
                return true;
            case (byte)'s': SetItems(PopMany(2)); return true;
            case (byte)'u': SetItems(PopToMark()); return true;
            case (byte)'a': Append(PopMany(1)); return true;
            case (byte)'e' or 0x90: Append(PopToMark()); return true;
            default: return false;
        }
    }

    private bool Numbers(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'N': _stack.Add(null); return true;
            case 0x88 or 0x89: _stack.Add(opcode == 0x88); return true;
            case (byte)'K': _stack.Add((long)Byte()); return true;
            case (byte)'M': _stack.Add((long)Number(2)); return true;
            case (byte)'J': _stack.Add((long)unchecked((int)Number(4))); return true;
            case (byte)'G': Skip(8); _stack.Add(PickleValue.Opaque.Instance); return true;
            case 0x8A: _stack.Add(Long(Byte())); return true;
            case 0x8B: _stack.Add(Long((long)Number(4))); return true;
            case (byte)'I' or (byte)'L': _stack.Add(Whole(Line())); return true;
            case (byte)'F': Line(); _stack.Add(PickleValue.Opaque.Instance); return true;
            default: return false;
        }
    }

    private bool Texts(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'X' or (byte)'T': _stack.Add(Text((long)Number(4))); return true;
            case 0x8C or (byte)'U': _stack.Add(Text(Byte())); return true;
            case 0x8D: _stack.Add(Text(Size())); return true;
            case (byte)'V': _stack.Add(Line()); return true;
            case (byte)'S': _stack.Add(Line().Trim('\'', '"')); return true;
            case (byte)'B': Skip((long)Number(4)); _stack.Add(PickleValue.Opaque.Instance); return true;
            case (byte)'C': Skip(Byte()); _stack.Add(PickleValue.Opaque.Instance); return true;
            case 0x8E or 0x96: Skip(Size()); _stack.Add(PickleValue.Opaque.Instance); return true;
            case 0x97: _stack.Add(PickleValue.Opaque.Instance); return true;
            case 0x98: Peek(); return true;
            default: return false;
        }
    }

    private bool Memo(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'q': _memo[Byte()] = Peek(); return true;
            case (byte)'r': _memo[(long)Number(4)] = Peek(); return true;
            case 0x94: _memo[_memo.Count] = Peek(); return true;
            case (byte)'p': _memo[Index(Line())] = Peek(); return true;
            case (byte)'h': Recall(Byte()); return true;
            case (byte)'j': Recall((long)Number(4)); return true;
            case (byte)'g': Recall(Index(Line())); return true;
            case 0x80: Skip(1); return true;
            case 0x95: Skip(8); return true;
            default: return false;
        }
    }

    private bool Objects(byte opcode)
    {
        switch (opcode)
        {
            case (byte)'c': _stack.Add(new PickleValue.Global($"{Line()}.{Line()}")); return true;
            case 0x93:
                var named = PopMany(2);
                _stack.Add(new PickleValue.Global($"{named[0] as string}.{named[1] as string}"));
                return true;
            case (byte)'R' or 0x81:
                var call = PopMany(2);
                _stack.Add(PickleCalls.Result(call[0], call[1]));
                return true;
            case 0x92: PopMany(3); _stack.Add(new PickleValue.Object()); return true;
            case (byte)'o': PopToMark(); _stack.Add(new PickleValue.Object()); return true;
            case (byte)'i': Line(); Line(); PopToMark(); _stack.Add(new PickleValue.Object()); return true;
            case (byte)'Q': _stack.Add(_calls.Persistent(Pop())); return true;
            case (byte)'P': Line(); _stack.Add(PickleValue.Opaque.Instance); return true;
            case 0x82 or 0x83 or 0x84: Skip(1 << (opcode - 0x82)); _stack.Add(PickleValue.Opaque.Instance); return true;
            case (byte)'b':
                var state = Pop();
                if (Peek() is PickleValue.Object made) made.State = state;
                return true;
            default: return false;
        }
    }

    private void SetItems(object?[] items)
    {
        if (items.Length % 2 != 0)
            throw new PickleException($"a key without a value is set before byte {file.Position}");
        if (Peek() is not PickleValue.Dict dict) return;
        for (var i = 0; i < items.Length; i += 2)
            dict.Add(items[i], items[i + 1]);
    }

    private void Append(object?[] items)
    {
        if (Peek() is not PickleValue.Sequence list) return;
        foreach (var item in items)
            list.Add(item);
    }

    private void Recall(long index) => _stack.Add(_memo.TryGetValue(index, out var value)
        ? value : throw new PickleException($"the memo has no entry {index} at byte {file.Position}"));

    private object? Peek() => _stack.Count > 0 ? _stack[^1] : throw new PickleException($"its stack is empty at byte {file.Position}");

    private object? Pop() => PopMany(1)[0];

    private object?[] PopMany(int count)
    {
        if (_stack.Count < count)
            throw new PickleException($"its stack is empty at byte {file.Position}");
        var popped = _stack.GetRange(_stack.Count - count, count).ToArray();
        _stack.RemoveRange(_stack.Count - count, count);
        return popped;
    }

    private object?[] PopToMark()
    {
        var mark = _stack.LastIndexOf(PickleValue.Mark.Instance);
        if (mark < 0)
            throw new PickleException($"its stack holds no mark at byte {file.Position}");
        var popped = PopMany(_stack.Count - mark - 1);
        _stack.RemoveAt(mark);
        return popped;
    }

    private byte Byte()
    {
        Need(1);
        return file.ReadByte();
    }

    private ulong Number(int bytes)
    {
        Need(bytes);
        Span<byte> content = stackalloc byte[8];
        content.Clear();
        file.ReadExactly(content[..bytes]);
        return BinaryPrimitives.ReadUInt64LittleEndian(content);
    }

    private long Size()
    {
        var size = Number(8);
        return size <= long.MaxValue ? (long)size : throw new PickleException($"a text before byte {file.Position} claims {size} bytes");
    }

    // Little-endian two's complement of any length; no size or shape needs more than eight bytes.
    private object Long(long bytes)
    {
        if (bytes > 8)
        {
            Skip(bytes);
            return PickleValue.Opaque.Instance;
        }

        var value = Number((int)bytes);
        var shift = 64 - 8 * (int)bytes;
        return bytes == 0 ? 0L : unchecked((long)(value << shift)) >> shift;
    }

    private object Text(long bytes)
    {
        if (bytes > TextMax)
        {
            Skip(bytes);
            return PickleValue.Opaque.Instance;
        }

        Need(bytes);
        Spend(bytes);
        Span<byte> content = stackalloc byte[TextMax];
        file.ReadExactly(content[..(int)bytes]);
        return Encoding.UTF8.GetString(content[..(int)bytes]);
    }

    private string Line()
    {
        Span<byte> content = stackalloc byte[LineMax];
        for (var i = 0; i < LineMax; i++)
        {
            content[i] = Byte();
            if (content[i] != '\n') continue;
            Spend(i);
            return Encoding.UTF8.GetString(content[..i]);
        }

        throw new PickleException($"a line before byte {file.Position} is longer than {LineMax} bytes");
    }

    private void Spend(long bytes)
    {
        if ((_textsBytes += bytes) > TextsBytesMax)
            throw new PickleException($"its texts up to byte {file.Position} are longer than {TextsBytesMax} bytes");
    }

    private static object Whole(string line) => long.TryParse(line.AsSpan().TrimEnd('L'), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
        ? value : PickleValue.Opaque.Instance;

    private long Index(string line) => Whole(line) as long? ?? throw new PickleException($"a memo's index before byte {file.Position} is no number");

    private void Skip(long bytes)
    {
        Need(bytes);
        file.Position += bytes;
    }

    private void Need(long bytes)
    {
        if (bytes > end - file.Position)
            throw new PickleException($"it goes on past its end at byte {end}");
    }
}
