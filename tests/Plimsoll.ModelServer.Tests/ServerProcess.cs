using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Plimsoll.Artifacts;

namespace Plimsoll.ModelServer.Tests;

/// <summary>The real server as a child process, ended with the test.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;

    private ServerProcess(Process process, Uri address)
    {
        _process = process;
        Client = new HttpClient { BaseAddress = address, Timeout = Patience };
    }

    public HttpClient Client { get; }

    public int Port => Client.BaseAddress!.Port;

    public static async Task<SampleModelResult> ModelAsync(string folder, long bytes = 400_000, bool external = false) =>
        await SampleModels.EnsureAsync(
            folder, "m", bytes, externalData: external, cancel: TestContext.Current.CancellationToken);

    /// <summary>Starts and waits until the server listens; not until it is ready.</summary>
    public static async Task<ServerProcess> StartAsync(string model, params string[] arguments)
    {
        var process = Launch(["--model", model, "--port", "0", .. arguments]);
        var line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)
            .AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken);
        if (line is null)
            throw new InvalidOperationException(await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        Assert.StartsWith("listening on http://127.0.0.1:", line, StringComparison.Ordinal);
        return new ServerProcess(process, new Uri(line["listening on ".Length..]));
    }

    public static async Task<ServerProcess> StartReadyAsync(string model, params string[] arguments)
    {
        var server = await StartAsync(model, arguments);
        await server.UntilReadyAsync();
        return server;
    }

    /// <summary>Runs the server where it should end by itself.</summary>
    public static async Task<(int ExitCode, string Error)> RunToEndAsync(params string[] arguments)
    {
        using var process = Launch(arguments);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        try
        {
            await process.WaitForExitAsync(TestContext.Current.CancellationToken)
                .WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }

        return (process.ExitCode, await error);
    }

    public async Task UntilReadyAsync(int status = 200)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        while ((int)(await Client.GetAsync("/v2/health/ready", patience.Token)).StatusCode != status)
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, patience.Token);
    }

    public Task<HttpResponseMessage> InferAsync(object body, string model = "m") =>
        Client.PostAsJsonAsync($"/v2/models/{model}/infer", body, TestContext.Current.CancellationToken);

    public static object Body(long[][] ids, string? id = null) => new
    {
        id = id ?? "r",
        inputs = new[] { new { name = "input_ids", shape = new[] { ids.Length, ids[0].Length }, datatype = "INT64", data = ids } },
    };

    /// <summary>The first output's values, row after row.</summary>
    public async Task<float[]> EmbeddingAsync(params long[][] ids)
    {
        using var response = await InferAsync(Body(ids));
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.IsSuccessStatusCode, text);
        using var json = JsonDocument.Parse(text);
        return [.. json.RootElement.GetProperty("outputs")[0].GetProperty("data").EnumerateArray().Select(v => v.GetSingle())];
    }

    public async Task<double> MetricAsync(string name)
    {
        var text = await Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken);
        return PrometheusText.Parse(text).Single(sample => sample.Name == name).Value;
    }

    public void Terminate()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{_process.Id}"]);
        kill.WaitForExit();
    }

    public async Task<(int ExitCode, string Error)> ExitAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken)
            .WaitAsync(Patience, TestContext.Current.CancellationToken);
        return (_process.ExitCode, await _process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    private static Process Launch(string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Plimsoll.ModelServer"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return Process.Start(start)!;
    }
}
