using System.Text.RegularExpressions;
using Microsoft.ML.OnnxRuntime;

namespace Plimsoll.ModelServer;

/// <summary>Turns ONNX Runtime's messages, which carry source lines and line breaks, into one sentence.</summary>
internal static partial class OrtErrors
{
    private const int LengthMax = 400;

    /// <summary>Whether the input, and not the model or the server, is at fault: out-of-range ids, wrong shapes.</summary>
    public static bool IsBadInput(OnnxRuntimeException e) =>
        e.Message.Contains("ErrorCode:InvalidArgument", StringComparison.Ordinal)
        || e.Message.Contains("out of data bounds", StringComparison.Ordinal)
        || e.Message.Contains("Attempting to broadcast", StringComparison.Ordinal);

    public static string Sentence(OnnxRuntimeException e)
    {
        var text = CodePrefix().Replace(e.Message, "");
        text = SourceLine().Replace(text, " ");
        text = Spaces().Replace(text, " ").Trim();
        return text.Length <= LengthMax ? text : text[..LengthMax] + "…";
    }

    [GeneratedRegex(@"^\[ErrorCode:\w+\]\s*")]
    private static partial Regex CodePrefix();

    // "/path/to/file.cc:123 static void onnxruntime::Name(...)" says nothing to a user.
    [GeneratedRegex(@"/\S+\.(?:cc|h):\d+[^\n]*?(?:\)|\])(?: \[with[^\]]*\])?\s")]
    private static partial Regex SourceLine();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
