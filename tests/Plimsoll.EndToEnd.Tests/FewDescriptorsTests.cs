using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace Plimsoll.EndToEnd.Tests;

public sealed class FewDescriptorsTests
{
    // By SIGABRT, as .NET says it.
    private const int Aborted = 134;

    [Fact]
    public async Task A_controller_without_any_goes_on_or_is_followed_and_what_died_meanwhile_is_replaced_once_there_are_some()
    {
        await using var scene = new Scene();
        var up = await scene.TinyAsync("{review: 200ms}");

        // Fewer than are open: it can open nothing.
        Limit(up, "16:");
        Scene.Kill(scene.PidOf("tiny-1"), "KILL");
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System, Scene.Cancel);
        var replaced = "ready tiny-2";
        if (up.Ended is { } ended)
        {
            // .NET makes no thread without a descriptor, and ends the process whose pool then wants one. Nothing of ours may.
            Assert.True(ended.StartsWith($"it ended with {Aborted}\n", StringComparison.Ordinal) && up.Error.Split('\n').Contains("Out of memory."), ended);
            (up, replaced) = (scene.Up(), "ready tiny-");
        }
        else
        {
            Limit(up, "1024:");
        }

        var gateway = await up.GatewayAsync();
        await up.LineAsync(replaced);
        using var traffic = Traffic.Start(gateway, 50, "tiny");
        await traffic.MoreAsync(20);
        Assert.Equal("", Traffic.Failures(await traffic.StopAsync()));
        await scene.EndAsync(up);
    }

    [Fact]
    public async Task Clients_that_only_connect_leave_enough_for_the_fleet()
    {
        await using var scene = new Scene();
        var up = await scene.TinyAsync("{review: 200ms}", ["prlimit", "--nofile=800:800"]);
        var gateway = await up.GatewayAsync();
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

    [Fact]
    public async Task A_burst_of_clients_is_accepted_no_faster_than_it_is_turned_away()
    {
        await using var scene = new Scene();
        var up = await scene.TinyAsync("{review: 200ms}", ["prlimit", "--nofile=640:640"]);
        var gateway = await up.GatewayAsync();
        List<TcpClient> burst = [];

        // All are there by the time that the first is looked at.
        up.Signal("STOP");
        for (var i = 0; i < 500; i++)
        {
            burst.Add(new TcpClient());
            await burst[^1].ConnectAsync(gateway.Host, gateway.Port, Scene.Cancel);
        }

        up.Signal("CONT");
        var (most, since) = (0, TimeProvider.System.GetTimestamp());
        while (TimeProvider.System.GetElapsedTime(since) < TimeSpan.FromSeconds(2) && up.Ended is null) most = Math.Max(most, Directory.GetFileSystemEntries($"/proc/{up.Pid.ToString(CultureInfo.InvariantCulture)}/fd").Length);
        Assert.True(up.Ended is null, up.Ended);
        Assert.True(most < 600, $"{most} were open");
        Scene.Kill(scene.PidOf("tiny-1"), "KILL");
        await up.LineAsync("ready tiny-2");
        foreach (var client in burst) client.Dispose();
        await scene.EndAsync(up);
    }

    // "SOFT:" leaves the hard limit.
    private static void Limit(UpProcess up, string descriptors)
    {
        using var prlimit = Process.Start("prlimit", ["--pid", up.Pid.ToString(CultureInfo.InvariantCulture), $"--nofile={descriptors}"]);
        prlimit.WaitForExit();
        Assert.True(prlimit.ExitCode == 0, up.Ended);
    }
}
