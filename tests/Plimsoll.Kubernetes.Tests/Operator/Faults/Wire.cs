using System.Net;
using System.Net.Sockets;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>
/// A TCP connection's way to a server, on a loopback port of its own, that can be cut, refuse, or go dead without a word. It
/// looks at nothing that passes: TLS goes through it from end to end.
/// </summary>
internal sealed class Wire : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly Lock _gate = new();
    private readonly List<Strand> _strands = [];
    private readonly IPEndPoint _to;
    private readonly Task _accepting;

    private Wire(Uri server)
    {
        _to = new IPEndPoint(IPAddress.Loopback, server.Port);
        _listener.Start();
        Address = new UriBuilder(server) { Port = ((IPEndPoint)_listener.LocalEndpoint).Port }.Uri;
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Where the server seems to be.</summary>
    public Uri Address { get; }

    /// <summary>Whether new connections are closed at once.</summary>
    public bool Refuses { get; set; }

    /// <summary>Connections that passed something so far.</summary>
    public int Opened { get; private set; }

    public static Wire To(Uri server) => new(server);

    /// <summary>Resets every open connection.</summary>
    public void Cut()
    {
        foreach (var strand in Taken()) strand.Dispose();
    }

    /// <summary>Open connections pass nothing more, and neither end is told; new ones work.</summary>
    public void GoDead()
    {
        lock (_gate)
        {
            foreach (var strand in _strands) strand.Dead = true;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Stop();
        Cut();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _end.Dispose();
    }

    private Strand[] Taken()
    {
        lock (_gate)
        {
            var taken = _strands.ToArray();
            _strands.Clear();
            return taken;
        }
    }

    private async Task AcceptAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            var client = await _listener.AcceptSocketAsync(_end.Token);
            if (Refuses)
            {
                client.Close(0);
                continue;
            }

            var server = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await server.ConnectAsync(_to, _end.Token);
            }
            catch (SocketException)
            {
                client.Close(0);
                server.Dispose();
                continue;
            }

            client.NoDelay = true;
            var strand = new Strand(client, server);
            lock (_gate)
            {
                _strands.Add(strand);
                Opened++;
            }

            strand.Start(_end.Token);
        }
    }

    /// <summary>One connection: two sockets, and what is copied between them.</summary>
    private sealed class Strand(Socket client, Socket server) : IDisposable
    {
        public volatile bool Dead;

        public void Start(CancellationToken end)
        {
            _ = CopyAsync(client, server, end);
            _ = CopyAsync(server, client, end);
        }

        // Closed with what is unsent thrown away: the other side sees a reset.
        public void Dispose()
        {
            client.Close(0);
            server.Close(0);
        }

        private async Task CopyAsync(Socket from, Socket to, CancellationToken end)
        {
            var block = new byte[64 << 10];
            try
            {
                while (true)
                {
                    var read = await from.ReceiveAsync(block, end);
                    // A dead one goes on to take what comes, as a network does that loses it.
                    if (read == 0) break;
                    if (Dead) continue;
                    for (var sent = 0; sent < read;) sent += await to.SendAsync(block.AsMemory(sent, read - sent), end);
                }

                if (!Dead) to.Shutdown(SocketShutdown.Send);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                if (!Dead) Dispose();
            }
        }
    }
}
