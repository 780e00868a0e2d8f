using System.Buffers.Binary;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>A weight of a sample model: its shape and the distribution its values are drawn from.</summary>
internal sealed record SampleWeight(string Name, long[] Shape, float Mean, float Deviation)
{
    public long Elements => Shape.Aggregate(1L, (product, length) => product * length);

    public long Bytes => 4 * Elements;
}

/// <summary>
/// The nodes of a pre-norm transformer encoder in ONNX operator set 17: token and position embeddings, blocks of
/// multi-head attention and a GELU MLP, a last norm, and the mean over the sequence. Batch and sequence are dynamic.
/// </summary>
internal sealed class EncoderGraph
{
    private readonly SampleModel _model;
    private int _names;

    public EncoderGraph(SampleModel model)
    {
        _model = model;
        var hidden = Blocks(Embeddings());
        var last = Normalised(hidden, "final");
        Add("ReduceMean", [last], "embedding", node => Integers(node, "axes", [1]), node => Integer(node, "keepdims", 0));
    }

    public List<ProtobufMessage> Nodes { get; } = [];

    /// <summary>Random weights, large and small, in the order in which they are written.</summary>
    public List<SampleWeight> Weights { get; } = [];

    /// <summary>Shape and scalar constants, whole TensorProto messages.</summary>
    public List<ProtobufMessage> Constants { get; } = [];

    public static ProtobufMessage Value(string name, OnnxDataType type, params object[] axes)
    {
        var shape = new ProtobufMessage();
        foreach (var axis in axes)
        {
            shape.Message(1, axis is string named
                ? new ProtobufMessage().Text(2, named)
                : new ProtobufMessage().Number(1, Convert.ToInt64(axis, CultureInfo.InvariantCulture)));
        }

        var tensor = new ProtobufMessage().Number(1, (int)type).Message(2, shape);
        return new ProtobufMessage().Text(1, name).Message(2, new ProtobufMessage().Message(1, tensor));
    }

    private string Embeddings()
    {
        var tokens = Weight("embeddings.token", [_model.Vocabulary, _model.Hidden], 0, 1);
        var positions = Weight("embeddings.position", [_model.SequenceMax, _model.Hidden], 0, 0.1f);
        var gathered = Add("Gather", [tokens, "input_ids"]);
        var shape = Add("Shape", ["input_ids"], null, node => Integer(node, "start", 1), node => Integer(node, "end", 2));
        var here = Add("Slice", [positions, Int64s("slice.start", 0), shape, Int64s("slice.axis", 0)]);
        return Add("Add", [gathered, here]);
    }

    private string Blocks(string hidden)
    {
        for (var layer = 0; layer < _model.Layers; layer++)
        {
            var at = $"layer{layer}";
            hidden = Add("Add", [hidden, Attention(Normalised(hidden, $"{at}.attention"), at)]);
            hidden = Add("Add", [hidden, Mlp(Normalised(hidden, $"{at}.mlp"), at)]);
        }

        return hidden;
    }

    private string Attention(string input, string at)
    {
        var width = _model.Hidden / _model.Heads;
        var together = Linear(input, $"{at}.attention.qkv", _model.Hidden, 3 * _model.Hidden);
        var parts = Outputs("Split", [together], 3, node => Integer(node, "axis", -1));
        var heads = Int64s("heads", 0, 0, _model.Heads, width);
        var query = Transposed(Add("Reshape", [parts[0], heads]), 0, 2, 1, 3);
        var key = Transposed(Add("Reshape", [parts[1], heads]), 0, 2, 3, 1);
        var value = Transposed(Add("Reshape", [parts[2], heads]), 0, 2, 1, 3);
        var scores = Add("Mul", [Add("MatMul", [query, key]), Scalar("attention.scale", 1 / MathF.Sqrt(width))]);
        var chosen = Add("Softmax", [scores], null, node => Integer(node, "axis", -1));
        var mixed = Transposed(Add("MatMul", [chosen, value]), 0, 2, 1, 3);
        var joined = Add("Reshape", [mixed, Int64s("joined", 0, 0, _model.Hidden)]);
        return Linear(joined, $"{at}.attention.output", _model.Hidden, _model.Hidden);
    }

