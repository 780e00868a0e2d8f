using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plimsoll.Local.Tests.Fleets;

/// <summary>Somebody else's server: it says 200 to everything.</summary>
internal sealed class AnsweringStranger : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly SemaphoreSlim _asked = new(0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;

    private AnsweringStranger(TcpListener listener)
    {
        _listener = listener;
        _serving = ServeAsync();
    }

    public static AnsweringStranger Listen(int port)
    {
        var listener = new TcpListener(IPAddress.Loopback, port);
        listener.Start();
        return new AnsweringStranger(listener);
    }

    public async Task UntilAskedAsync(int times)
    {
        for (var i = 0; i < times; i++)
            Assert.True(await _asked.WaitAsync(RunningFleet.Patience, RunningFleet.Cancel), "nobody asked");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Stop();
        _asked.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using var client = await _listener.AcceptTcpClientAsync(_stop.Token);
                await using var stream = client.GetStream();
                _ = await stream.ReadAsync(new byte[4096], _stop.Token);
                await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), _stop.Token);
                _asked.Release();
            }
            catch (Exception e) when (e is SocketException or IOException || (e is OperationCanceledException && _stop.IsCancellationRequested))
            {
                // Whoever asked has hung up, or it is over.
            }
        }
    }
}
