using System.Net;
using System.Text.Json;
using Plimsoll.Artifacts;
using static Plimsoll.Cli.Tests.Commands.CommandProcess;

namespace Plimsoll.Cli.Tests.Commands;

/// <summary>The real program with real replicas; the model server must be built beside it.</summary>
public sealed class UpProcessTests : IDisposable
{
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
            var gateway = await GatewayAsync(up);
            await LineAsync(up, "ready tiny-1");
            using var answer = await InferAsync(gateway, "tiny");
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

            Assert.Equal(0, await EndAsync(up));
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
}
