using System.Globalization;
using Plimsoll.Artifacts.Tests;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Tests.FleetFiles;

/// <summary>A folder as a fleet: what of it this machine can hold is served, and what is left out is said.</summary>
[Collection(nameof(ProcessEnvironment))]
public sealed class FolderFleetTests : IDisposable
{
    private const uint Million = 1 << 20;

    private readonly string _root = Directory.CreateTempSubdirectory("plimsoll-folder-fleet-").FullName;
    private readonly string? _pathBefore = Environment.GetEnvironmentVariable("PATH");

    public FolderFleetTests()
    {
        Directory.CreateDirectory(Folder);
        Directory.CreateDirectory(Path.Combine(_root, "bin"));
        var server = Path.Combine(_root, "bin", "llama-server");
        File.WriteAllText(server, "#!/bin/sh\n");
        if (OperatingSystem.IsLinux()) File.SetUnixFileMode(server, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Environment.SetEnvironmentVariable("PATH", $"{Path.Combine(_root, "bin")}:{_pathBefore}");
    }

    private string Folder => Path.Combine(_root, "models");

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("PATH", _pathBefore);
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public void A_model_whose_own_context_does_not_fit_is_given_and_charged_the_longest_that_does()
    {
        // 1,024 bytes a token: of its own context 1 GiB; 8 × 16,384 are 128 MiB, 8 × 32,768 are 256.
        Write("long", context: Million);
        Write("short", context: 4096);

        var definition = Resolve(budget: Bytes.MiB(200) + Bytes.MiB(200));

        Assert.Equal(["long", "short"], definition.Spec.Models.Select(model => model.Id.Value));
        Assert.EndsWith("--parallel 8 --n-gpu-layers 0 --ctx-size 131072", string.Join(' ', definition.Launches[ModelId.Of("long")].Command), StringComparison.Ordinal);
        Assert.EndsWith("--ctx-size 0", string.Join(' ', definition.Launches[ModelId.Of("short")].Command), StringComparison.Ordinal);
        // The server's 200 MiB, the weights' 1,536 bytes times 1.15, and the cache.
        Assert.Equal(209_715_200 + 1767 + 134_217_728, definition.Spec.Models[0].Variants[0].Needs.Host.Steady.Value);
        Assert.StartsWith(
            "model 'long' is served with context 16384 of 1048576, for each of 8 requests at once; with all of it: too heavy: ",
            Assert.Single(definition.Notes), StringComparison.Ordinal);
        // What was measured with another context is not taken for this one's.
        Assert.EndsWith("-context-16384", definition.Spec.Models[0].Version, StringComparison.Ordinal);
        Assert.DoesNotContain("context", definition.Spec.Models[1].Version, StringComparison.Ordinal);
    }

    [Fact]
    public void On_the_processor_too_a_window_keeps_no_more_than_itself_and_a_step()
    {
        // Of two layers of 512 bytes a token one slides over 512. Eight slots share 32,768 tokens: 16 MiB, and 8 × (512 + 512) are 4.
        using var gguf = new GgufBytes().Text("general.architecture", "gemma2").UInt32("gemma2.block_count", 2).UInt32("gemma2.embedding_length", 256)
            .UInt32("gemma2.feed_forward_length", 512).UInt32("gemma2.attention.head_count", 4).UInt32("gemma2.attention.head_count_kv", 2)
            .UInt32("gemma2.attention.key_length", 64).UInt32("gemma2.attention.value_length", 64).UInt32("gemma2.attention.sliding_window", 512)
            .UInt32("gemma2.context_length", 32_768).Tensor("token_embd.weight", 1, 512, 256, 1).Tensor("output_norm.weight", 0, 1024, 256);
        Write("windows", gguf);

        Assert.Equal(209_715_200 + 1767 + (20 << 20), Resolve(Bytes.GiB(1)).Spec.Models[0].Variants[0].Needs.Host.Steady.Value);
    }

    [Fact]
    public void A_model_that_fits_with_no_context_is_left_out_and_the_others_are_served()
    {
        Write("large", context: Million, width: 1 << 15);
        Write("small", context: 4096);

        // 524,288 bytes a token: 8 × 2,048 are 8 GiB.
        var definition = Resolve(budget: Bytes.GiB(4));

        Assert.Equal("small", Assert.Single(definition.Spec.Models).Id.Value);
        Assert.Equal("small", Assert.Single(definition.Launches).Key.Value);
        Assert.StartsWith("left out: model 'large' is refused: too heavy: ", Assert.Single(definition.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_split_model_is_one_model_with_the_weights_of_all_its_files()
    {
        WriteSplit("m", count: 3);
        WriteSplit("cut", count: 2);
        File.Delete(Path.Combine(Folder, "cut-00001-of-00002.gguf"));

        var (file, notes) = FolderScan.Read(Folder);

        Assert.Equal("m-00001-of-00003", Assert.Single(file.Document.Models).Name);
        Assert.Equal([$"left out: {Folder}/cut-00002-of-00002.gguf, as 'cut-00001-of-00002.gguf' is not beside it"], notes);
        // Of each file a tensor of 512 bytes.
        Assert.Equal(1536, Assert.Single(Resolve(Bytes.GiB(1), notes).Spec.Models).Footprint.Weights.Value);
    }

    [Fact]
    public void A_projector_is_given_to_the_one_model_beside_it_and_charged_and_is_no_model_itself()
    {
        Write("one/m", context: 4096);
        WriteProjector("one/mmproj-f16");
        Write("two/a", context: 4096);
        Write("two/b", context: 4096);
        WriteProjector("two/mmproj-f16");

        string[] notes = [$"left out: {Folder}/two/mmproj-f16.gguf, as 2 models lie beside it; a projector alone with its model is given to it"];
        var definition = Resolve(Bytes.GiB(1), notes);

        Assert.Equal(["a", "b", "m"], definition.Spec.Models.Select(model => model.Id.Value));
        // The model's 512 and 1,024 bytes, and the projector's 512.
        Assert.Equal([1536, 1536, 2048], definition.Spec.Models.Select(model => model.Footprint.Weights.Value));
        Assert.Equal([false, false, true], definition.Launches.Values.Select(launch => launch.Command is [.., "--mmproj", "{folder}/mmproj-f16.gguf"]));
    }

    [Fact]
    public void Links_to_files_are_followed_and_what_is_passed_over_is_said()
    {
        var blobs = Directory.CreateDirectory(Path.Combine(_root, "blobs")).FullName;
        Write("here", context: 4096);
        File.Copy(Path.Combine(Folder, "here.gguf"), Path.Combine(blobs, "3f2a"));
        Link("snapshots/1/linked.gguf", Path.Combine(blobs, "3f2a"));
        Link("snapshots/2/linked.gguf", Path.Combine(blobs, "3f2a"));
        Link("again.gguf", Path.Combine(Folder, "here.gguf"));
        Link("gone.gguf", Path.Combine(blobs, "none"));
        Link("device.gguf", "/dev/zero");
        File.CreateSymbolicLink(Path.Combine(Folder, "circle.gguf"), Path.Combine(Folder, "circle.gguf"));
        Directory.CreateSymbolicLink(Path.Combine(Folder, "around"), Folder);
        Write(".cache/hidden", context: 4096);
        File.WriteAllText(Path.Combine(Folder, ".part.gguf"), "");
        Write("1/2/3/4/5/6/deepest", context: 4096);
        Write("1/2/3/4/5/6/7/too-deep", context: 4096);
        File.WriteAllText(Path.Combine(Folder, "words.onnx"), "words");

        var (file, notes) = FolderScan.Read(Folder);

        Assert.Equal(["deepest", "here", "linked"], file.Document.Models.Select(model => model.Name).Order());
        Assert.Equal(
            [
                "2 hidden files or folders are not looked at",
                "1 folder is not looked at, more than 6 below the one named",
                "1 link to a folder is not followed",
                "3 links are left out, which no file is behind",
                "2 links are left out, to files that are there already",
            ],
            notes[..^1]);
        Assert.StartsWith("left out: ", notes[^1], StringComparison.Ordinal);
        Assert.Contains("words.onnx", notes[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Up_and_plan_serve_of_a_folder_what_this_machine_can_hold()
    {
        Write("huge", context: Million, width: 1 << 27);
        Write("long", context: 1 << 28, width: 1 << 10);
        Write("short", context: 4096);
        var (code, planned, told) = await PlanAsync();
        var (ended, output, error) = await UpAsync();

        Assert.Equal((ExitCode.Ok, ExitCode.Ok), (code, ended));
        Assert.Contains("2 models, ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("huge", planned, StringComparison.Ordinal);
        foreach (var lines in new[] { told.Split('\n'), error.Split('\n') })
        {
            Assert.Single(lines, line => line.StartsWith("plimsoll: left out: model 'huge' is refused: too heavy: ", StringComparison.Ordinal));
            Assert.Single(lines, line => line.StartsWith("plimsoll: model 'long' is served with context ", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_folder_of_which_nothing_fits_is_refused()
    {
        Write("huge", context: Million, width: 1 << 27);
        var (code, _, told) = await PlanAsync();
        var (ended, output, error) = await UpAsync();

        Assert.Equal((ExitCode.Refused, ExitCode.Refused), (code, ended));
        Assert.Equal("", output);
        foreach (var lines in new[] { told, error })
        {
            Assert.Contains("left out: model 'huge' is refused: too heavy: ", lines, StringComparison.Ordinal);
            Assert.Contains("this machine can hold no model of this folder; more memory, or a fleet file that states a shorter context", lines, StringComparison.Ordinal);
        }
    }

    private async Task<(int Code, string Output, string Error)> PlanAsync()
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["plan", Folder], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }

    private async Task<(int Code, string Output, string Error)> UpAsync()
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var running = new UpRun(TextWriter.Synchronized(output), TextWriter.Synchronized(error), TimeProvider.System).RunAsync(
            new UpArguments { Target = Folder, State = Path.Combine(_root, "state"), Port = 0, Plain = true }, ending.Token);
        try
        {
            for (var tries = 0; tries < 600 && !running.IsCompleted && !output.ToString().Contains("memory budget", StringComparison.Ordinal); tries++)
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, TestContext.Current.CancellationToken);
            await ending.CancelAsync();
            return (await running, output.ToString(), error.ToString());
        }
        catch (CommandException refused)
        {
            return (refused.Code, output.ToString(), error + refused.Message);
        }
    }

    private FleetDefinition Resolve(Bytes budget, params IEnumerable<string> told)
    {
        var (file, notes) = FolderScan.Read(Folder);
        Assert.Equal(told, notes);
        var seen = new FleetSnapshot
        {
            At = DateTimeOffset.UnixEpoch,
            Can = Capabilities.None,
            Nodes = [new NodeState { Id = NodeId.Of("here"), HostMemory = Bytes.GiB(64), HostMemoryBudget = budget, Cores = Cores.Of(8) }],
        };
        return new FleetResolver(file, TimeProvider.System, refused: FolderScan.RefusedOn(new FleetSpec { Models = [] }, seen))
            .Resolve(TestContext.Current.CancellationToken)!;
    }

    // 2 layers × 2 heads × two widths × 2 bytes a token.
    private void Write(string name, uint context, uint width = 64)
    {
        using var gguf = new GgufBytes().Text("general.architecture", "llama").UInt32("llama.block_count", 2).UInt32("llama.embedding_length", 256)
            .UInt32("llama.feed_forward_length", 512).UInt32("llama.attention.head_count", 4).UInt32("llama.attention.head_count_kv", 2)
            .UInt32("llama.attention.key_length", width).UInt32("llama.attention.value_length", width)
            .UInt32("llama.context_length", context).Tensor("token_embd.weight", 1, 512, 256, 1).Tensor("output_norm.weight", 0, 1024, 256);
        Write(name, gguf);
    }

    private void WriteSplit(string name, ushort count)
    {
        for (ushort i = 0; i < count; i++)
        {
            using var gguf = new GgufBytes().Text("general.architecture", "llama").UInt16("split.no", i).UInt16("split.count", count)
                .Tensor(string.Create(CultureInfo.InvariantCulture, $"blk.{i}.weight"), 1, 512, 256, 1);
            Write(string.Create(CultureInfo.InvariantCulture, $"{name}-{i + 1:00000}-of-{count:00000}"), gguf);
        }
    }

    private void WriteProjector(string name)
    {
        using var gguf = new GgufBytes().Text("general.architecture", "clip").Tensor("v.patch_embd.weight", 1, 512, 256, 1);
        Write(name, gguf);
    }

    private void Write(string name, GgufBytes gguf)
    {
        var path = Path.Combine(Folder, name + ".gguf");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, gguf.File());
    }

    private void Link(string name, string target)
    {
        var path = Path.Combine(Folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.CreateSymbolicLink(path, target);
    }
}
