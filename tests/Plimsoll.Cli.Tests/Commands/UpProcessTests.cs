using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Commands;

/// <summary>The real program with real replicas; the model server must be built beside it.</summary>
public sealed class UpProcessTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-up-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Up_serves_a_model_explains_itself_and_leaves_nothing_behind()
    {
        var model = await SampleModels.EnsureAsync(_folder, "tiny", 1 << 20, cancel: TestContext.Current.CancellationToken);
        var file = Path.Combine(_folder, "fleet.yaml");
        await File.WriteAllTextAsync(
            file, $"gateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model.Path}, minReplicas: 1}}\n",
            TestContext.Current.CancellationToken);
        var state = Path.Combine(_folder, "state");
        using var up = Start("up", file, "--state", state);
        try
        {
            var gateway = new Uri((await LineAsync(up, "requests to ")).Split("requests to ")[1].Split(',')[0]);
            await LineAsync(up, "ready tiny-1");
            using var client = new HttpClient { BaseAddress = gateway, Timeout = Patience };
            using var body = new StringContent(
                """{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]}]}""", Encoding.UTF8, "application/json");
            using var answer = await client.PostAsync(new Uri("/v2/models/tiny/infer", UriKind.Relative), body, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);

            var (_, status) = await RunAsync("status", "--state", state, "--json");
            using var seen = JsonDocument.Parse(status);
            Assert.Equal("tiny", seen.RootElement.GetProperty("models")[0].GetProperty("model").GetString());
            Assert.Equal("memory", seen.RootElement.GetProperty("models")[0].GetProperty("tier").GetString());
            Assert.Contains("tiny", (await RunAsync("explain", "tiny", "--state", state)).Output, StringComparison.Ordinal);
            Assert.Contains("start tiny-1: at least 1 wanted", (await RunAsync("history", "--state", state)).Output, StringComparison.Ordinal);
            var (replayed, said) = await RunAsync("replay", "--state", state);
            Assert.True(replayed == 0, said);
            Assert.NotEmpty(Replicas());

            using var kill = Process.Start("kill", ["-TERM", up.Id.ToString(CultureInfo.InvariantCulture)]);
            await up.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
            Assert.Equal(0, up.ExitCode);
            Assert.Empty(Replicas());
        }
        finally
        {
            if (!up.HasExited) up.Kill(entireProcessTree: true);
        }
    }

    [Fact]
    public async Task A_model_heavier_than_the_budget_is_refused_before_anything_starts()
    {
        var model = await SampleModels.EnsureAsync(_folder, "tiny", 1 << 20, cancel: TestContext.Current.CancellationToken);
        var file = Path.Combine(_folder, "fleet.yaml");
        await File.WriteAllTextAsync(
            file, $"machine: {{memory: 16MiB}}\ngateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model.Path}, minReplicas: 1}}\n",
            TestContext.Current.CancellationToken);
        using var up = Start("up", file, "--state", Path.Combine(_folder, "state"));
        var error = await up.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken).WaitAsync(Patience, TestContext.Current.CancellationToken);
        await up.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(3, up.ExitCode);
        Assert.StartsWith("plimsoll: model 'tiny' is refused: too heavy: ", error, StringComparison.Ordinal);
        Assert.Contains("against a budget of 16.0 MiB", error, StringComparison.Ordinal);
        Assert.Empty(Replicas());
    }

    [Fact]
    public async Task A_fleet_file_that_is_edited_takes_effect_and_one_with_mistakes_changes_nothing()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var (old, added) = (
            await SampleModels.EnsureAsync(_folder, "tiny", 1 << 20, cancel: cancellation),
            await SampleModels.EnsureAsync(_folder, "other", 1 << 20, seed: 2, cancel: cancellation));
        var file = Path.Combine(_folder, "fleet.yaml");
        const string Start = "gateway: {listen: 127.0.0.1:0}\nmodels:\n";
        var (tiny, other) = ($"- {{name: tiny, source: {old.Path}, minReplicas: 1}}\n", $"- {{name: other, source: {added.Path}, minReplicas: 1}}\n");
        await File.WriteAllTextAsync(file, Start + tiny, cancellation);
        using var up = UpProcessTests.Start("up", file, "--state", Path.Combine(_folder, "state"));
        try
        {
            await LineAsync(up, "ready tiny-1");

            await File.WriteAllTextAsync(file, Start + tiny + other + "  nonsense: 1\n", cancellation);
            Assert.Contains("is not taken over: ", await LineAsync(up.StandardError, "fleet.yaml was"), StringComparison.Ordinal);
            Assert.Single(Replicas());

            await File.WriteAllTextAsync(file, Start + tiny + other, cancellation);
            Assert.EndsWith("fleet.yaml was read again: added other", await LineAsync(up.StandardError, "fleet.yaml was"), StringComparison.Ordinal);
            await LineAsync(up, "ready other-1");

            await File.WriteAllTextAsync(file, Start + other, cancellation);
            Assert.EndsWith("fleet.yaml was read again: removed tiny", await LineAsync(up.StandardError, "fleet.yaml was"), StringComparison.Ordinal);
            await LineAsync(up, "ended tiny-1");
            Assert.Single(Replicas());
        }
        finally
        {
            using var kill = Process.Start("kill", ["-TERM", up.Id.ToString(CultureInfo.InvariantCulture)]);
            await up.WaitForExitAsync(cancellation).WaitAsync(Patience, cancellation);
        }

        Assert.Empty(Replicas());
    }

    // Every replica of these tests has the model's path, which is ours alone, among its arguments.
    private List<string> Replicas()
    {
        var found = new List<string>();
        foreach (var process in Directory.EnumerateDirectories("/proc").Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])))
        {
            try
            {
                var command = File.ReadAllText(Path.Combine(process, "cmdline"));
                if (command.Contains("ModelServer", StringComparison.Ordinal) && command.Contains(_folder, StringComparison.Ordinal)) found.Add(command);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while we looked.
            }
        }

        return found;
    }

    private static Process Start(params string[] arguments)
    {
        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        var program = Path.GetFullPath(Path.Combine(here, "..", "..", "Plimsoll.Cli", Path.GetFileName(here), "Plimsoll.Cli"));
        return Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
    }

    private static Task<string> LineAsync(Process process, string part) => LineAsync(process.StandardOutput, part, process.StandardError);

    private static async Task<string> LineAsync(StreamReader lines, string part, StreamReader? otherwise = null)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (await lines.ReadLineAsync(patience.Token) is { } line)
        {
            if (line.Contains(part, StringComparison.Ordinal)) return line;
        }

        throw new InvalidOperationException(
            $"ended without '{part}': {(otherwise is null ? "" : await otherwise.ReadToEndAsync(patience.Token))}");
    }

    private static async Task<(int Code, string Output)> RunAsync(params string[] args)
    {
        var output = new StringWriter();
        return (await CommandLine.RunAsync(args, output, output, TimeProvider.System), output.ToString());
    }
}
