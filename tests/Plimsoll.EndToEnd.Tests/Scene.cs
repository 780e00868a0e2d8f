using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Commands;
using Plimsoll.Soak;

// Most of what a scenario does is wait for processes: more of them at once than there are cores.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]

namespace Plimsoll.EndToEnd.Tests;

/// <summary>
/// A folder with a fleet file and a state folder, and the programs that use them.
/// </summary>
internal sealed class Scene : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly List<UpProcess> _started = [];
    private readonly SortedSet<string> _states = new(StringComparer.Ordinal);

    public Scene(string? state = null) => State = state ?? Path.Combine(Folder, "state");

    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public string Folder { get; } = Directory.CreateTempSubdirectory("plimsoll-e2e-").FullName;

    public string State { get; }

    /// <summary>A sample model of this scene's own; its path is among its replicas' arguments.</summary>
    public async Task<string> ModelAsync(string name, Bytes size) =>
        (await SampleModels.EnsureAsync(Folder, name, size.Value, cancel: Cancel)).Path;

    /// <summary>Writes the fleet file.</summary>
    public string Fleet(string yaml)
    {
        var file = Path.Combine(Folder, "fleet.yaml");
        File.WriteAllText(file, yaml);
        return file;
    }

    /// <summary>Starts a fleet of one small model that always has a replica, "tiny-1", and waits until it serves.</summary>
    public async Task<UpProcess> TinyAsync(string? planner = null, string[]? starter = null)
    {
        var model = await ModelAsync("tiny", Bytes.MiB(1));
        Fleet($"gateway: {{listen: 127.0.0.1:0}}\n{(planner is null ? "" : $"planner: {planner}\n")}models:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var up = Up(starter: starter);
        await up.LineAsync("ready tiny-1");
        return up;
    }

    /// <summary>Starts <c>plimsoll up</c> on the fleet file, or on what is named.</summary>
    public UpProcess Up(string? target = null, string? state = null, (string Name, string Value)[]? environment = null, string[]? starter = null)
    {
        var up = UpProcess.StartBy(starter ?? [], environment ?? [], "up", target ?? Path.Combine(Folder, "fleet.yaml"), "--state", state ?? State);
        _started.Add(up);
        _states.Add(state ?? State);
        return up;
    }

    /// <summary>Runs one of the commands that read the journal.</summary>
    public static async Task<(int Code, string Output)> RunAsync(params string[] args)
    {
        var output = new StringWriter();
        return (await CommandLine.RunAsync(args, output, output, TimeProvider.System), output.ToString());
    }

    public async Task<string> SaysAsync(params string[] args) => (await RunAsync([.. args, "--state", State])).Output;

    /// <summary>Text as it was before it was folded into lines.</summary>
    public static string Unfolded(string text) => string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    public async Task<StatusReport> StatusAsync()
    {
        // The loop goes on without a disk that takes no tick within the journal's patience, so a replica may be ready before the first is kept.
        var (code, output) = await RunAsync("status", "--json", "--state", State);
        for (var tries = 0; tries < 100 && code != 0 && output.Contains("holds no tick yet", StringComparison.Ordinal); tries++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Cancel);
            (code, output) = await RunAsync("status", "--json", "--state", State);
        }

        Assert.True(code == 0, output);
        return JsonSerializer.Deserialize<StatusReport>(output, JsonSerializerOptions.Web)!;
    }

    public async Task<ReplayOutcome> ReplayAsync()
    {
        var (_, output) = await RunAsync("replay", "--json", "--state", State);
        return JsonSerializer.Deserialize<ReplayOutcome>(output, JsonSerializerOptions.Web)!;
    }

    /// <summary>Processes of this scene's replicas, as the kernel tells.</summary>
    public ImmutableArray<FleetProcess> Replicas(string? state = null) => FleetProcesses.Of(state ?? State);

    public int PidOf(string replica) => Replicas().Single(process => process.Replica == replica).Pid;

    /// <summary>A port that is free now, for where the next process must listen on the same one.</summary>
    public static int FreePort()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }

    public static void Kill(int pid, string signal)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [$"-{signal}", pid.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    /// <summary>Looks until something holds.</summary>
    public static async Task UntilAsync(Func<bool> holds, Func<string> what)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < Patience, $"it never came to that: {what()}");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Cancel);
        }
    }

    /// <summary>Ends a controller as a person would, and sees to it that nothing of its fleet is left.</summary>
    public async Task EndAsync(UpProcess up, int code = 0, string? state = null)
    {
        up.Signal("TERM");
        Assert.Equal(code, await up.ExitAsync());
        Assert.Empty(Replicas(state));
    }

    // Whatever a test that failed left behind; one that went well has asked before.
    public async ValueTask DisposeAsync()
    {
        foreach (var up in _started) await up.DisposeAsync();
        foreach (var state in _states)
        {
            foreach (var process in Replicas(state)) Kill(process.Pid, "KILL");
        }

        Directory.Delete(Folder, recursive: true);
    }
}
