using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>The API server refused, or could not be reached; one sentence, without secrets.</summary>
public sealed partial class ApiException : Exception
{
    public ApiException(string message, HttpStatusCode? status = null, string? reason = null, Exception? inner = null)
        : base(message, inner) => (Status, Reason) = (status, reason);

    /// <summary>Null when nothing answered.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>The machine's word for it ("Conflict", "Expired").</summary>
    public string? Reason { get; }

    /// <summary>How long the server asks to be left alone, within bounds of ours; null when it does not say.</summary>
    public TimeSpan? RetryAfter { get; internal set; }

    /// <summary>Whether the same request may do later.</summary>
    public bool IsTransient => Status is null or HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout or >= HttpStatusCode.InternalServerError;

    /// <summary>Reads the Status object of an answer that is no success.</summary>
    internal static ApiException Of(HttpMethod verb, string path, HttpStatusCode status, ReadOnlyMemory<byte> body)
    {
        var (said, reason) = ("", (string?)null);
        try
        {
            using var json = JsonDocument.Parse(body);
            if (json.RootElement is { ValueKind: JsonValueKind.Object } root)
            {
                said = root.TryGetProperty("message", out var message) && message.ValueKind == JsonValueKind.String ? message.GetString()! : "";
                reason = root.TryGetProperty("reason", out var word) && word.ValueKind == JsonValueKind.String ? word.GetString() : null;
            }
        }
        catch (JsonException)
        {
            // A proxy's page: the code alone has to do.
        }

        said = said.Length > 400 ? said[..400] + "…" : said;
        if (status == HttpStatusCode.Forbidden && Denied().Match(said) is { Success: true } denied)
        {
            return new ApiException(
                $"the operator's role lacks the permission to {denied.Groups["verb"].Value} {denied.Groups["resource"].Value}"
                + $" in API group \"{denied.Groups["group"].Value}\"{denied.Groups["where"].Value}", status, reason);
        }

        // An apply of what is not there yet needs create, and of that a server says no more than so.
        if (status == HttpStatusCode.Forbidden && verb == HttpMethod.Patch && DeniedCreation().Match(said) is { Success: true } creation)
        {
            return new ApiException(
                $"the operator's role lacks the permission to create {creation.Groups["resource"].Value} in API group \"{creation.Groups["group"].Value}\"", status, reason);
        }

        return new ApiException(
            $"{verb} {path.Split('?')[0]} was answered {(int)status}{(said.Length > 0 ? ": " + said : "")}", status, reason);
    }

    [GeneratedRegex("cannot (?<verb>[a-z]+) resource \"(?<resource>[^\"]+)\" in API group \"(?<group>[^\"]*)\"(?<where>( in the namespace \"[^\"]+\")?( at the cluster scope)?)")]
    private static partial Regex Denied();

    [GeneratedRegex("^(?<resource>[a-z0-9-]+)(\\.(?<group>[a-z0-9.-]+))? \"[^\"]+\" is forbidden: *$")]
    private static partial Regex DeniedCreation();
}
