using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Plimsoll.EndToEnd.Tests.Browsing;

/// <summary>A real Chromium with one page, driven by its DevTools protocol: keys are pressed, not made up by a script.</summary>
internal sealed class Browser : IAsyncDisposable
{
    private static readonly string[] Programs = ["chromium", "chromium-browser", "google-chrome"];

    private readonly Process _process;
    private readonly string _folder;
    private readonly ClientWebSocket _socket = new();
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _asked = new();
    private readonly ConcurrentQueue<string> _requests = new();
    private readonly ConcurrentQueue<string> _complaints = new();
    private readonly SemaphoreSlim _sending = new(1);
    private int _number;

    private Browser(Process process, string folder) => (_process, _folder) = (process, folder);

    /// <summary>Every address that the page asked for.</summary>
    public ImmutableArray<string> Requests => [.. _requests];

    /// <summary>Errors and warnings of its console, what a policy refused and exceptions that nobody caught.</summary>
    public ImmutableArray<string> Complaints => [.. _complaints];

    /// <summary>Opens an empty page of a width and height, as a telephone shows it where it is narrow.</summary>
    public static async Task<Browser> StartAsync(int width, int height)
    {
        var folder = Directory.CreateTempSubdirectory("plimsoll-browser-").FullName;
        var process = Process.Start(new ProcessStartInfo(ProgramOrSkip(),
        [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--remote-debugging-port=0", $"--user-data-dir={folder}", "about:blank",
        ])
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var browser = new Browser(process, folder);
        var port = Path.Combine(folder, "DevToolsActivePort");
        await Scene.UntilAsync(() => File.Exists(port) && File.ReadAllLines(port).Length == 2, () => "the browser starts");
        using var http = new HttpClient();
        using var made = await http.PutAsync(new Uri($"http://127.0.0.1:{File.ReadAllLines(port)[0]}/json/new?about:blank"), null, Scene.Cancel);
        var page = JsonNode.Parse(await made.Content.ReadAsStringAsync(Scene.Cancel))!;
        await browser._socket.ConnectAsync(new Uri((string)page["webSocketDebuggerUrl"]!), Scene.Cancel);
        _ = Task.Run(browser.ReadAsync, CancellationToken.None);
        foreach (var domain in (string[])["Page", "Runtime", "Log", "Network"]) await browser.AskAsync($"{domain}.enable", "{}");
        await browser.AskAsync("Emulation.setDeviceMetricsOverride", string.Create(CultureInfo.InvariantCulture,
            $"{{\"width\":{width},\"height\":{height},\"deviceScaleFactor\":1,\"mobile\":{(width < 600 ? "true" : "false")}}}"));
        return browser;
    }

    public Task GoAsync(Uri address) => AskAsync("Page.navigate", $$"""{"url":{{JsonSerializer.Serialize(address.ToString())}}}""");

    public Task PreferAsync(string scheme) =>
        AskAsync("Emulation.setEmulatedMedia", $$"""{"features":[{"name":"prefers-color-scheme","value":"{{scheme}}"}]}""");

    /// <summary>What an expression comes to in the page.</summary>
    public async Task<JsonElement> AsksAsync(string expression)
    {
        var (value, problem) = await EvaluateAsync(expression);
        Assert.True(problem is null, $"{expression}: {problem}");
        return value;
    }

    public async Task<string> TextAsync(string expression) => (await AsksAsync(expression)).ToString();

    /// <summary>Looks until an expression is true in the page.</summary>
    public async Task UntilAsync(string expression)
    {
        var since = TimeProvider.System.GetTimestamp();
        // What an expression names may not be there yet.
        while ((await EvaluateAsync(expression)).Value.ValueKind != JsonValueKind.True)
        {
            if (TimeProvider.System.GetElapsedTime(since) > Scene.Patience)
                Assert.Fail($"it never came to {expression}; {string.Join("; ", Complaints)}; the page:\n{await TextAsync("document.body.innerText")}");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Scene.Cancel);
        }
    }

