namespace Plimsoll.ModelServer;

/// <summary>A request that cannot be answered, with the HTTP status and the sentence for its client.</summary>
internal sealed class InferenceException(int status, string message) : Exception(message)
{
    public int Status { get; } = status;

    public static InferenceException Malformed(string message) => new(400, message);

    public static InferenceException Binary => Malformed("the binary tensor data extension is not served; send the values as JSON in 'data'");
}
