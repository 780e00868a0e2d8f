using System.Collections.Frozen;

namespace Plimsoll.Gateway;

internal enum Endpoint { Unknown, ServerMetadata, Live, Ready, ModelMetadata, ModelReady, Infer, ModelList, ModelEntry, OpenAi, UnknownOpenAi }

/// <summary>What a request's path asks for: the Open Inference Protocol v2 or an OpenAI-style API.</summary>
/// <param name="Endpoint">Which call.</param>
/// <param name="Model">The model named in the path; null where the body names it or none is meant.</param>
internal readonly record struct ProtocolPath(Endpoint Endpoint, string? Model)
{
    // What serves a request. Servers have calls beside them under the same prefix that change the server itself, such as
    // vLLM's load_lora_adapter, and clients have no business there.
    private static readonly FrozenSet<string> OpenAiCalls = FrozenSet.Create(StringComparer.Ordinal,
        "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages", "/v1/embeddings", "/v1/pooling", "/v1/classify",
        "/v1/score", "/v1/rerank", "/v1/moderations", "/v1/images/generations", "/v1/audio/speech");

    /// <summary>True when errors are told in OpenAI's shape.</summary>
    public bool IsOpenAi => Endpoint is Endpoint.OpenAi or Endpoint.ModelList or Endpoint.ModelEntry or Endpoint.UnknownOpenAi;

    /// <summary>Whether it changes nothing and so takes GET and HEAD; all others take POST alone.</summary>
    public bool IsRead => Endpoint is not (Endpoint.Infer or Endpoint.OpenAi);

    public static ProtocolPath Parse(string path)
    {
        var rest = path.AsSpan().TrimEnd('/');
        if (rest.StartsWith("/v2/models/", StringComparison.Ordinal)) return OfModel(rest["/v2/models/".Length..]);
        if (rest.SequenceEqual("/v2")) return new ProtocolPath(Endpoint.ServerMetadata, null);
        if (rest.SequenceEqual("/v2/health/live")) return new ProtocolPath(Endpoint.Live, null);
        if (rest.SequenceEqual("/v2/health/ready")) return new ProtocolPath(Endpoint.Ready, null);
        if (rest.SequenceEqual("/v1/models")) return new ProtocolPath(Endpoint.ModelList, null);
        if (rest.StartsWith("/v1/models/", StringComparison.Ordinal))
            return new ProtocolPath(Endpoint.ModelEntry, rest["/v1/models/".Length..].ToString());
        if (!rest.StartsWith("/v1/", StringComparison.Ordinal)) return new ProtocolPath(Endpoint.Unknown, null);
        return new ProtocolPath(
            OpenAiCalls.GetAlternateLookup<ReadOnlySpan<char>>().Contains(rest) ? Endpoint.OpenAi : Endpoint.UnknownOpenAi, null);
    }

    // models/NAME, models/NAME/ready, models/NAME/infer, each with /versions/V in between.
    private static ProtocolPath OfModel(ReadOnlySpan<char> rest)
    {
        var slash = rest.IndexOf('/');
        if (slash < 0) return new ProtocolPath(Endpoint.ModelMetadata, rest.ToString());
        var name = rest[..slash].ToString();
        var action = rest[(slash + 1)..];
        if (action.StartsWith("versions/", StringComparison.Ordinal))
        {
            action = action["versions/".Length..];
            var end = action.IndexOf('/');
            if (end == 0) return new ProtocolPath(Endpoint.Unknown, name);
            action = end < 0 ? [] : action[(end + 1)..];
        }

        return action switch
        {
            "" => new ProtocolPath(Endpoint.ModelMetadata, name),
            "ready" => new ProtocolPath(Endpoint.ModelReady, name),
            "infer" or "generate" or "generate_stream" => new ProtocolPath(Endpoint.Infer, name),
            _ => new ProtocolPath(Endpoint.Unknown, name),
        };
    }
}
