using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>Walks ModelProto and GraphProto. Field numbers are those of the published onnx.proto3.</summary>
internal sealed class OnnxHeaderReader(HeaderFile file, string? validator)
{
    private const int DepthMax = 16;
    private const int ValuesMax = 100_000;
    private const int OpsetsMax = 1_000;
    private const int TensorsMax = 1_000_000;
    private const int NameBytesMax = 64 * 1024;
    private const int AxesMax = 64;
    private readonly ProtobufReader _reader = new(file);
    private readonly OnnxExternalFiles _external = new(file);
    private readonly List<OnnxTensor> _initializers = [];
    private readonly List<OnnxTensor> _embedded = [];
    private readonly List<OnnxValue> _inputs = [];
    private readonly List<OnnxValue> _outputs = [];
    private readonly List<OnnxOpset> _opsets = [];
    private int _nodes;

    public OnnxHeader Read()
    {
        if (file.Length == 0)
            throw file.Broken("it is empty");
        long irVersion = 0;
        var producer = "";
        (long FieldStart, long ContentStart, long End)? graph = null;
        while (_reader.Next(file.Length, out var field))
        {
            switch (field.Number)
            {
                case 1: irVersion = _reader.ReadInt64(field); break;
                case 2: producer = _reader.ReadText(field, NameBytesMax, "its producer's name"); break;
                case 7 when graph is not null: throw file.Broken($"a second graph starts at byte {field.Start}");
                case 7:
                    graph = (field.Start, field.ContentStart, _reader.Enter(field, "the graph"));
                    ReadGraph(graph.Value.End, 0);
                    break;
                case 8: ReadOpset(field); break;
                case 25: ReadNested(field, 7, "a function", 1); break;
                default: _reader.Skip(field); break;
            }
        }

        if (graph is null)
            throw file.Broken("it holds no graph");
        if (irVersion < 1 || _opsets.Count == 0)
            throw file.Broken("it names no IR version or no operator set");
        var given = _initializers.Select(tensor => tensor.Name).ToHashSet(StringComparer.Ordinal);
        return new OnnxHeader
        {
            Path = file.Path,
            IrVersion = irVersion,
            Producer = producer,
            Opsets = [.. _opsets],
            Inputs = [.. _inputs.Where(input => !given.Contains(input.Name))],
            Outputs = [.. _outputs],
            NodeCount = _nodes,
            Initializers = [.. _initializers],
            EmbeddedTensors = [.. _embedded],
            Files = [new ModelFile(file.Path, file.Length) { Validator = validator }, .. _external.Files],
            GraphRange = graph.Value,
        };
    }

    private void ReadGraph(long end, int depth)
    {
        if (depth > DepthMax)
            throw file.Broken($"its graphs are nested deeper than {DepthMax}");
        while (_reader.Next(end, out var field))
        {
            switch (field.Number)
            {
                case 1: ReadNode(field, depth); break;
                case 5: AddTensor(field, depth == 0 ? _initializers : _embedded); break;
                case 11 when depth == 0: _inputs.Add(ReadValue(field, "an input")); break;
                case 12 when depth == 0: _outputs.Add(ReadValue(field, "an output")); break;
                case 15: ReadSparse(field); break;
                default: _reader.Skip(field); break;
            }
        }
    }

    /// <summary>Reads the nodes (field <paramref name="nodeNumber"/>) of a function.</summary>
    private void ReadNested(in ProtobufField outer, int nodeNumber, string what, int depth)
    {
        var end = _reader.Enter(outer, what);
        while (_reader.Next(end, out var field))
        {
            if (field.Number == nodeNumber)
                ReadNode(field, depth);
            else
                _reader.Skip(field);
        }
    }

    private void ReadNode(in ProtobufField node, int depth)
    {
        _nodes++;
        var end = _reader.Enter(node, "a node");
        while (_reader.Next(end, out var field))
        {
            if (field.Number == 5)
                ReadAttribute(field, depth);
            else
                _reader.Skip(field);
        }
    }

    private void ReadAttribute(in ProtobufField attribute, int depth)
    {
        var end = _reader.Enter(attribute, "an attribute");
        while (_reader.Next(end, out var field))
        {
            switch (field.Number)
            {
                case 5 or 10: AddTensor(field, _embedded); break;
                case 6 or 11: ReadGraph(_reader.Enter(field, "a subgraph"), depth + 1); break;
                case 22 or 23: ReadSparse(field); break;
                default: _reader.Skip(field); break;
            }
        }
    }

