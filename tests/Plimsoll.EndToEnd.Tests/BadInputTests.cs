using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Plimsoll.Local.Tests;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>What a person gets wrong, told by the real program: sentences, an exit code, and nothing left behind.</summary>
public sealed class BadInputTests
{
    [Theory]
    [InlineData("models:\n- {name: a, source: [", "fleet.yaml:")]
    [InlineData("models:\n- {name: a, source: MODEL, prioritty: 3}", "there is no such field; did you mean \"priority\"?")]
    [InlineData("models:\n- {name: a, source: MODEL}\n- {name: a, source: MODEL}", "models[1].name: ")]
    [InlineData("models:\n- {name: a, source: nowhere.onnx}", "models[0].source: FOLDER/nowhere.onnx does not exist")]
    [InlineData("models:\n- {name: a, source: cut.onnx}", "models[0].source: ")]
    [InlineData("models:\n- {name: a, source: MODEL, command: [no-such-server, \"{port}\"]}", "found \"no-such-server\", which is not on the PATH")]
    public async Task A_fleet_file_with_a_mistake_starts_nothing(string yaml, string told)
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        File.WriteAllBytes(Path.Combine(scene.Folder, "cut.onnx"), File.ReadAllBytes(model)[..100_000]);
        scene.Fleet(yaml.Replace("MODEL", model, StringComparison.Ordinal) + "\n");
        var up = scene.Up();

        Assert.Equal(2, await up.ExitAsync());

        AssertOneSentence(up, told.Replace("FOLDER", scene.Folder, StringComparison.Ordinal));
        Assert.False(Directory.Exists(scene.State));
    }

    [Theory]
    [InlineData("listen")]
    [InlineData("adminListen")]
    public async Task A_port_in_use_is_named_and_nothing_is_left_running(string field)
    {
        await using var scene = new Scene();
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        var port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        var other = field == "listen" ? "" : "listen: 127.0.0.1:0, ";
        scene.Fleet(string.Create(CultureInfo.InvariantCulture,
            $"gateway: {{{other}{field}: 127.0.0.1:{port}}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n"));
        var up = scene.Up();

        Assert.Equal(69, await up.ExitAsync());

        AssertOneSentence(up, string.Create(CultureInfo.InvariantCulture, $"gateway.{field}: port {port} on 127.0.0.1 is in use"));
        Assert.Empty(scene.Replicas());
    }

    // No page left for anything; a few, so that not the first file but a later one finds no room.
    [Theory]
    [InlineData(0, 69, "state cannot be written: No space left on device")]
    [InlineData(1, 69, "state cannot be written: No space left on device")]
    [InlineData(2, 1, "journal.db: the journal cannot be opened: the disk")]
    public async Task A_disk_that_is_full_from_the_start_is_told_before_anything_starts(int pages, int code, string told)
    {
        using var disk = SmallDisk.Mount(Bytes.MiB(1));
        await using var scene = new Scene(Path.Combine(disk.Folder, "state"));
        var spare = Path.Combine(disk.Folder, "spare");
        File.WriteAllBytes(spare, new byte[pages * 4096]);
        SmallDisk.Fill(Path.Combine(disk.Folder, "filler"));
        File.Delete(spare);
        var model = await scene.ModelAsync("tiny", Bytes.MiB(1));
        scene.Fleet($"gateway: {{listen: 127.0.0.1:0}}\nmodels:\n- {{name: tiny, source: {model}, minReplicas: 1}}\n");
        var up = scene.Up();

        Assert.Equal(code, await up.ExitAsync());

        AssertOneSentence(up, told);
        Assert.Empty(scene.Replicas());
    }

    // A person reads it: whose sentence it is, what is wrong, and no trace of the code.
    private static void AssertOneSentence(UpProcess up, string told)
    {
        var line = Assert.Single(up.Error.TrimEnd('\n').Split('\n'));
        Assert.StartsWith("plimsoll: ", line, StringComparison.Ordinal);
        Assert.Contains(told, line, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", line, StringComparison.Ordinal);
        Assert.DoesNotContain("PLIMSOLL_DEBUG", line, StringComparison.Ordinal);
        Assert.Equal("", up.Output);
    }
}
