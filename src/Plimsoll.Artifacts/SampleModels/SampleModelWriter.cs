using System.Globalization;
using System.Runtime.InteropServices;

namespace Plimsoll.Artifacts;

/// <summary>Streams a <see cref="SampleModel"/> as ONNX; never more than a few megabytes of it are in memory.</summary>
internal sealed class SampleModelWriter(SampleModel model, Action<long>? written)
{
    /// <summary>Protobuf's limit for one message is 2^31 − 1 bytes; above this the weights go to a second file.</summary>
    public const long InlineBytesMax = int.MaxValue - (16L << 20);

    private const int InlineTensorBytesMax = 1024;
    private const int Alignment = 4096;
    private readonly EncoderGraph _graph = new(model);
    private readonly float[] _chunk = new float[256 * 1024];
    private long _written;

    /// <summary>Writes the model; with <paramref name="data"/>, the weights go there, under the name
    /// <paramref name="dataName"/>, which the model file refers to.</summary>
    public void Write(Stream target, Stream? data, string dataName, CancellationToken cancel)
    {
        // The graph's length comes before it, so every record's size is known before the first weight is drawn.
        var head = new ProtobufMessage();
        foreach (var node in _graph.Nodes)
            head.Message(1, node);
        head.Text(2, model.Name);
        foreach (var constant in _graph.Constants)
            head.Message(5, constant);
        var tail = new ProtobufMessage()
            .Message(11, EncoderGraph.Value("input_ids", OnnxDataType.Int64, "batch", "sequence"))
            .Message(12, EncoderGraph.Value("embedding", OnnxDataType.Float32, "batch", model.Hidden));
        var records = Records(data is not null, dataName);
        var graphBytes = head.Length + tail.Length + records.Sum(record => record.Prefix.Length + record.InlineBytes);

        target.Write(new ProtobufMessage()
            .Number(1, 8)
            .Text(2, "plimsoll")
            .Message(8, new ProtobufMessage().Text(1, "").Number(2, 17))
            .Header(7, graphBytes).Bytes);
        target.Write(head.Bytes);
        for (var i = 0; i < records.Count; i++)
        {
            var record = records[i];
            target.Write(record.Prefix.Bytes);
            var isExternal = record.InlineBytes == 0;
            if (isExternal)
                Pad(data!, record.Offset);
            Fill(isExternal ? data! : target, i, cancel);
        }

        target.Write(tail.Bytes);
    }

    private List<(ProtobufMessage Prefix, long InlineBytes, long Offset)> Records(bool isExternal, string dataName)
    {
        var records = new List<(ProtobufMessage, long, long)>();
        var offset = 0L;
        foreach (var weight in _graph.Weights)
        {
            var tensor = new ProtobufMessage();
            foreach (var length in weight.Shape)
                tensor.Number(1, length);
            tensor.Number(2, (int)OnnxDataType.Float32).Text(8, weight.Name);
            if (isExternal && weight.Bytes > InlineTensorBytesMax)
            {
                offset = (offset + Alignment - 1) / Alignment * Alignment;
                tensor.Message(13, Entry("location", dataName))
                    .Message(13, Entry("offset", offset.ToString(CultureInfo.InvariantCulture)))
                    .Message(13, Entry("length", weight.Bytes.ToString(CultureInfo.InvariantCulture)))
                    .Number(14, 1);
                records.Add((new ProtobufMessage().Message(5, tensor), 0, offset));
                offset += weight.Bytes;
            }
            else
            {
                tensor.Header(9, weight.Bytes);
                var prefix = new ProtobufMessage().Header(5, tensor.Length + weight.Bytes);
                records.Add((prefix.Raw(tensor.Bytes), weight.Bytes, 0));
            }
        }

        return records;
    }

    private static ProtobufMessage Entry(string key, string value) => new ProtobufMessage().Text(1, key).Text(2, value);

    private static void Pad(Stream data, long offset)
    {
        Span<byte> zeros = stackalloc byte[Alignment];
        zeros.Clear();
        data.Write(zeros[..(int)(offset - data.Position)]);
    }

    private void Fill(Stream target, int index, CancellationToken cancel)
    {
        var weight = _graph.Weights[index];
        var generator = SeededWeights.For(model.Seed, index);
        for (var left = weight.Elements; left > 0;)
        {
            cancel.ThrowIfCancellationRequested();
            var chunk = _chunk.AsSpan(0, (int)Math.Min(left, _chunk.Length));
            generator.Fill(chunk, weight.Mean, weight.Deviation);
            target.Write(MemoryMarshal.AsBytes(chunk));
            left -= chunk.Length;
            _written += chunk.Length * sizeof(float);
            written?.Invoke(_written);
        }
    }
}
