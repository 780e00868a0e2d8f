using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Plimsoll.Kubernetes.Tests.Metrics;

/// <summary>A real Prometheus on loopback that scrapes the endpoints it is given every half second.</summary>
internal sealed class PrometheusServer : IAsyncDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _folder;

    private PrometheusServer(Process process, DirectoryInfo folder, Uri uri) =>
        (_process, _folder, Uri) = (process, folder, uri);

    public Uri Uri { get; }

    /// <summary>
    /// Starts it; skips the test where Prometheus is not installed, and fails it under CI=true. PLIMSOLL_PROMETHEUS
    /// names the program where it is not on the path.
    /// </summary>
    public static Task<PrometheusServer> StartAsync(params (string Namespace, string Pod, Endpoint Endpoint)[] targets) => StartAsync(
        [.. targets.Select(target => (target.Namespace, target.Pod, string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{target.Endpoint.Port}")))]);

    /// <summary>The same, of targets by host and port.</summary>
    /// <param name="targets">What the job "pods" scrapes.</param>
    /// <param name="more">Other jobs, as they stand in a scrape configuration.</param>
    public static async Task<PrometheusServer> StartAsync((string Namespace, string Pod, string Address)[] targets, string more = "")
    {
        var program = Program();
        const string missing = "prometheus is not installed (Debian: apt-get install prometheus); PLIMSOLL_PROMETHEUS names it where it is not on the path";
        if (program is null)
        {
            if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(missing);
            Assert.Skip(missing);
        }

        var folder = Directory.CreateTempSubdirectory("plimsoll-prometheus-");
        var config = Path.Combine(folder.FullName, "prometheus.yml");
        await File.WriteAllTextAsync(config, "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\nscrape_configs:\n- job_name: pods\n  static_configs:\n"
            + string.Concat(targets.Select(target => $"  - targets: ['{target.Address}']\n    labels: {{namespace: {target.Namespace}, pod: {target.Pod}}}\n")) + more);
        for (var attempt = 0; ; attempt++)
        {
            var port = FreePort();
            var uri = new Uri(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/"));
            var process = Process.Start(new ProcessStartInfo(program!)
            {
                ArgumentList =
                {
                    $"--config.file={config}",
                    $"--storage.tsdb.path={Path.Combine(folder.FullName, "data")}",
                    string.Create(CultureInfo.InvariantCulture, $"--web.listen-address=127.0.0.1:{port}"),
                    "--log.level=error",
                },
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            })!;
            process.ErrorDataReceived += (_, _) => { };
            process.OutputDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            process.BeginOutputReadLine();
            var server = new PrometheusServer(process, folder, uri);
            if (await server.IsReadyAsync()) return server;
            await server.StopAsync();
            if (attempt == 2) Assert.Fail("prometheus did not become ready on three ports in turn");
        }
    }

    private async Task<bool> IsReadyAsync()
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(2) };
        for (var attempt = 0; attempt < 300 && !_process.HasExited; attempt++)
        {
            try
            {
                if ((await client.GetAsync(new Uri(Uri, "-/ready"))).IsSuccessStatusCode) return true;
            }
            catch (Exception problem) when (problem is HttpRequestException or OperationCanceledException)
            {
                // Not listening yet.
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }

        return false;
    }

    private static string? Program() => Environment.GetEnvironmentVariable("PLIMSOLL_PROMETHEUS") is { Length: > 0 } named ? named
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, "prometheus")).FirstOrDefault(File.Exists);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task StopAsync()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _folder.Delete(recursive: true);
    }
}
