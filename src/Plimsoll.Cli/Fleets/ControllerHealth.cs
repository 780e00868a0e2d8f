using System.Net.Sockets;

namespace Plimsoll.Cli.Fleets;

/// <summary>
/// What a running controller says of itself. The journal cannot tell that it is not written: when its disk is full, this is
/// the only way to learn so.
/// </summary>
internal static class ControllerHealth
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Asks it.</summary>
    /// <returns>What it cannot do, in a sentence, or that it does not say; no trouble when all is well, or when nobody is there. And whether it answered.</returns>
    public static (string? Trouble, bool Answered) Of(FleetAddresses? addresses)
    {
        if (addresses?.Admin is not { } admin || !Uri.TryCreate(admin, UriKind.Absolute, out var page)) return (null, false);
        try
        {
            using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false })
            {
                Timeout = Patience,
                MaxResponseContentBufferSize = 64 * 1024,
            };
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(page, "/healthz"));
            using var answer = client.Send(request);
            using var text = new StreamReader(answer.Content.ReadAsStream());
            // Anyone may have the port by now; ours begins with "ok".
            var ours = answer.IsSuccessStatusCode && text.ReadLine() == "ok";
            return (ours && text.ReadLine() is { Length: > 0 } said ? FleetFiles.Show.Text(said, 500) : null, ours);
        }
        catch (TaskCanceledException)
        {
            return ($"the controller did not answer within {Patience.TotalSeconds:0} s, so that whether its ticks are recorded is not known", false);
        }
        catch (Exception e) when (e is HttpRequestException or SocketException or IOException)
        {
            return (null, false);
        }
    }
}
