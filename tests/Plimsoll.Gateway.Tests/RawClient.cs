using System.Net.Sockets;
using System.Text;

namespace Plimsoll.Gateway.Tests;

/// <summary>A client that sends exactly the bytes it is told, which no polite one would.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly TcpClient _connection = new();

    public static async Task<RawClient> ConnectAsync(Uri gateway)
    {
        var client = new RawClient();
        await client._connection.ConnectAsync(gateway.Host, gateway.Port);
        return client;
    }

    public async Task SendAsync(string text) => await _connection.GetStream().WriteAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Reads until the text has been seen, or the connection's end; all that was read.</summary>
    public async Task<string> ReadUntilAsync(string text)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60), TimeProvider.System);
        var seen = new StringBuilder();
        var buffer = new byte[4096];
        while (!seen.ToString().Contains(text, StringComparison.Ordinal))
        {
            var read = await _connection.GetStream().ReadAsync(buffer, patience.Token);
            if (read == 0) break;
            seen.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }

        return seen.ToString();
    }

    public void Dispose() => _connection.Dispose();
}
