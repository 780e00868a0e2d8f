using Plimsoll.Local.Devices;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Devices;

public sealed class DeviceTextTests
{
    [Theory]
    [InlineData("0::/a/b\n", 0.5)] // b has none of its own, a has half a core, the root one and a half.
    [InlineData("0::/\n", 1.5)]
    [InlineData("0::/gone/c\n", 1.5)]
    [InlineData("", 1.5)]
    public void The_tightest_quota_up_to_the_root_counts(string own, double cores)
    {
        var mount = Directory.CreateTempSubdirectory("plimsoll-test-").FullName;
        Directory.CreateDirectory(Path.Combine(mount, "a", "b"));
        File.WriteAllText(Path.Combine(mount, "cpu.max"), "150000 100000\n");
        File.WriteAllText(Path.Combine(mount, "a", "cpu.max"), "50000 100000\n");
        File.WriteAllText(Path.Combine(mount, "a", "b", "cpu.max"), "max 100000\n");

        Assert.Equal(Cores.Of(cores), HostCores.Quota(mount, own));
        Directory.Delete(mount, recursive: true);
    }

    [Fact]
    public void A_gang_is_charged_what_it_uses_on_its_fullest_device()
    {
        var at = new DateTimeOffset(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);
        var reading = NvidiaSmi.Parse("", """
            GPU-a, 10, 1000
            GPU-a, 11, 500
            GPU-b, 10, 1400
            GPU-b, 99, 9000
            GPU-c, 12, [N/A]
            """);

        Assert.Equal(Signal.Known(Bytes.MiB(1500), at), GpuWatch.UsedBy(reading, at, [10, 11]));
        Assert.Equal(SignalState.Missing, GpuWatch.UsedBy(reading, at, [12]).State);
        Assert.Equal(SignalState.Missing, GpuWatch.UsedBy(reading, at, [13]).State);
        Assert.Equal(SignalState.Missing, GpuWatch.UsedBy(null, at, [10]).State);
    }

    [Fact]
    public void Devices_and_their_users_are_read_from_what_nvidia_smi_prints()
    {
        const string Devices = """
            GPU-bbbb, NVIDIA L4, 23034, 1200, [N/A]
            GPU-aaaa, NVIDIA A100-SXM4-80GB, 81920, 0, Disabled
            """;
        const string Uses = """
            GPU-bbbb, 4242, 1000
            GPU-bbbb, 4243, [N/A]
            """;

        var reading = NvidiaSmi.Parse(Devices, Uses);

        Assert.Equal(
            [
                new Gpu("GPU-aaaa", "NVIDIA A100-SXM4-80GB", Bytes.MiB(81920), Bytes.Zero),
                new Gpu("GPU-bbbb", "NVIDIA L4", Bytes.MiB(23034), Bytes.MiB(1200)),
            ], reading.Gpus);
        Assert.Equal([new GpuUse("GPU-bbbb", 4242, Bytes.MiB(1000)), new GpuUse("GPU-bbbb", 4243, null)], reading.Uses);
        Assert.Equal(["a100-80gb", "l4-24gb"], reading.Gpus.Select(gpu => gpu.Kind));
    }

    [Fact]
    public void Sliced_devices_are_left_out_and_what_is_not_said_is_unknown()
    {
        const string Devices = """
            GPU-aaaa, NVIDIA H100 80GB HBM3, 81559, 200, Enabled
            GPU-bbbb, NVIDIA Tegra, [N/A], [Not Supported], [N/A]
            No devices were found
            """;

        var reading = NvidiaSmi.Parse(Devices, "");

        Assert.Equal(["GPU-aaaa"], reading.Sliced);
        Assert.Equal([new Gpu("GPU-bbbb", "NVIDIA Tegra", null, null)], reading.Gpus);
        Assert.Empty(reading.Uses);
    }

