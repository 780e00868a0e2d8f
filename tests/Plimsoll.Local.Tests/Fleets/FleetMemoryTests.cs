using System.Text.Json;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Fleets;

public sealed class FleetMemoryTests
{
    [Fact]
    public async Task The_load_peak_and_the_steady_state_are_measured_apart()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server("hold=100", "peak=150", "load=0.5"));
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilStateAsync(1, ReplicaState.Ready);

        var measured = await running.UntilOutcomeAsync<Outcome.MemoryMeasured>();

        // 100 MiB held and 150 MiB more while loading, beside the runtime's own 20 to 90 MiB.
        Assert.InRange(measured.LoadPeak!.Value.Value, Bytes.MiB(250).Value, Bytes.MiB(360).Value);
        Assert.InRange(measured.Steady.Value, Bytes.MiB(100).Value, Bytes.MiB(220).Value);
        Assert.True(running.Last.Replicas.Single().HostMemory.TryGetKnown(out var now));
        Assert.InRange(now.Value, Bytes.MiB(100).Value, Bytes.MiB(220).Value);
    }

    [Fact]
    public async Task Memory_of_a_replicas_children_counts_as_its_own()
    {
        // The server is a grandchild of the replica's own process.
        var script = $"sh -c '{RunningFleet.Host} serve \"$0\" hold=100 & wait' \"$0\" & wait";
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Shell(script));
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilStateAsync(1, ReplicaState.Ready);

        var snapshot = await running.ObserveAsync();

        Assert.Equal(3, RunningFleet.ProcessesOf(running.Folder).Length);
        if (running.Record(1).Cgroup is { } cgroup)
            await running.UntilAsync(_ => new MemoryCgroup(cgroup, running.Record(1).CgroupVersion).Pids().Length == 3);
        Assert.True(snapshot.Replicas.Single().HostMemory.TryGetKnown(out var memory));
        Assert.InRange(memory.Value, Bytes.MiB(100).Value, Bytes.MiB(220).Value);
    }

    [Fact]
    public async Task The_sampler_sees_all_replicas_together_and_adds_memory_up_over_time()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server("hold=100"));
        await using var sampler = running.Fleet.SampleMemory();
        await running.ApplyAsync(RunningFleet.Start(1), RunningFleet.Start(2));
        await running.UntilAsync(seen => seen.Replicas.All(one => one.State == ReplicaState.Ready));
        var before = sampler.Read().Samples;
        await running.UntilAsync(_ => sampler.Read().Samples > before + 10);

        var use = sampler.Read();

        Assert.InRange(use.Largest.Value, Bytes.MiB(200).Value, Bytes.MiB(440).Value);
        // Eleven looks at 200 MiB and more are at least ten gaps, each of half a period at the least.
        Assert.True(use.ByteSeconds[RunningFleet.Model] > 200.0 * 1024 * 1024 * 10 * 0.025);
    }

    [Fact]
    public async Task The_node_and_what_others_hold_of_it_are_seen()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server());
        var snapshot = await running.ObserveAsync();

        var node = snapshot.Nodes.Single();
        Assert.Equal((LocalFleet.Node, Bytes.GiB(2)), (node.Id, node.HostMemoryBudget));
        Assert.True(node.HostMemory > Bytes.MiB(256));
        Assert.True(node.Cores > Cores.Zero);
        var foreign = snapshot.Foreign.Single(use => use.Device is null);
        Assert.True(foreign.Memory.TryGetKnown(out var held));
        // This test's own process is foreign to the fleet.
        Assert.True(held > Bytes.MiB(20));
    }

    [Fact]
    public async Task A_detected_budget_outlives_the_controller_while_replicas_run_and_is_found_anew_where_none_does()
    {
        var folder = RunningFleet.NewFolder();
        var file = Path.Combine(folder, "budget.json");
        var leave = new LocalNodeOptions { LeaveRunning = true, StopGrace = TimeSpan.FromSeconds(2) };
        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), leave, folder))
        {
            Assert.True(running.Fleet.MemoryBudget > Bytes.MiB(64));
            await running.ApplyAsync(RunningFleet.Start(1));
            await running.UntilStateAsync(1, ReplicaState.Ready);
        }

        // As if little had been free then.
        var less = Bytes.MiB(40);
        var found = Remembered(file);
        await File.WriteAllBytesAsync(file, JsonSerializer.SerializeToUtf8Bytes(found with { Budget = less }, LocalJson.Default.DetectedBudget), RunningFleet.Cancel);
        await using (var adopting = await RunningFleet.OpenAsync(RunningFleet.Server(), leave with { LeaveRunning = false }, folder))
        {
            Assert.Single((await adopting.ObserveAsync()).Replicas);
            Assert.Equal(less, adopting.Fleet.MemoryBudget);
        }

        await using (var anew = await RunningFleet.OpenAsync(null, new LocalNodeOptions(), folder))
        {
            Assert.True(anew.Fleet.MemoryBudget > Bytes.MiB(64));
            Assert.Equal(anew.Fleet.MemoryBudget, Remembered(file).Budget);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_limit_that_is_no_longer_asked_for_is_lifted_from_replicas_that_outlived_it()
    {
        var folder = RunningFleet.NewFolder();
        var node = new LocalNodeOptions { MemoryBudget = Bytes.GiB(1), StopGrace = TimeSpan.FromSeconds(2), EnforceMemoryBudget = true };
        await using (var limited = await RunningFleet.OpenAsync(RunningFleet.Server(), node, folder))
        {
            await limited.ApplyAsync(RunningFleet.Start(1));
            await limited.UntilStateAsync(1, ReplicaState.Ready);
            if (FleetCgroup(limited) is { } cgroup) Assert.Equal(Bytes.GiB(1), cgroup.Limit);
            limited.Fleet.KeepReplicas();
        }

        await using (var free = await RunningFleet.OpenAsync(RunningFleet.Server(), node with { EnforceMemoryBudget = false }, folder))
        {
            if (FleetCgroup(free) is { } cgroup) Assert.Null(cgroup.Limit);
        }

        Directory.Delete(folder, recursive: true);
    }

    // Null where this user may make none.
    private static MemoryCgroup? FleetCgroup(RunningFleet running) =>
        running.Record(1) is { Cgroup: { } cgroup } record ? new MemoryCgroup(Path.GetDirectoryName(cgroup)!, record.CgroupVersion) : null;

    [Fact]
    public async Task A_log_is_bounded_on_disk_and_its_end_is_quoted()
    {
        // 100 MB, then a last word.
        const string Talker = "head -c 100000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo the last word; sleep 1000";
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Shell(Talker));
        await running.ApplyAsync(RunningFleet.Start(1));
        var log = running.Record(1).LogFile;
        await running.UntilAsync(_ => ReplicaLog.Tail(log).EndsWith("the last word", StringComparison.Ordinal));

        await running.UntilAsync(_ => BytesOnDisk(log) <= ReplicaLog.BytesMax);
        Assert.True(running.Record(1).Process!.Signal(Native.SigKill));

        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();
        Assert.EndsWith("the last word", exited.Why, StringComparison.Ordinal);
        Assert.True(exited.Why.Length < 4096);
        Assert.True(new FileInfo(log).Length <= ReplicaLog.BytesKept);
    }

    private static DetectedBudget Remembered(string file) => JsonSerializer.Deserialize(File.ReadAllBytes(file), LocalJson.Default.DetectedBudget)!;

    private static long BytesOnDisk(string path)
    {
        using var du = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("du", ["-B1", path]) { RedirectStandardOutput = true })!;
        var blocks = du.StandardOutput.ReadToEnd().Split('\t')[0];
        du.WaitForExit();
        return long.Parse(blocks, System.Globalization.CultureInfo.InvariantCulture);
    }
}
