using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Plimsoll.EndToEnd.Tests;

public sealed class FewDescriptorsTests
{
    [Fact]
    public async Task A_controller_without_any_goes_on_and_replaces_what_died_meanwhile_once_it_has_some()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($"gateway: {{listen: 127.0.0.1:0}}\nplanner: {{review: 200ms}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var up = scene.Up();
        var gateway = await up.GatewayAsync();
        await up.LineAsync("ready tiny-1");

        // Fewer than are open: it can open nothing.
        Limit(up.Pid, "16:");
        Scene.Kill(scene.PidOf("tiny-1"), "KILL");
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, Scene.Cancel);
        Limit(up.Pid, "1024:");

        await up.LineAsync("ready tiny-2");
        using var traffic = Traffic.Start(gateway, 50, "tiny");
        await traffic.MoreAsync(20);
        Assert.Equal("", Traffic.Failures(await traffic.StopAsync()));
        await scene.EndAsync(up);
    }

    [Fact]
    public async Task Clients_that_only_connect_leave_enough_for_the_fleet()
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($"gateway: {{listen: 127.0.0.1:0}}\nplanner: {{review: 200ms}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var up = scene.Up(starter: ["prlimit", "--nofile=800:800"]);
        var gateway = await up.GatewayAsync();
        await up.LineAsync("ready tiny-1");
        List<TcpClient> idle = [];
        for (var i = 0; i < 1000; i++)
        {
            idle.Add(new TcpClient());
            await idle[^1].ConnectAsync(gateway.Host, gateway.Port, Scene.Cancel);
        }

        // Those past the bound are closed as they are accepted.
        await Scene.UntilAsync(() => Open() < 700, () => $"{Open()} are open");
        Scene.Kill(scene.PidOf("tiny-1"), "KILL");

        await up.LineAsync("ready tiny-2");
        foreach (var client in idle) client.Dispose();
        await scene.EndAsync(up);

        int Open() => Directory.GetFileSystemEntries($"/proc/{up.Pid.ToString(CultureInfo.InvariantCulture)}/fd").Length;
    }

    // "SOFT:" leaves the hard limit.
    private static void Limit(int pid, string descriptors)
    {
        using var prlimit = Process.Start("prlimit", ["--pid", pid.ToString(CultureInfo.InvariantCulture), $"--nofile={descriptors}"]);
        prlimit.WaitForExit();
        Assert.Equal(0, prlimit.ExitCode);
    }
}
