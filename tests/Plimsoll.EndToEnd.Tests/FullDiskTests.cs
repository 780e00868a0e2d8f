using Plimsoll.Local.Tests;

namespace Plimsoll.EndToEnd.Tests;

public sealed class FullDiskTests
{
    [Fact]
    public async Task An_output_that_takes_nothing_ends_no_fleet_and_a_command_that_only_prints()
    {
        await using var scene = new Scene();
        var (model, port) = (await scene.ModelAsync("tiny", Bytes.MiB(1)), Scene.FreePort());
        scene.Fleet($"gateway: {{listen: 127.0.0.1:{port}}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        string[] full = ["sh", "-c", "exec \"$@\" >/dev/full 2>&1", "sh"];
        var up = scene.Up(starter: full);
        await Scene.UntilAsync(() => scene.Replicas().Length == 1, () => "no replica");
        using var traffic = Traffic.Start(new Uri($"http://127.0.0.1:{port}/"), 50, "tiny");
        await traffic.MoreAsync(100);
        Assert.Equal("", Traffic.Failures(await traffic.StopAsync()));
        await scene.EndAsync(up);

        await using var one = UpProcess.StartBy(full, [], "schema");
        Assert.Equal(1, await one.ExitAsync());
        await using var mistaken = UpProcess.StartBy(full, [], "up", "/nowhere/fleet.yaml");
        Assert.Equal(2, await mistaken.ExitAsync());
    }

    [Fact]
    public async Task A_state_folder_that_fills_up_stops_nothing_and_status_says_what_is_not_recorded()
    {
        using var disk = SmallDisk.Mount(Bytes.MiB(8));
        await using var scene = new Scene(Path.Combine(disk.Folder, "state"));
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($"gateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var up = scene.Up();
        var gateway = await up.GatewayAsync();
        await up.LineAsync("ready tiny-1");
        using var traffic = Traffic.Start(gateway, 50, "tiny");
        await traffic.MoreAsync(50);

        var filler = Path.Combine(disk.Folder, "filler");
        var trouble = $"{Path.Combine(scene.State, "journal.db")}: ticks are not recorded: ";
        Assert.Contains(trouble, await FullAsync(() => Task.FromResult<string?>(up.Error)), StringComparison.Ordinal);
        Assert.Contains(trouble, await FullAsync(async () => await scene.SaysAsync("status")), StringComparison.Ordinal);
        Assert.StartsWith(trouble, await FullAsync(async () => (await scene.StatusAsync()).Trouble), StringComparison.Ordinal);
        await traffic.MoreAsync(50);

        File.Delete(filler);
        var tick = (await scene.StatusAsync()).Tick;
        while ((await scene.StatusAsync()) is var status && (status.Tick <= tick || status.Trouble is not null))
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Scene.Cancel);

        Assert.Equal("", Traffic.Failures(await traffic.StopAsync()));
        Assert.Equal("tiny-1", Assert.Single(scene.Replicas()).Replica);
        await scene.EndAsync(up);

        // Said when it begins and when it ends, not at every tick; and of nothing else than the journal.
        var lines = up.Error.TrimEnd().Split('\n');
        var said = lines.Select(line => line.Contains(trouble, StringComparison.Ordinal) ? "not" : line.Contains(": ticks are recorded again; ", StringComparison.Ordinal) ? "again" : null)
            .OfType<string>().ToArray();
        Assert.NotEmpty(said);
        Assert.Equal(Enumerable.Range(0, said.Length).Select(i => i % 2 == 0 ? "not" : "again"), said);

        // On a busy machine one of the last ticks may be late for the disk, after it was said that all is well.
        Assert.Contains("again", said);
        Assert.All(lines, line => Assert.StartsWith($"plimsoll: {Path.Combine(scene.State, "journal.db")}: ", line, StringComparison.Ordinal));
        Assert.Equal(0, (await scene.ReplayAsync()).Differing);

        // What a tick that did not fit gives back lets the next one fit, until that is taken too; and a busy controller may take longer than
        // status waits for it.
        async Task<string> FullAsync(Func<Task<string?>> ask)
        {
            for (var tries = 0; ; tries++)
            {
                SmallDisk.Fill(filler);
                var said = Scene.Unfolded(await ask() ?? "");
                if (tries == 200 || said.Contains(trouble, StringComparison.Ordinal)) return said;
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, Scene.Cancel);
            }
        }
    }
}