    [Fact]
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public async Task A_driver_that_fails_or_is_not_there_is_a_sentence()
    {
        var folder = Directory.CreateTempSubdirectory("plimsoll-test-").FullName;
        var broken = Path.Combine(folder, "nvidia-smi");
        await File.WriteAllTextAsync(
            broken, "#!/bin/sh\necho 'couldnt communicate with the driver'\nexit 9\n", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(broken, UnixFileMode.UserRead | UnixFileMode.UserExecute);

        var (reading, error) = await NvidiaSmi.ReadAsync(broken, TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Null(reading);
        Assert.Equal("nvidia-smi failed with code 9: couldnt communicate with the driver", error);

        (reading, error) = await NvidiaSmi.ReadAsync(folder + "/none", TimeProvider.System, TestContext.Current.CancellationToken);
        Assert.Null(reading);
        Assert.StartsWith("nvidia-smi could not be started", error, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public async Task What_a_process_of_ours_uses_of_a_device_it_was_not_placed_on_is_foreign_there()
    {
        var folder = Directory.CreateTempSubdirectory("plimsoll-test-").FullName;
        var program = Path.Combine(folder, "nvidia-smi");
        await File.WriteAllTextAsync(program, """
            #!/bin/sh
            case "$1" in
                --query-gpu=*) echo "GPU-a, NVIDIA L4, 23034, 3000, [N/A]"; echo "GPU-b, NVIDIA L4, 23034, 500, [N/A]";;
                *) echo "GPU-a, 10, 2000"; echo "GPU-a, 11, 900"; echo "GPU-b, 10, 500";;
            esac
            """, TestContext.Current.CancellationToken);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var watch = new GpuWatch(program, TimeProvider.System);
        await watch.LookAsync(TestContext.Current.CancellationToken);

        // 10 is placed on a alone; 11 is ours too, and was placed on none.
        var foreign = watch.Foreign(NodeId.Of("local"), Enumerable.Repeat(10, 1).ToLookup(_ => DeviceId.Of("GPU-a")));

        Assert.Equal([Bytes.MiB(1000), Bytes.MiB(500)], foreign.Select(use => use.Memory.TryGetKnown(out var used) ? used : Bytes.Zero));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_cgroup_limit_above_us_binds_and_its_reclaimable_pages_are_available()
    {
        // Two levels: the outer one allows 1000 MiB, of which 700 are used, 200 of those droppable.
        var outer = Directory.CreateTempSubdirectory("plimsoll-test-").FullName;
        var inner = Directory.CreateDirectory(Path.Combine(outer, "inner")).FullName;
        foreach (var folder in new[] { outer, inner }) File.WriteAllText(Path.Combine(folder, "cgroup.procs"), "");
        File.WriteAllText(Path.Combine(outer, "memory.max"), "1048576000\n");
        File.WriteAllText(Path.Combine(outer, "memory.current"), "734003200\n");
        File.WriteAllText(Path.Combine(outer, "memory.stat"), "anon 1\ninactive_file 104857600\nactive_file 104857600\n");
        File.WriteAllText(Path.Combine(inner, "memory.max"), "max\n");

        var machine = HostMemory.ParseMemInfo("MemTotal:       4096000 kB\nMemFree:  1 kB\nMemAvailable:   2048000 kB\n")!;
        var within = machine.Within(new MemoryCgroup(inner, 2));

        Assert.Equal(new HostMemory(new Bytes(4096000L * 1024), new Bytes(2048000L * 1024)), machine);
        Assert.Equal(new HostMemory(Bytes.MiB(1000), Bytes.MiB(500)), within);
        // 1000 in all, 500 to be had, 300 ours: others hold 200.
        Assert.Equal(Bytes.MiB(200), within.Foreign(Bytes.MiB(300)));
        Assert.Equal(Bytes.Zero, within.Foreign(Bytes.MiB(600)));
        Assert.Null(HostMemory.ParseMemInfo(null));
        Directory.Delete(outer, recursive: true);
    }

    [Theory]
    [InlineData("0-3,8", 5)]
    [InlineData("0", 1)]
    [InlineData("", 0)]
    [InlineData("3-1", 0)]
    [InlineData("x", 0)]
    public void A_list_of_processors_is_counted(string list, int count) => Assert.Equal(count, HostCores.CountList(list));

    [Theory]
    [InlineData("150000 100000\n", 1500L)]
    [InlineData("max 100000\n", null)]
    [InlineData("", null)]
    public void A_processor_quota_is_read_in_thousandths(string text, long? milli) =>
        Assert.Equal(milli, HostCores.ParseMax(text)?.Milli);
}
