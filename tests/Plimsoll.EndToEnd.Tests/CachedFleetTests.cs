using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Tests;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>The real program with models behind a real HTTP server, through the model cache to real replicas.</summary>
public sealed class CachedFleetTests : IAsyncLifetime
{
    private readonly Scene _scene = new();
    private FileServer _server = null!;

    private string Models => Path.Combine(_scene.Folder, "models");

    private string State => _scene.State;

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Models);
        _server = await FileServer.StartAsync(Models);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _scene.DisposeAsync();
    }

    [Fact]
    public async Task A_request_fetches_its_model_and_the_next_ones_fetch_takes_the_place_of_the_first()
    {
        await MakeAsync("first", 2_000_000);
        await MakeAsync("second", 3_000_000);
        var secret = new UriBuilder($"{_server.Address}/second.onnx") { UserName = "me", Password = "s3cret", Query = "token=s3cret" };
        // Long enough for a busy machine to see each of them in memory before it is let go.
        _scene.Fleet(
            $$"""
            machine: {memory: 1GiB, cache: {size: 4MiB} }
            gateway: {listen: 127.0.0.1:0}
            planner: {review: 200ms}
            models:
            - {name: first, source: "{{_server.Address}}/first.onnx", idleLimit: 12s}
            - {name: second, source: "{{secret.Uri.OriginalString}}", idleLimit: 12s}
            """);
        var up = _scene.Up();
        var gateway = await up.GatewayAsync();
        await up.LineAsync("fetched first: 1.9");

        using var second = await InferAsync(gateway, "second");
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        await UntilAsync(() => StatusOf("first", "tier") == "remote" && StatusOf("second", "tier") == "memory");
        Assert.Contains($"{Path.Combine(State, "cache")}/second@", Commands(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", Commands(), StringComparison.Ordinal);

        await UntilAsync(() => StatusOf("second", "tier") == "disk");
        using var first = await InferAsync(gateway, "first");
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        await UntilAsync(() => StatusOf("first", "tier") == "memory" && StatusOf("second", "tier") == "remote");

        var table = await _scene.SaysAsync("status");
        Assert.Matches(@"first +1\.9\d? MiB memory ", table);
        Assert.Matches(@"cache  \[##########*\.+\] [0-9.]+ MiB of 4.00 MiB, 1 model", table);
        var history = Scene.Unfolded(await _scene.SaysAsync("history", "--limit", "500"));

        // A tick that a busy disk did not take in time is not in it, which it says where it was.
        foreach (var told in (string[])["evict first@", ": second needs 2.8", "prefetch second@", "a replica is wanted and local has no copy of the 2.8", "fetched: 2.8", "evict second@"])
            Assert.True(history.Contains(told, StringComparison.Ordinal) || history.Contains(" lost: ", StringComparison.Ordinal), $"'{told}' is not in\n{history}");
        var explained = Scene.Unfolded(await _scene.SaysAsync("explain", "second"));
        Assert.Contains("weights not on this machine", explained, StringComparison.Ordinal);
        Assert.Equal(0, (await _scene.ReplayAsync()).Differing);

        await _scene.EndAsync(up);
        var spoken = up.Output + up.Error + table + history + explained;
        Assert.DoesNotContain("s3cret", spoken, StringComparison.Ordinal);
        Assert.All(Directory.EnumerateFiles(State, "*", SearchOption.AllDirectories), path =>
            Assert.DoesNotContain("s3cret", Encoding.Latin1.GetString(File.ReadAllBytes(path)), StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_controller_killed_in_the_middle_of_a_download_goes_on_with_it()
    {
        var model = await MakeAsync("slow", 10_000_000);
        _scene.Fleet(
            $$"""
            machine: {memory: 1GiB, cache: {bandwidth: 1MB/s} }
            gateway: {listen: 127.0.0.1:0}
            planner: {review: 200ms}
            models:
            - {name: slow, source: "{{_server.Address}}/slow.onnx", minReplicas: 1, sha256: {{Sha256(model)}}}
            """);
        var killed = _scene.Up();
        await UntilAsync(() => long.Parse(StatusOf("slow", "fetchedBytes") ?? "0", CultureInfo.InvariantCulture) > 5_500_000);
        Assert.Equal("fetching", StatusOf("slow", "tier"));
        Assert.Matches("slow .* fetch [5-9][0-9]% ", await _scene.SaysAsync("status"));
        killed.Signal("KILL");
        await killed.ExitAsync();

        var up = _scene.Up();
        var gateway = await up.GatewayAsync();
        await up.LineAsync("ready slow-");
        using var answer = await InferAsync(gateway, "slow");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        // A header is asked for from here to there, the rest of a download from here on.
        var resumed = Assert.Single(_server.Requests, request => request.StartsWith("/slow.onnx bytes=", StringComparison.Ordinal)
            && request.EndsWith('-'));
        Assert.InRange(long.Parse(resumed["/slow.onnx bytes=".Length..^1], CultureInfo.InvariantCulture), 3_000_000, 9_999_999);
        var fetched = Directory.EnumerateFiles(Path.Combine(State, "cache"), "slow.onnx", SearchOption.AllDirectories).Single();
        Assert.Equal(Sha256(model), Sha256(fetched));
        await _scene.EndAsync(up);
    }

    [Fact]
    public async Task A_fleet_whose_server_is_away_comes_back_with_what_it_has()
    {
        await MakeAsync("kept", 1_000_000);
        _scene.Fleet(
            $$"""
            machine: {memory: 1GiB}
            gateway: {listen: 127.0.0.1:0}
            models:
            - {name: kept, source: "{{_server.Address}}/kept.onnx"}
            """);
        var first = _scene.Up();
        await first.LineAsync("fetched kept");
        await UntilAsync(() => StatusOf("kept", "tier") == "disk");
        first.Signal("KILL");
        await first.ExitAsync();

        await _server.DisposeAsync();
        var up = _scene.Up();
        using var answer = await InferAsync(await up.GatewayAsync(), "kept");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await _scene.EndAsync(up);
        Assert.Contains(
            "model 'kept' is served from the model cache as last weighed: ",
            up.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_corrupt_download_is_refused_with_a_sentence_and_the_others_serve()
    {
        var model = await MakeAsync("good", 1_000_000);
        await MakeAsync("bad", 1_000_000);
        _scene.Fleet(
            $$"""
            machine: {memory: 1GiB}
            gateway: {listen: 127.0.0.1:0}
            models:
            - {name: good, source: {{model}}, cache: true}
            - {name: bad, source: "{{_server.Address}}/bad.onnx", minReplicas: 1, sha256: {{new string('0', 64)}}}
            """);
        var up = _scene.Up();
        var gateway = await up.GatewayAsync();
        await up.LineAsync("failed prefetch bad@");
        using var answer = await InferAsync(gateway, "good");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await UntilAsync(() => StatusOf("bad", "rule") == "HoldBackoff");

        var explained = Scene.Unfolded(await _scene.SaysAsync("explain", "bad"));
        Assert.Contains($"bad.onnx from {_server.Address}/bad.onnx is corrupt and was refused: its SHA-256 is ", explained, StringComparison.Ordinal);
        Assert.Equal("remote", StatusOf("bad", "tier"));
        await _scene.EndAsync(up);
    }

    [Fact]
    public async Task A_fleet_that_runs_without_a_cache_takes_a_model_from_an_address_when_its_file_is_read_again()
    {
        var here = await MakeAsync("here", 1_000_000);
        await MakeAsync("there", 1_000_000);
        var before = $"machine: {{memory: 1GiB}}\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: here, source: {here}}}\n";
        _scene.Fleet(before);
        var up = _scene.Up();
        var gateway = await up.GatewayAsync();
        await UntilAsync(() => StatusOf("here", "tier") == "disk");
        Assert.False(Directory.Exists(Path.Combine(State, "cache")));

        _scene.Fleet($"{before}- {{name: there, source: \"{_server.Address}/there.onnx\"}}\n");
        await up.LineAsync("fetched there: ");
        using var answer = await InferAsync(gateway, "there");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        await _scene.EndAsync(up);
    }

    [Theory]
    [InlineData("http://127.0.0.1:1/m.onnx?token=s3cret", "http://127.0.0.1:1/m.onnx cannot be reached: ")]
    [InlineData("none.onnx?token=s3cret", "/none.onnx answered 404 Not Found.")]
    [InlineData("cut.onnx", "/cut.onnx is truncated: ")]
    [InlineData("text.onnx", "/text.onnx is not an ONNX model: ")]
    public async Task What_cannot_be_weighed_is_one_sentence_before_anything_starts(string source, string part)
    {
        var model = await MakeAsync("whole", 6_000_000);
        File.WriteAllBytes(Path.Combine(Models, "cut.onnx"), File.ReadAllBytes(model)[..5_000_000]);
        File.WriteAllText(Path.Combine(Models, "text.onnx"), "no model at all");
        var address = source.Contains("://", StringComparison.Ordinal) ? source : $"{_server.Address}/{source}";
        var file = _scene.Fleet($"models:\n- {{name: m, source: \"{address}\"}}\n");

        var (code, said) = await Scene.RunAsync("up", file, "--state", State);

        Assert.Equal(2, code);
        Assert.Contains(part, said, StringComparison.Ordinal);
        Assert.StartsWith($"plimsoll: {file}:2:21: models[0].source: ", said, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", said, StringComparison.Ordinal);
        Assert.Single(said.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.False(Directory.Exists(State));
    }

    [Fact]
    public async Task A_server_without_ranges_asks_for_the_weights_and_takes_them_as_stated()
    {
        await MakeAsync("m", 6_000_000);
        _server.Instead = context =>
        {
            context.Request.Headers.Remove("Range");
            return Task.FromResult(false);
        };
        var file = _scene.Fleet($"models:\n- {{name: m, source: \"{_server.Address}/m.onnx\"}}\n");

        var (code, said) = await Scene.RunAsync("up", file, "--state", State);

        Assert.Equal(2, code);
        Assert.Contains("models[0].weights: missing; the server of this source knows no ranges", said, StringComparison.Ordinal);
        _scene.Fleet(
            $"gateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: m, source: \"{_server.Address}/m.onnx\", weights: 7MB, minReplicas: 1}}\n");
        var up = _scene.Up();
        await up.LineAsync("ready m-");
        await _scene.EndAsync(up);
        Assert.Contains(
            "model 'm': its server knows no ranges, so it is taken to weigh 6.68 MiB as stated",
            up.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_weighs_a_model_behind_an_address()
    {
        await MakeAsync("m", 20_000_000);

        var (code, said) = await Scene.RunAsync("inspect", $"{_server.Address}/m.onnx?token=s3cret");

        Assert.True(code == 0, said);
        Assert.StartsWith($"{_server.Address}/m.onnx\n", said, StringComparison.Ordinal);
        Assert.Matches(@"\n  weights +19\.1 MiB  exact\n", said);
        Assert.InRange(_server.Announced, 1, 1_000_000);
        Assert.Equal(1, (await Scene.RunAsync("inspect", $"{_server.Address}/none.onnx")).Code);
    }

    private async Task<string> MakeAsync(string name, long bytes) =>
        (await SampleModels.EnsureAsync(Models, name, bytes, cancel: Scene.Cancel)).Path;

    // What status says of a model now; null while it says nothing.
    private string? StatusOf(string model, string field)
    {
        var (code, said) = Scene.RunAsync("status", "--state", State, "--json").GetAwaiter().GetResult();
        if (code != 0) return null;
        using var status = JsonDocument.Parse(said);
        var row = status.RootElement.GetProperty("models").EnumerateArray().Single(one => one.GetProperty("model").GetString() == model);
        return row.TryGetProperty(field, out var value) ? value.ToString() : null;
    }

    private static Task UntilAsync(Func<bool> holds, [CallerArgumentExpression(nameof(holds))] string what = "") =>
        Scene.UntilAsync(holds, () => what);

    // One request for a sample model; held as long as it takes.
    private static async Task<HttpResponseMessage> InferAsync(Uri gateway, string model)
    {
        using var client = new HttpClient { BaseAddress = gateway, Timeout = Scene.Patience };
        using var body = new StringContent(
            """{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]}""", Encoding.UTF8, "application/json");
        return await client.PostAsync(new Uri($"/v2/models/{model}/infer", UriKind.Relative), body, Scene.Cancel);
    }

    private static string Sha256(string path) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)));

    // The command lines of everything that runs for this test.
    private string Commands()
    {
        var all = new StringBuilder();
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])))
        {
            try
            {
                var command = File.ReadAllText(Path.Combine(process, "cmdline"));
                if (command.Contains(_scene.Folder, StringComparison.Ordinal)) all.AppendLine(command);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        return all.ToString();
    }
}