    private void ReadSparse(in ProtobufField sparse)
    {
        var end = _reader.Enter(sparse, "a sparse tensor");
        while (_reader.Next(end, out var field))
        {
            if (field.Number is 1 or 2)
                AddTensor(field, _embedded);
            else
                _reader.Skip(field);
        }
    }

    private void AddTensor(in ProtobufField field, List<OnnxTensor> target)
    {
        if (_initializers.Count + _embedded.Count >= TensorsMax)
            throw file.Broken($"it has more than {TensorsMax} tensors");
        target.Add(new OnnxTensorReader(file, _reader, _external).Read(field));
    }

    private void ReadOpset(in ProtobufField opset)
    {
        var (domain, version) = ("", 0L);
        var end = _reader.Enter(opset, "an operator set");
        while (_reader.Next(end, out var field))
        {
            switch (field.Number)
            {
                case 1: domain = _reader.ReadText(field, NameBytesMax, "an operator set's domain"); break;
                case 2: version = _reader.ReadInt64(field); break;
                default: _reader.Skip(field); break;
            }
        }

        if (_opsets.Count >= OpsetsMax)
            throw file.Broken($"it imports more than {OpsetsMax} operator sets");
        _opsets.Add(new OnnxOpset(domain, version));
    }

    private OnnxValue ReadValue(in ProtobufField value, string what)
    {
        if (_inputs.Count + _outputs.Count >= ValuesMax)
            throw file.Broken($"it has more than {ValuesMax} inputs and outputs");
        var result = new OnnxValue("", OnnxDataType.Undefined, null);
        var end = _reader.Enter(value, what);
        while (_reader.Next(end, out var field))
        {
            switch (field.Number)
            {
                case 1: result = result with { Name = _reader.ReadText(field, NameBytesMax, $"{what}'s name") }; break;
                case 2: result = ReadType(field, result, what); break;
                default: _reader.Skip(field); break;
            }
        }

        if (result.Name.Length == 0)
            throw file.Broken($"{what} at byte {value.Start} has no name");
        return result;
    }

    // TypeProto{tensor_type=1{elem_type=1, shape=2{dim=1{dim_value=1, dim_param=2}}}}
    private OnnxValue ReadType(in ProtobufField type, OnnxValue value, string what)
    {
        var end = _reader.Enter(type, $"{what}'s type");
        while (_reader.Next(end, out var field))
        {
            if (field.Number != 1)
            {
                _reader.Skip(field);
                continue;
            }

            var tensorEnd = _reader.Enter(field, $"{what}'s tensor type");
            while (_reader.Next(tensorEnd, out var inner))
            {
                switch (inner.Number)
                {
                    case 1: value = value with { Type = (OnnxDataType)Math.Clamp(_reader.ReadInt64(inner), 0, 255) }; break;
                    case 2: value = value with { Dimensions = ReadShape(inner, what) }; break;
                    default: _reader.Skip(inner); break;
                }
            }
        }

        return value;
    }

    private ImmutableArray<OnnxDimension> ReadShape(in ProtobufField shape, string what)
    {
        var axes = ImmutableArray.CreateBuilder<OnnxDimension>();
        var end = _reader.Enter(shape, $"{what}'s shape");
        while (_reader.Next(end, out var field))
        {
            if (field.Number != 1)
            {
                _reader.Skip(field);
                continue;
            }

            if (axes.Count >= AxesMax)
                throw file.Broken($"{what} has more than {AxesMax} axes");
            axes.Add(ReadDimension(field, what));
        }

        return axes.ToImmutable();
    }

    private OnnxDimension ReadDimension(in ProtobufField dimension, string what)
    {
        (long? length, string? name) = (null, null);
        var end = _reader.Enter(dimension, $"{what}'s axis");
        while (_reader.Next(end, out var field))
        {
            switch (field.Number)
            {
                case 1: length = _reader.ReadInt64(field); break;
                case 2: name = _reader.ReadText(field, NameBytesMax, $"{what}'s axis name"); break;
                default: _reader.Skip(field); break;
            }
        }

        // Some exporters write -1 (and ONNX Runtime reads it so) for an axis that is not known.
        return new OnnxDimension(length < 0 ? null : length, string.IsNullOrEmpty(name) ? null : name);
    }
}