    /// <summary>Presses a key by its name ("Enter", "ArrowDown", "/").</summary>
    public async Task PressAsync(string key)
    {
        var code = key switch { "Enter" => 13, "Escape" => 27, "ArrowUp" => 38, "ArrowDown" => 40, "Tab" => 9, "Backspace" => 8, _ => 0 };
        var text = key == "Enter" ? "\r" : key.Length == 1 ? key : "";
        var down = $$"""{"type":"keyDown","key":{{JsonSerializer.Serialize(key)}},"windowsVirtualKeyCode":{{code}},"text":{{JsonSerializer.Serialize(text)}}}""";
        await AskAsync("Input.dispatchKeyEvent", down);
        await AskAsync("Input.dispatchKeyEvent", down.Replace("keyDown", "keyUp", StringComparison.Ordinal).Replace(",\"text\":" + JsonSerializer.Serialize(text), "", StringComparison.Ordinal));
    }

    public async Task TypeAsync(string text)
    {
        foreach (var character in text) await PressAsync(character.ToString());
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
        _socket.Dispose();
        _sending.Dispose();
        for (var attempt = 0; Directory.Exists(_folder) && attempt < 50; attempt++)
        {
            try
            {
                Directory.Delete(_folder, recursive: true);
            }
            catch (IOException)
            {
                // A child of it that is about to go still writes.
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
            }
        }
    }

    private static string ProgramOrSkip()
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .SelectMany(folder => Programs.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists);
        if (found is not null) return found;
        const string Missing = "no Chromium is on the PATH; apt-get install chromium has one";
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.Fail(Missing);
        Assert.Skip(Missing);
        return "";
    }

    private async Task<(JsonElement Value, string? Problem)> EvaluateAsync(string expression)
    {
        var answer = await AskAsync("Runtime.evaluate", $$"""{"expression":{{JsonSerializer.Serialize(expression)}},"returnByValue":true}""");
        return (
            answer.GetProperty("result").TryGetProperty("value", out var value) ? value : default,
            answer.TryGetProperty("exceptionDetails", out var problem) ? problem.ToString() : null);
    }

    private async Task<JsonElement> AskAsync(string method, string parameters)
    {
        var number = Interlocked.Increment(ref _number);
        var answer = _asked[number] = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        var message = JsonSerializer.SerializeToUtf8Bytes(new JsonObject { ["id"] = number, ["method"] = method, ["params"] = JsonNode.Parse(parameters) });
        await _sending.WaitAsync(Scene.Cancel);
        try
        {
            await _socket.SendAsync(message, WebSocketMessageType.Text, true, Scene.Cancel);
        }
        finally
        {
            _sending.Release();
        }

        return await answer.Task.WaitAsync(TimeSpan.FromSeconds(60), TimeProvider.System, Scene.Cancel);
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                using var message = new MemoryStream();
                ValueWebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer.AsMemory(), CancellationToken.None);
                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);
                if (part.MessageType == WebSocketMessageType.Close) return;
                Take(JsonDocument.Parse(message.ToArray()).RootElement);
            }
        }
        catch (Exception ended) when (ended is WebSocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The browser was closed.
        }
    }

    private void Take(JsonElement message)
    {
        if (message.TryGetProperty("id", out var id))
        {
            if (!_asked.TryRemove(id.GetInt32(), out var asked)) return;
            if (message.TryGetProperty("result", out var result)) asked.SetResult(result);
            else asked.SetException(new InvalidOperationException(message.ToString()));
            return;
        }

        var what = message.GetProperty("params");
        switch (message.GetProperty("method").GetString())
        {
            case "Network.requestWillBeSent":
                _requests.Enqueue(what.GetProperty("request").GetProperty("url").GetString()!);
                break;
            case "Runtime.exceptionThrown":
                _complaints.Enqueue(what.ToString());
                break;
            case "Runtime.consoleAPICalled" when what.GetProperty("type").GetString() is "error" or "warning" or "assert":
                _complaints.Enqueue(what.ToString());
                break;
            case "Log.entryAdded" when what.GetProperty("entry").GetProperty("level").GetString() is "error" or "warning":
                _complaints.Enqueue(what.ToString());
                break;
        }
    }
}
