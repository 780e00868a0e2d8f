using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plimsoll.Gateway.Tests;

/// <summary>A server that answers every request with exactly the bytes it was told, and closes.</summary>
internal sealed class RawServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly byte[] _answer;

    /// <param name="answer">One byte for each character (Latin-1); empty closes without an answer.</param>
    public RawServer(string answer)
    {
        _answer = Encoding.Latin1.GetBytes(answer);
        _listener.Start();
        _ = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");

    /// <summary>What came with each request up to its body's first byte, one character for each byte.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                using var connection = await _listener.AcceptSocketAsync();
                var buffer = new byte[16 * 1024];
                var seen = new StringBuilder();
                int read;
                do
                {
                    read = await connection.ReceiveAsync(buffer);
                    seen.Append(Encoding.Latin1.GetString(buffer, 0, read));
                }
                while (read > 0 && !seen.ToString().Contains("\r\n\r\n", StringComparison.Ordinal));
                Requests.Enqueue(seen.ToString());
                await connection.SendAsync(_answer);
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // It is over.
        }
    }
}
