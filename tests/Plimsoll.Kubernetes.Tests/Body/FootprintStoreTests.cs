using System.Net;
using System.Net.Sockets;
using System.Text;
using Plimsoll.Artifacts;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>Hosts that take connections and never answer, and one that answers.</summary>
public sealed class FootprintStoreTests : IDisposable
{
    private readonly FootprintStore _store = new(SourceSettings.OfProcess, TimeProvider.System);
    private readonly List<Host> _hosts = [];

    public void Dispose()
    {
        _store.Dispose();
        foreach (var host in _hosts) host.Dispose();
    }

    [Fact]
    public async Task A_host_that_hangs_holds_up_none_of_another_and_is_asked_for_four_at_a_time()
    {
        var (hangs, answers) = (Listen(null), Listen("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        for (var i = 0; i < 20; i++) _store.Find(hangs.Source(i));
        await Patience.UntilAsync("four are asked for", _ => Task.FromResult(hangs.Connections), connections => connections == 4);

        var known = await Patience.UntilAsync("the other's are looked at", _ => Task.FromResult(Enumerable.Range(0, 9).Select(i => _store.Find(answers.Source(i))).ToArray()),
            all => all.All(one => one.Problem is not null));

        Assert.All(known, one => Assert.Contains("404", one.Problem, StringComparison.Ordinal));
        Assert.Equal(4, hangs.Connections);
        Assert.All(Enumerable.Range(0, 20), i => Assert.Null(_store.Find(hangs.Source(i)).Problem));
    }

    [Fact]
    public async Task Of_all_hosts_together_sixteen_are_asked_for_at_a_time()
    {
        var hanging = Enumerable.Range(0, 6).Select(_ => Listen(null)).ToArray();
        foreach (var host in hanging)
            for (var i = 0; i < 5; i++) _store.Find(host.Source(i));

        await Patience.UntilAsync("sixteen are asked for", _ => Task.FromResult(hanging.Sum(host => host.Connections)), connections => connections == 16);
        await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, TestContext.Current.CancellationToken);

        Assert.Equal(16, hanging.Sum(host => host.Connections));
        Assert.All(hanging, host => Assert.InRange(host.Connections, 0, 4));
    }

    private Host Listen(string? answer)
    {
        var host = new Host(answer);
        _hosts.Add(host);
        return host;
    }

    private sealed class Host : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly List<TcpClient> _clients = [];
        private int _connections;

        public Host(string? answer)
        {
            _listener.Start();
            _ = ServeAsync(answer);
        }

        public int Connections => Volatile.Read(ref _connections);

        public string Source(int number) => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/model-{number}.safetensors";

        public void Dispose()
        {
            _listener.Stop();
            lock (_clients) _clients.ForEach(client => client.Dispose());
        }

        private async Task ServeAsync(string? answer)
        {
            try
            {
                while (true)
                {
                    var client = await _listener.AcceptTcpClientAsync();
                    Interlocked.Increment(ref _connections);
                    lock (_clients) _clients.Add(client);
                    if (answer is not null) _ = AnswerAsync(client, answer);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                // The listener was stopped.
            }
        }

        private static async Task AnswerAsync(TcpClient client, string answer)
        {
            try
            {
                _ = await client.GetStream().ReadAsync(new byte[4096]);
                await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(answer));
                client.Close();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // Whoever asked went.
            }
        }
    }
}
