using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plimsoll.Local.Tests.Fleets;

/// <summary>Somebody else's server: it says 200 to everything.</summary>
internal sealed class AnsweringStranger : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly SemaphoreSlim _asked = new(0);
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
        _listener.Stop();
        await _serving;
        _asked.Dispose();
    }

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync();
                await using var stream = client.GetStream();
                _ = await stream.ReadAsync(new byte[4096]);
                await stream.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
                _asked.Release();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // The listener was stopped.
        }
    }
}
