using System.Net;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway;

/// <summary>
/// Who may ask a port on loopback that wants no key. A browser on this machine reaches it too, for any page it shows: one whose
/// name was made to point here, or one that sends a form across.
/// </summary>
internal static class LoopbackCallers
{
    private const int ShownMax = 100;

    /// <summary>Why a request is refused, with what would do; null for one of this machine's own.</summary>
    public static string? Refusal(HttpRequest request, bool hasKey)
    {
        var would = hasKey ? "" : ", or an API key (gateway.apiKey)";
        if (request.Host.HasValue && !IsHere(request.Host.Host))
            return $"'{Shown(request.Host.Value!)}' is no name of this machine's loopback; localhost, 127.0.0.1 or [::1] as the host{would} would do";
        if (request.Headers.Origin is { Count: > 0 } origins && !(Uri.TryCreate(origins.ToString(), UriKind.Absolute, out var origin) && IsHere(origin.Host)))
            return $"a page of '{Shown(origins.ToString())}' asks; a page of localhost, 127.0.0.1 or [::1], a client that sends no Origin{would} would do";
        return null;
    }

    // Nobody can have an address, or a name below localhost, point elsewhere than here.
    private static bool IsHere(string host)
    {
        var name = host.TrimEnd('.');
        return name.Equals("localhost", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(name.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));
    }

    private static string Shown(string text) => text.Length > ShownMax ? text[..ShownMax] + "…" : text;
}
