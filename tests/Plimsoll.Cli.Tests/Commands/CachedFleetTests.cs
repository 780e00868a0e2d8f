using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Tests;
using static Plimsoll.Cli.Tests.Commands.CommandProcess;

namespace Plimsoll.Cli.Tests.Commands;

/// <summary>The real program with models behind a real HTTP server, through the model cache to real replicas.</summary>
public sealed class CachedFleetTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-cached-").FullName;
    private FileServer _server = null!;

    private string Models => Path.Combine(_folder, "models");

    private string State => Path.Combine(_folder, "state");

    public async ValueTask InitializeAsync()
    {
        Directory.CreateDirectory(Models);
        _server = await FileServer.StartAsync(Models);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_request_fetches_its_model_and_the_next_ones_fetch_takes_the_place_of_the_first()
    {
        await MakeAsync("first", 2_000_000);
        await MakeAsync("second", 3_000_000);
        var secret = new UriBuilder($"{_server.Address}/second.onnx") { UserName = "me", Password = "s3cret", Query = "token=s3cret" };
        var file = await FleetAsync(
            $$"""
            machine: {memory: 1GiB, cache: {size: 4MiB} }
            gateway: {listen: 127.0.0.1:0}
            planner: {review: 200ms}
            models:
            - {name: first, source: "{{_server.Address}}/first.onnx", idleLimit: 5s}
            - {name: second, source: "{{secret.Uri.OriginalString}}", idleLimit: 5s}
            """);
        using var up = Start("up", file, "--state", State);
        try
        {
            var gateway = await GatewayAsync(up);
            await LineAsync(up, "fetched first: 1.9");

            using var second = await InferAsync(gateway, "second");
            Assert.Equal(HttpStatusCode.OK, second.StatusCode);
            await UntilAsync(() => StatusOf("first", "tier") == "remote" && StatusOf("second", "tier") == "memory");
            Assert.Contains($"{Path.Combine(State, "cache")}/second@", Commands(), StringComparison.Ordinal);
            Assert.DoesNotContain("s3cret", Commands(), StringComparison.Ordinal);

            await UntilAsync(() => StatusOf("second", "tier") == "disk");
            using var first = await InferAsync(gateway, "first");
            Assert.Equal(HttpStatusCode.OK, first.StatusCode);
            await UntilAsync(() => StatusOf("first", "tier") == "memory" && StatusOf("second", "tier") == "remote");

            var table = (await RunAsync("status", "--state", State)).Output;
            Assert.Matches(@"first +1\.9\d? MiB memory ", table);
            Assert.Matches(@"cache  \[##########*\.+\] [0-9.]+ MiB of 4.00 MiB, 1 model", table);
            var history = Unfolded((await RunAsync("history", "--limit", "500", "--state", State)).Output);
            Assert.Contains("evict first@", history, StringComparison.Ordinal);
            Assert.Contains(": second needs 2.8", history, StringComparison.Ordinal);
            Assert.Contains("prefetch second@", history, StringComparison.Ordinal);
            Assert.Contains("a replica is wanted and local has no copy of the 2.8", history, StringComparison.Ordinal);
            Assert.Contains("fetched: 2.8", history, StringComparison.Ordinal);
            Assert.Contains("evict second@", history, StringComparison.Ordinal);
            var explained = Unfolded((await RunAsync("explain", "second", "--state", State)).Output);
            Assert.Contains("weights in remote", explained, StringComparison.Ordinal);
            var (replayed, said) = await RunAsync("replay", "--state", State);
            Assert.True(replayed == 0, said);

            Assert.Equal(0, await EndAsync(up));
            var spoken = await up.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)
                + await up.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken) + table + history + explained;
            Assert.DoesNotContain("s3cret", spoken, StringComparison.Ordinal);
            Assert.All(Directory.EnumerateFiles(State, "*", SearchOption.AllDirectories), path =>
                Assert.DoesNotContain("s3cret", Encoding.Latin1.GetString(File.ReadAllBytes(path)), StringComparison.Ordinal));
        }
        finally
        {
            if (!up.HasExited) up.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task A_controller_killed_in_the_middle_of_a_download_goes_on_with_it()
    {
        var model = await MakeAsync("slow", 10_000_000);
        var file = await FleetAsync(
            $$"""
            machine: {memory: 1GiB, cache: {bandwidth: 2MB/s} }
            gateway: {listen: 127.0.0.1:0}
            planner: {review: 200ms}
            models:
            - {name: slow, source: "{{_server.Address}}/slow.onnx", minReplicas: 1, sha256: {{Sha256(model)}}}
            """);
        using (var killed = Start("up", file, "--state", State))
        {
            try
            {
                await UntilAsync(() => long.Parse(StatusOf("slow", "fetchedBytes") ?? "0", CultureInfo.InvariantCulture) > 6_000_000);
                Assert.Equal("fetching", StatusOf("slow", "tier"));
                Assert.Matches("slow .* fetch [6-9][0-9]% ", (await RunAsync("status", "--state", State)).Output);
            }
            finally
            {
                killed.Kill();
                await killed.WaitForExitAsync(TestContext.Current.CancellationToken);
            }
        }

        using var up = Start("up", file, "--state", State);
        try
        {
            var gateway = await GatewayAsync(up);
            await LineAsync(up, "ready slow-");
            using var answer = await InferAsync(gateway, "slow");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            // A header is asked for from here to there, the rest of a download from here on.
            var resumed = Assert.Single(_server.Requests, request => request.StartsWith("/slow.onnx bytes=", StringComparison.Ordinal)
                && request.EndsWith('-'));
            Assert.InRange(long.Parse(resumed["/slow.onnx bytes=".Length..^1], CultureInfo.InvariantCulture), 3_000_000, 9_999_999);
            var fetched = Directory.EnumerateFiles(Path.Combine(State, "cache"), "slow.onnx", SearchOption.AllDirectories).Single();
            Assert.Equal(Sha256(model), Sha256(fetched));
            Assert.Equal(0, await EndAsync(up));
        }
        finally
        {
            if (!up.HasExited) up.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task A_fleet_whose_server_is_away_comes_back_with_what_it_has()
    {
        await MakeAsync("kept", 1_000_000);
        var file = await FleetAsync(
            $$"""
            machine: {memory: 1GiB}
            gateway: {listen: 127.0.0.1:0}
            models:
            - {name: kept, source: "{{_server.Address}}/kept.onnx"}
            """);
        using (var first = Start("up", file, "--state", State))
        {
            try
            {
                await LineAsync(first, "fetched kept");
                await UntilAsync(() => StatusOf("kept", "tier") == "disk");
            }
            finally
            {
                first.Kill();
                await first.WaitForExitAsync(TestContext.Current.CancellationToken);
            }
        }

        await _server.DisposeAsync();
        using var up = Start("up", file, "--state", State);
        try
        {
            using var answer = await InferAsync(await GatewayAsync(up), "kept");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(0, await EndAsync(up));
            Assert.Contains(
                "model 'kept' is served from the model cache as last weighed: ",
                await up.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }
        finally
        {
            if (!up.HasExited) up.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task A_corrupt_download_is_refused_with_a_sentence_and_the_others_serve()
    {
        var model = await MakeAsync("good", 1_000_000);
        await MakeAsync("bad", 1_000_000);
        var file = await FleetAsync(
            $$"""
            machine: {memory: 1GiB}
            gateway: {listen: 127.0.0.1:0}
            models:
            - {name: good, source: {{model}}, cache: true}
            - {name: bad, source: "{{_server.Address}}/bad.onnx", minReplicas: 1, sha256: {{new string('0', 64)}}}
            """);
        using var up = Start("up", file, "--state", State);
        try
        {
            var gateway = await GatewayAsync(up);
            await LineAsync(up, "failed prefetch bad@");
            using var answer = await InferAsync(gateway, "good");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            await UntilAsync(() => StatusOf("bad", "rule") == "HoldBackoff");

            var explained = Unfolded((await RunAsync("explain", "bad", "--state", State)).Output);
            Assert.Contains($"bad.onnx from {_server.Address}/bad.onnx is corrupt and was refused: its SHA-256 is ", explained, StringComparison.Ordinal);
            Assert.Equal("remote", StatusOf("bad", "tier"));
            Assert.Equal(0, await EndAsync(up));
        }
        finally
        {
            if (!up.HasExited) up.Kill(entireProcessTree: true);
        }
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
        var file = await FleetAsync($"models:\n- {{name: m, source: \"{address}\"}}\n");

        var (code, said) = await RunAsync("up", file, "--state", State);

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
        var file = await FleetAsync($"models:\n- {{name: m, source: \"{_server.Address}/m.onnx\"}}\n");

        var (code, said) = await RunAsync("up", file, "--state", State);

        Assert.Equal(2, code);
        Assert.Contains("models[0].weights: missing; the server of this source knows no ranges", said, StringComparison.Ordinal);
        var stated = await FleetAsync(
            $"gateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: m, source: \"{_server.Address}/m.onnx\", weights: 7MB, minReplicas: 1}}\n");
        using var up = Start("up", stated, "--state", State);
        try
        {
            await LineAsync(up, "ready m-");
            Assert.Equal(0, await EndAsync(up));
            Assert.Contains(
                "model 'm': its server knows no ranges, so it is taken to weigh 6.68 MiB as stated",
                await up.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }
        finally
        {
            if (!up.HasExited) up.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task Inspect_weighs_a_model_behind_an_address()
    {
        await MakeAsync("m", 20_000_000);

        var (code, said) = await RunAsync("models", "inspect", $"{_server.Address}/m.onnx?token=s3cret");

        Assert.True(code == 0, said);
        Assert.StartsWith($"{_server.Address}/m.onnx\n", said, StringComparison.Ordinal);
        Assert.Contains("  weights         19.", said, StringComparison.Ordinal);
        Assert.InRange(_server.Announced, 1, 1_000_000);
        Assert.Equal(1, (await RunAsync("models", "inspect", $"{_server.Address}/none.onnx")).Code);
    }

    private async Task<string> MakeAsync(string name, long bytes) =>
        (await SampleModels.EnsureAsync(Models, name, bytes, cancel: TestContext.Current.CancellationToken)).Path;

    private async Task<string> FleetAsync(string yaml)
    {
        var file = Path.Combine(_folder, "fleet.yaml");
        await File.WriteAllTextAsync(file, yaml, TestContext.Current.CancellationToken);
        return file;
    }

    // What status says of a model now; null while it says nothing.
    private string? StatusOf(string model, string field)
    {
        var (code, said) = RunAsync("status", "--state", State, "--json").GetAwaiter().GetResult();
        if (code != 0) return null;
        using var status = JsonDocument.Parse(said);
        var row = status.RootElement.GetProperty("models").EnumerateArray().Single(one => one.GetProperty("model").GetString() == model);
        return row.TryGetProperty(field, out var value) ? value.ToString() : null;
    }

    private static async Task UntilAsync(Func<bool> holds)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < Patience, "it never came to that");
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, TestContext.Current.CancellationToken);
        }
    }

    private static string Unfolded(string text) =>
        string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

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
                if (command.Contains(_folder, StringComparison.Ordinal)) all.AppendLine(command);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        return all.ToString();
    }
}
