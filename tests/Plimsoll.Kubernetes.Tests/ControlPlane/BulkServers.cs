using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// Servers of thousands of pods in one process: a socket for each address, many pods behind one where their paths differ. Each
/// answers as vLLM does, with a rate of requests of its model.
/// </summary>
public sealed class BulkServers(int port) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<IPAddress, Socket> _sockets = new();
    private readonly ConcurrentDictionary<string, double> _done = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _ending = new();
    private readonly long _began = TimeProvider.System.GetTimestamp();
    private long _answers;
    private int _open;
    private int _openMax;

    /// <summary>Requests a second of one pod, by its path.</summary>
    public Func<string, double> Rate { get; set; } = _ => 0;

    public long Answers => Interlocked.Read(ref _answers);

    /// <summary>The most connections that were open at a time.</summary>
    public int OpenMax => Volatile.Read(ref _openMax);

    /// <summary>Sockets that wait for connections.</summary>
    public int Addresses => _sockets.Count;

    /// <summary>Listens at an address, unless it does already.</summary>
    public void Serve(IPAddress address)
    {
        if (_sockets.ContainsKey(address)) return;
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        if (!_sockets.TryAdd(address, socket))
        {
            socket.Dispose();
            return;
        }

        socket.Bind(new IPEndPoint(address, port));
        socket.Listen(64);
        _ = AcceptAsync(socket, address.ToString());
    }

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        foreach (var socket in _sockets.Values) socket.Dispose();
        _ending.Dispose();
    }

    private async Task AcceptAsync(Socket socket, string address)
    {
        try
        {
            while (true) _ = AnswerAsync(await socket.AcceptAsync(_ending.Token), address);
        }
        catch (Exception ended) when (ended is SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private async Task AnswerAsync(Socket connection, string address)
    {
        var open = Interlocked.Increment(ref _open);
        for (int most; open > (most = Volatile.Read(ref _openMax)) && Interlocked.CompareExchange(ref _openMax, open, most) != most;)
        {
        }

        try
        {
            using var closing = connection;
            var buffer = new byte[2048];
            var length = 0;
            while (true)
            {
                var read = await connection.ReceiveAsync(buffer.AsMemory(length), _ending.Token);
                if (read == 0) return;
                length += read;
                var text = Encoding.ASCII.GetString(buffer, 0, length);
                if (!text.EndsWith("\r\n\r\n", StringComparison.Ordinal)) continue;
                length = 0;
                var path = text.Split(' ')[1];
                var body = Text(address, path);
                var close = text.Contains("connection: close", StringComparison.OrdinalIgnoreCase);
                await connection.SendAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
                    $"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {body.Length}\r\n{(close ? "Connection: close\r\n" : "")}\r\n{body}")), _ending.Token);
                Interlocked.Increment(ref _answers);
                if (close) return;
            }
        }
        catch (Exception ended) when (ended is SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    private string Text(string address, string path)
    {
        // What a change of the rate would take away again is not given: counters do not fall.
        var rate = Rate(path);
        var done = Math.Floor(rate * TimeProvider.System.GetElapsedTime(_began).TotalSeconds);
        done = _done.AddOrUpdate(address + path, done, (_, before) => Math.Max(before, done));
        return string.Create(CultureInfo.InvariantCulture, $"""
            vllm:num_requests_running{'{'}model_name="m"{'}'} {Math.Min(Math.Round(rate * 2), 2)}
            vllm:num_requests_waiting{'{'}model_name="m"{'}'} 0
            vllm:request_success_total{'{'}model_name="m"{'}'} {done}
            vllm:e2e_request_latency_seconds_bucket{'{'}model_name="m",le="2.5"{'}'} {done}
            vllm:e2e_request_latency_seconds_bucket{'{'}model_name="m",le="+Inf"{'}'} {done}
            vllm:e2e_request_latency_seconds_count{'{'}model_name="m"{'}'} {done}
            vllm:e2e_request_latency_seconds_sum{'{'}model_name="m"{'}'} {done * 2}

            """);
    }
}
