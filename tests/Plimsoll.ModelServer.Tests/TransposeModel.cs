using static Plimsoll.Artifacts.Tests.OnnxBytes;

namespace Plimsoll.ModelServer.Tests;

/// <summary>An ONNX model that turns x into its transpose y: both first axes are open, and neither is a batch.</summary>
internal static class TransposeModel
{
    public static byte[] Bytes(string rows, string columns) => Model(
        Content(1, Text(1, "x"), Text(2, "y"), Text(4, "Transpose")),
        Text(2, "g"),
        Content(11, Value("x", rows, columns)),
        Content(12, Value("y", columns, rows)));

    /// <summary>One that answers as many zeros as x says.</summary>
    public static byte[] Zeros() => Model(
        Content(1, Text(1, "x"), Text(2, "y"), Text(4, "ConstantOfShape")),
        Text(2, "g"),
        Content(11, [.. Text(1, "x"), .. Content(2, Content(1, Number(1, 7), Content(2, Content(1, Text(2, "axes")))))]),
        Content(12, [.. Text(1, "y"), .. Content(2, Content(1, Number(1, 1), Content(2, Content(1, Text(2, "zeros")))))]));

    // ValueInfoProto: a name and a type, here a float tensor with two named axes.
    private static byte[] Value(string name, string first, string second) =>
        [.. Text(1, name), .. Content(2, Content(1, Number(1, 1), Content(2, Content(1, Text(2, first)), Content(1, Text(2, second)))))];
}