    private string Mlp(string input, string at)
    {
        var wide = Linear(input, $"{at}.mlp.up", _model.Hidden, 4 * _model.Hidden);
        // GELU written out, since opset 17 has no operator for it: x · (1 + erf(x / √2)) · ½.
        var erf = Add("Erf", [Add("Div", [wide, Scalar("gelu.root2", MathF.Sqrt(2))])]);
        var gate = Add("Mul", [wide, Add("Add", [erf, Scalar("gelu.one", 1)])]);
        var active = Add("Mul", [gate, Scalar("gelu.half", 0.5f)]);
        return Linear(active, $"{at}.mlp.down", 4 * _model.Hidden, _model.Hidden);
    }

    private string Linear(string input, string name, int from, int to)
    {
        // Deviation 1/√from keeps a unit input at unit scale through any depth.
        var weight = Weight($"{name}.weight", [from, to], 0, 1 / MathF.Sqrt(from));
        var bias = Weight($"{name}.bias", [to], 0, 0.02f);
        return Add("Add", [Add("MatMul", [input, weight]), bias]);
    }

    private string Normalised(string input, string name)
    {
        var gain = Weight($"{name}.norm.gain", [_model.Hidden], 1, 0.05f);
        var bias = Weight($"{name}.norm.bias", [_model.Hidden], 0, 0.05f);
        return Add("LayerNormalization", [input, gain, bias], null,
            node => Integer(node, "axis", -1), node => Single(node, "epsilon", 1e-5f));
    }

    private string Transposed(string input, params long[] order) =>
        Add("Transpose", [input], null, node => Integers(node, "perm", order));

    private string Weight(string name, long[] shape, float mean, float deviation)
    {
        Weights.Add(new SampleWeight(name, shape, mean, deviation));
        return name;
    }

    private string Int64s(string name, params long[] values)
    {
        var raw = new byte[8 * values.Length];
        for (var i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(raw.AsSpan(8 * i), values[i]);
        return Constant(name, OnnxDataType.Int64, [values.Length], raw);
    }

    private string Scalar(string name, float value)
    {
        var raw = new byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(raw, value);
        return Constant(name, OnnxDataType.Float32, [], raw);
    }

    private readonly HashSet<string> _constants = new(StringComparer.Ordinal);

    private string Constant(string name, OnnxDataType type, long[] shape, byte[] raw)
    {
        if (_constants.Add(name))
        {
            var tensor = new ProtobufMessage();
            foreach (var length in shape)
                tensor.Number(1, length);
            Constants.Add(tensor.Number(2, (int)type).Text(8, name).Content(9, raw));
        }

        return name;
    }

    private string Add(string type, string[] inputs, string? output = null, params Action<ProtobufMessage>[] attributes) =>
        Node(type, inputs, [output ?? $"{type}.{_names++}"], attributes)[0];

    private string[] Outputs(string type, string[] inputs, int count, params Action<ProtobufMessage>[] attributes) =>
        Node(type, inputs, [.. Enumerable.Range(0, count).Select(_ => $"{type}.{_names++}")], attributes);

    private string[] Node(string type, string[] inputs, string[] outputs, Action<ProtobufMessage>[] attributes)
    {
        var node = new ProtobufMessage();
        foreach (var input in inputs)
            node.Text(1, input);
        foreach (var output in outputs)
            node.Text(2, output);
        node.Text(3, $"node{Nodes.Count}").Text(4, type);
        foreach (var attribute in attributes)
            attribute(node);
        Nodes.Add(node);
        return outputs;
    }

    // AttributeProto{name=1, f=2, i=3, ints=8, type=20}; types FLOAT=1, INT=2, INTS=7.
    private static void Integer(ProtobufMessage node, string name, long value) =>
        node.Message(5, new ProtobufMessage().Text(1, name).Number(3, value).Number(20, 2));

    private static void Single(ProtobufMessage node, string name, float value) =>
        node.Message(5, new ProtobufMessage().Text(1, name).Float(2, value).Number(20, 1));

    private static void Integers(ProtobufMessage node, string name, long[] values)
    {
        var attribute = new ProtobufMessage().Text(1, name);
        foreach (var value in values)
            attribute.Number(8, value);
        node.Message(5, attribute.Number(20, 7));
    }
}
