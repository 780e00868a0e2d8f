using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Processes;

public sealed class KernelTextTests
{
    [Fact]
    public void A_stat_line_is_read_past_a_name_with_spaces_and_parentheses()
    {
        const string Line = "4242 (a) b (c)) S 17 4242 4240 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 9 0 987654 1 2 3\n";
        Assert.True(ProcessStat.TryParse(Line, out var stat));
        Assert.Equal(new ProcessStat(4242, 'S', 17, 4242, 4240, 987654), stat);
    }

    [Theory]
    [InlineData("")]
    [InlineData("4242 (sh) S 17")]
    [InlineData("x (sh) S 17 4242 4240 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 9 0 987654 1")]
    public void What_is_no_stat_line_is_not_read(string line) => Assert.False(ProcessStat.TryParse(line, out _));

    [Fact]
    public void This_process_is_known_by_its_start_and_environment()
    {
        var self = ProcessIdentity.Of(Environment.ProcessId)!;
        Assert.True(self.IsAlive());
        Assert.False((self with { StartTicks = self.StartTicks + 1 }).IsAlive());
        Assert.False((self with { BootId = "another" }).IsAlive());
        Assert.Equal(Environment.GetEnvironmentVariable("PATH"), ProcessIdentity.EnvironmentOf(Environment.ProcessId, "PATH"));
        Assert.Null(ProcessIdentity.EnvironmentOf(Environment.ProcessId, "NO_SUCH_VARIABLE"));
        Assert.Null(ProcessIdentity.Of(int.MaxValue));
    }

    [Fact]
    public void Load_stages_are_read_from_metrics_and_nonsense_is_passed_over()
    {
        const string Metrics = """
            # TYPE plimsoll_model_load_duration_seconds gauge
            plimsoll_model_load_duration_seconds{model="m",stage="read"} 1.25
            plimsoll_model_load_duration_seconds{stage="warmup",model="m"} 0.5 1700000000
            plimsoll_model_load_duration_seconds{stage="bad"} NaN
            plimsoll_model_load_duration_seconds{stage="worse"} -1
            plimsoll_model_load_duration_seconds{stage="open
            other{stage="read"} 9
            """;
        Assert.Equal(
            [new StageTime("read", TimeSpan.FromSeconds(1.25)), new StageTime("warmup", TimeSpan.FromSeconds(0.5))],
            LoadStages.Parse(Metrics));
    }

    [Fact]
    public void The_memory_cgroup_is_found_in_both_versions()
    {
        const string V1 = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n";
        Assert.Equal(new MemoryCgroup("/sys/fs/cgroup/memory/a/b", 1),
            MemoryCgroup.Locate("9:name=systemd:/\n4:memory:/a/b\n0::/\n", V1, _ => true));
        // In a container the path is the host's and the mount's root is ours.
        Assert.Equal(new MemoryCgroup("/sys/fs/cgroup/memory", 1),
            MemoryCgroup.Locate("4:cpu,memory:/docker/1234\n", V1, _ => false));
        Assert.Null(MemoryCgroup.Locate("4:cpu:/a\n", V1, _ => true));
        Assert.Null(MemoryCgroup.Locate("0::/a\n", "proc /proc proc rw 0 0\n", _ => true));
    }

    [Fact]
    public void In_version_2_we_move_aside_where_we_are_alone_and_are_found_again_from_there()
    {
        const string V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";
        Assert.Equal(new MemoryCgroup("/sys/fs/cgroup/a.scope", 2), MemoryCgroup.Locate("0::/a.scope\n", V2, _ => true));
        Assert.Equal(new MemoryCgroup("/sys/fs/cgroup/a.scope", 2), MemoryCgroup.Locate("0::/a.scope/plimsoll-controller\n", V2, _ => true));
        foreach (var (inside, mayMove, moves) in new[] { ($"{Environment.ProcessId}\n", true, true), ($"{Environment.ProcessId}\n", false, false), ($"1\n{Environment.ProcessId}\n", true, false) })
        {
            var folder = Directory.CreateTempSubdirectory("plimsoll-test-").FullName;
            File.WriteAllText(Path.Combine(folder, "cgroup.procs"), inside);
            var aside = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "plimsoll-controller")).FullName, "cgroup.procs");
            File.WriteAllText(aside, "");

            // There is no subtree_control to write to, as where the kernel refuses it.
            Assert.Null(new MemoryCgroup(folder, 2).TryMakeChild("fleet", mayMove));

            Assert.Equal(moves ? $"{Environment.ProcessId}" : "", File.ReadAllText(aside));
            Assert.False(Directory.Exists(Path.Combine(folder, "fleet")));
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void An_exit_is_told_in_words()
    {
        Assert.Equal("exited with code 3", new ProcessExit(3, null).ToString());
        Assert.Equal("was ended by signal 11 (segmentation fault)", new ProcessExit(null, 11).ToString());
        Assert.Equal("ended, and nobody was there to see how", ProcessExit.Unknown.ToString());
    }

    [Fact]
    public void The_end_of_a_log_is_a_few_clean_short_lines()
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, string.Concat(Enumerable.Range(1, 20).Select(i => $"line {i}\n"))
            + "\u001b[31mred\u001b[0m\r\n" + new string('y', 1000) + "\n\n");

        var lines = ReplicaLog.Tail(path).Split('\n');

        Assert.Equal(["line 15", "line 16", "line 17", "line 18", "line 19", "line 20", "[31mred[0m"], lines[..^1]);
        Assert.Equal(new string('y', 300) + "…", lines[^1]);
        Assert.Equal("", ReplicaLog.Tail(path + ".missing"));
        File.Delete(path);
    }
}
