using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Answers every request with bytes of a test's own, which need not be HTTP.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Func<string, string> _answer;
    private readonly bool _endless;
    private readonly Task _serving;
    private long _sent;

    /// <param name="answer">From the head of a request to all that is sent.</param>
    /// <param name="endless">Go on sending zeros afterwards until the other side has enough.</param>
    public RawServer(Func<string, string> answer, bool endless = false)
    {
        (_answer, _endless) = (answer, endless);
        _listener.Start();
        _serving = Task.Run(ServeAsync);
    }

    public string Address => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public long Sent => Interlocked.Read(ref _sent);

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        await _serving;
        _end.Dispose();
    }

    private async Task ServeAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true) connections.Add(AnswerAsync(await _listener.AcceptSocketAsync(_end.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task AnswerAsync(Socket socket)
    {
        using var closing = socket;
        try
        {
            var (head, buffer) = (new StringBuilder(), new byte[4096]);
            while (!head.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
            {
                var read = await socket.ReceiveAsync(buffer, _end.Token);
                if (read == 0) return;
                head.Append(Encoding.ASCII.GetString(buffer, 0, read));
                // The hello of a TLS handshake, which has no end of a head to wait for.
                if (buffer[0] == 0x16) break;
            }

            await socket.SendAsync(Encoding.ASCII.GetBytes(_answer(head.ToString())), _end.Token);
            var zeros = new byte[64 * 1024];
            while (_endless) Interlocked.Add(ref _sent, await socket.SendAsync(zeros, _end.Token));
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            // The other side has had enough, or the test is over.
        }
    }
}
