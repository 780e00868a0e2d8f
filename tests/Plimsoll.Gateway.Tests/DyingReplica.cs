using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Plimsoll.Gateway.Tests;

/// <summary>
/// Takes requests and never answers, until it dies as a killed process does: the kernel resets its connections and
/// refuses new ones.
/// </summary>
internal sealed class DyingReplica : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentBag<Socket> _connections = [];
    private readonly int _diesAfter;
    private int _requests;

    /// <param name="diesAfter">Closes each connection at its first request when 0; else only when told.</param>
    public DyingReplica(int diesAfter = int.MaxValue)
    {
        _diesAfter = diesAfter;
        _listener.Start(256);
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");
        _ = AcceptAsync();
    }

    public Uri Address { get; }

    /// <summary>Requests that reached it.</summary>
    public int Requests => Volatile.Read(ref _requests);

    public void Die()
    {
        _listener.Stop();
        foreach (var connection in _connections) connection.Close(0);
    }

    public void Dispose()
    {
        Die();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var connection = await _listener.AcceptSocketAsync();
                _connections.Add(connection);
                _ = ReceiveAsync(connection);
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // It died.
        }
    }

    private async Task ReceiveAsync(Socket connection)
    {
        try
        {
            var buffer = new byte[4096];
            if (await connection.ReceiveAsync(buffer) == 0) return;
            Interlocked.Increment(ref _requests);
            if (_diesAfter == 0) connection.Close(0);
            else while (await connection.ReceiveAsync(buffer) > 0) { }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // It died.
        }
    }
}
