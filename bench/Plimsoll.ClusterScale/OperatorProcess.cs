using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Plimsoll.ClusterScale;

/// <summary>The operator as a process, and what it tells Prometheus of itself.</summary>
internal sealed class OperatorProcess : IDisposable
{
    private readonly Process _process;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(30) };
    private readonly int _health;
    private readonly int _metrics;

    private OperatorProcess(Process process, int health, int metrics) => (_process, _health, _metrics) = (process, health, metrics);

    /// <summary>Starts it and waits until it says that it is ready; what it writes goes to operator.log in the temporary folder.</summary>
    public static async Task<OperatorProcess> StartAsync(string program, string kubeconfig, string? cores, CancellationToken cancel)
    {
        var (health, metrics) = (FreePort(), FreePort());
        var log = Path.Combine(Path.GetTempPath(), $"operator-{Environment.ProcessId}.log");
        Console.WriteLine($"the operator writes to {log}");
        var start = new ProcessStartInfo("/bin/sh") { ArgumentList = { "-c", $"exec {(cores is null ? "" : $"taskset -c {cores} ")}\"$@\" > {log} 2>&1", "sh", program, "operator", "--kubeconfig", kubeconfig, "--namespace", "plimsoll-system", "--health-port", Text(health), "--metrics-port", Text(metrics) } };
        // As deploy/operator/deployment.yaml has it.
        start.Environment["DOTNET_GCgen0size"] = "C000000";
        start.Environment["DOTNET_GCSegmentSize"] = "80000000";
        start.Environment["DOTNET_GCLOHThreshold"] = "800000";
        start.Environment["DOTNET_gcConcurrent"] = "0";
        var started = new OperatorProcess(Process.Start(start)!, health, metrics);
        while (!await started.IsReadyAsync(cancel))
        {
            if (started._process.HasExited) throw new InvalidOperationException($"the operator ended: {await File.ReadAllTextAsync(log, cancel)}");
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, cancel);
        }

        return started;
    }

    public async Task<Reading> ReadAsync(CancellationToken cancel) =>
        Reading.Of(await _http.GetStringAsync(new Uri($"http://127.0.0.1:{_metrics}/metrics"), cancel));

    public async Task UntilAsync(Func<Reading, bool> wanted, CancellationToken cancel)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!wanted(await ReadAsync(cancel)) && TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromMinutes(3))
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, cancel);
    }

    /// <summary>Until next to nothing was written for ten seconds; five minutes at the most.</summary>
    public async Task SettledAsync(CancellationToken cancel)
    {
        for (var i = 0; i < 30; i++)
        {
            var before = (await ReadAsync(cancel)).Writes;
            await Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System, cancel);
            if ((await ReadAsync(cancel)).Writes - before < 10) return;
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            using var term = Process.Start("kill", ["-TERM", Text(_process.Id)]);
            if (!_process.WaitForExit(TimeSpan.FromSeconds(20))) _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
        _http.Dispose();
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    // Ready for the probes, and its metrics are served too.
    private async Task<bool> IsReadyAsync(CancellationToken cancel)
    {
        try
        {
            using var ready = await _http.GetAsync(new Uri($"http://127.0.0.1:{_health}/readyz"), cancel);
            return ready.IsSuccessStatusCode && (await ReadAsync(cancel)).Turns > 0;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary>One reading of the operator's numbers.</summary>
internal sealed record Reading(SortedDictionary<string, long> Requests, SortedDictionary<double, long> Buckets, long Turns, double LongestSeconds, long Resident, long ResidentMost)
{
    /// <summary>Changes of objects, leases left out.</summary>
    public long Writes => Requests.Where(one => !one.Key.Contains("leases", StringComparison.Ordinal) && one.Key.Split(' ')[0] is "PATCH" or "POST" or "PUT" or "DELETE").Sum(one => one.Value);

    public static Reading Of(string text)
    {
        var (requests, buckets) = (new SortedDictionary<string, long>(StringComparer.Ordinal), new SortedDictionary<double, long>());
        var (turns, longest, resident, most) = (0L, 0.0, 0L, 0L);
        foreach (var line in text.Split('\n'))
        {
            if (line.LastIndexOf(' ') is not (var space and > 0) || line[0] == '#') continue;
            var value = double.Parse(line[(space + 1)..], CultureInfo.InvariantCulture);
            string Label(string name) => line.IndexOf(name + "=\"", StringComparison.Ordinal) is var from and >= 0
                ? line[(from + name.Length + 2)..line.IndexOf('"', from + name.Length + 2)] : "";
            if (line.StartsWith("plimsoll_apiserver_requests_by_resource_total{", StringComparison.Ordinal)) requests[$"{Label("verb")} {Label("resource")} {Label("code")}"] = (long)value;
            else if (line.StartsWith("plimsoll_operator_turn_seconds_bucket{", StringComparison.Ordinal))
                buckets[Label("le") == "+Inf" ? double.PositiveInfinity : double.Parse(Label("le"), CultureInfo.InvariantCulture)] = (long)value;
            else if (line.StartsWith("plimsoll_operator_turn_seconds_count", StringComparison.Ordinal)) turns = (long)value;
            else if (line.StartsWith("plimsoll_operator_turn_longest_seconds", StringComparison.Ordinal)) longest = value;
            else if (line.StartsWith("process_resident_memory_bytes", StringComparison.Ordinal)) resident = (long)value;
            else if (line.StartsWith("plimsoll_operator_resident_memory_most_bytes", StringComparison.Ordinal)) most = (long)value;
        }

        return new Reading(requests, buckets, turns, longest, resident, most);
    }

    /// <summary>The bound of the bucket in which the quantile of the turns since then lies.</summary>
    public string Quantile(Reading before, double quantile)
    {
        var wanted = (long)Math.Ceiling(quantile * (Turns - before.Turns));
        foreach (var (bound, count) in Buckets)
        {
            if (count - before.Buckets.GetValueOrDefault(bound) >= wanted) return string.Create(CultureInfo.InvariantCulture, $"<= {bound} s");
        }

        return "none";
    }

    public IEnumerable<KeyValuePair<string, long>> Since(Reading before) =>
        Requests.Select(one => KeyValuePair.Create(one.Key, one.Value - before.Requests.GetValueOrDefault(one.Key)));
}
