using System.Net;
using System.Text;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>The real program on a machine whose nvidia-smi tells of one H100, with a program in vllm's place.</summary>
public sealed class GpuFleetTests
{
    internal static readonly string Host = Path.GetFullPath(Path.Combine(
        AppContext.BaseDirectory, "..", "..", "Plimsoll.Local.TestHost", Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)), "Plimsoll.Local.TestHost"));

    private const string Machine = "machine: {memory: 2GiB}\ngateway: {listen: 127.0.0.1:0}\nplanner: {review: 200ms}\nmodels:\n";

    [Fact]
    public async Task Vllm_is_started_and_charged_as_stated_and_who_does_not_fit_beside_it_waits_with_a_reason()
    {
        await using var scene = new Scene();
        LlamaFolder.WriteSmall(Path.Combine(scene.Folder, "llama"));
        scene.Fleet(Machine +
            """
            - {name: first, source: llama, device: h100-80gb, context: 1024, memoryFraction: 0.5, minReplicas: 1, priority: 1,
               memory: {loadPeak: 300MiB, steady: 200MiB} }
            - {name: second, source: llama, device: h100, memoryFraction: 0.6, minReplicas: 1, memory: {loadPeak: 300MiB, steady: 200MiB} }
            """);
        var up = scene.Up(environment: Programs(scene.Folder));
        await up.LineAsync("ready first-");

        var arguments = await File.ReadAllTextAsync(Path.Combine(scene.Folder, "arguments"), Scene.Cancel);
        Assert.StartsWith($"serve {scene.Folder}/llama --served-model-name first ", arguments, StringComparison.Ordinal);
        Assert.Contains(" --tensor-parallel-size 1 --max-model-len 1024 --gpu-memory-utilization 0.5\n", arguments, StringComparison.Ordinal);
        Assert.DoesNotContain("second", arguments, StringComparison.Ordinal);
        // Said as soon as it is ready, and of status with the next tick that is kept.
        await Scene.UntilAsync(() => scene.StatusAsync().GetAwaiter().GetResult().Models[0].Tier == "device", () => up.Error);
        var models = (await scene.StatusAsync()).Models;
        // 0.5 and 0.6 of 79.19 GiB, and outside 0.51 GiB of context and 0.615 + 2 × 0.0088 GiB of graphs.
        Assert.Equal(42_514_807_521 + 1226857408, models[0].ChargedPerDeviceBytes!.Value, 2.0);
        Assert.Equal(51_017_769_025 + 1226857408, models[1].ChargedPerDeviceBytes!.Value, 2.0);
        Assert.Empty(models[1].Replicas);
        // 48.7 GiB beside 40.7 GiB on a device that the driver gives 79.6 GiB.
        await Scene.UntilAsync(() => scene.StatusAsync().GetAwaiter().GetResult().Models[1].Rule == "HoldScarceDevice", () => models[1].Reason);
        Assert.Contains("needs 48.7 GiB of 1 device, 38.9 GiB is free there and nothing may go for it",
            Scene.Unfolded(await scene.SaysAsync("explain", "second")), StringComparison.Ordinal);
        Assert.Equal(0, (await scene.ReplayAsync()).Differing);
        await scene.EndAsync(up);
    }

    [Fact]
    public async Task Two_that_take_turns_on_a_device_sleep_and_wake_and_are_started_once_each()
    {
        await using var scene = new Scene();
        LlamaFolder.WriteSmall(Path.Combine(scene.Folder, "llama"));
        scene.Fleet(Machine +
            """
            - {name: first, source: llama, device: h100-80gb, memoryFraction: 0.6, sleep: true, memory: {loadPeak: 300MiB, steady: 200MiB} }
            - {name: second, source: llama, device: h100-80gb, memoryFraction: 0.6, sleep: true, memory: {loadPeak: 300MiB, steady: 200MiB} }
            """);
        var up = scene.Up(environment: Programs(scene.Folder));
        using var http = new HttpClient { BaseAddress = await up.GatewayAsync(), Timeout = Scene.Patience };

        await AskAsync(http, "first");
        await AskAsync(http, "second");
        await Scene.UntilAsync(() => Tiers() == "asleep device", Tiers);
        await AskAsync(http, "first");
        await Scene.UntilAsync(() => Tiers() == "device asleep", Tiers);
        await AskAsync(http, "second");

        var started = await File.ReadAllLinesAsync(Path.Combine(scene.Folder, "arguments"), Scene.Cancel);
        Assert.Equal(2, started.Length);
        Assert.All(started, arguments => Assert.Contains(" --enable-sleep-mode", arguments, StringComparison.Ordinal));
        Assert.Equal(["first-1", "second-1"], (await scene.StatusAsync()).Models.SelectMany(model => model.Replicas).Select(replica => replica.Id));
        Assert.Equal(0, (await scene.ReplayAsync()).Differing);
        await scene.EndAsync(up);

        // Of the last tick that was kept.
        string Tiers() => string.Join(' ', scene.StatusAsync().GetAwaiter().GetResult().Models.Select(model => model.Tier));
    }

    [Fact]
    public async Task Who_was_placed_on_no_device_is_shown_none_unless_it_says_so_itself_and_nobody_is_given_the_gateways_key()
    {
        await using var scene = new Scene();
        await File.WriteAllTextAsync(Path.Combine(scene.Folder, "weights"), "w", Scene.Cancel);
        const string Rest = ", weights: 1MiB, minReplicas: 1, memory: {loadPeak: 300MiB, steady: 200MiB}";
        scene.Fleet("machine: {memory: 2GiB}\ngateway: {listen: 127.0.0.1:0, apiKey: {env: SESAME}}\nplanner: {review: 200ms}\nmodels:\n"
            + $"- {{name: plain, source: weights{Rest}, {Command("plain")}}}\n- {{name: stubborn, source: weights{Rest}, env: {{CUDA_VISIBLE_DEVICES: all}}, {Command("stubborn")}}}\n");
        var up = scene.Up(environment: [.. Programs(scene.Folder), ("SESAME", "open"), ("CUDA_VISIBLE_DEVICES", "0")]);
        await up.LineAsync("ready plain-1");
        await up.LineAsync("ready stubborn-1");

        Assert.Equal("devices= key=\n", await File.ReadAllTextAsync(Path.Combine(scene.Folder, "plain.seen"), Scene.Cancel));
        Assert.Equal("devices=all key=\n", await File.ReadAllTextAsync(Path.Combine(scene.Folder, "stubborn.seen"), Scene.Cancel));
        await scene.EndAsync(up);

        string Command(string name) => $"command: [sh, -c, \"echo devices=$CUDA_VISIBLE_DEVICES key=$SESAME > {scene.Folder}/{name}.seen; exec {Host} serve $0\", \"{{port}}\"]";
    }

    private static async Task AskAsync(HttpClient http, string model)
    {
        using var answer = await http.PostAsync(new Uri("/v1/completions", UriKind.Relative), new StringContent($$"""{"model": "{{model}}", "prompt": "hello"}""", Encoding.UTF8, "application/json"), Scene.Cancel);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task A_model_that_fits_no_device_of_its_kind_starts_nothing()
    {
        await using var scene = new Scene();
        LlamaFolder.WriteLarge(Path.Combine(scene.Folder, "llama"));
        var file = scene.Fleet("models:\n- {name: m, source: llama, device: t4-16gb}\n");
        var up = scene.Up(environment: Programs(scene.Folder));

        Assert.Equal(2, await up.ExitAsync());

        var line = Assert.Single(up.Error.TrimEnd('\n').Split('\n'));
        Assert.StartsWith($"plimsoll: {file}:2:36: models[0].device: 1 × t4-16gb with vllm: the device needs ", line, StringComparison.Ordinal);
        Assert.Contains(" too much; it would with ", line, StringComparison.Ordinal);
        Assert.False(Directory.Exists(scene.State));
    }

    private static (string, string)[] Programs(string folder)
    {
        Program(folder, "nvidia-smi", """case "$1" in --query-gpu=*) echo "GPU-0, NVIDIA H100 80GB HBM3, 81559, 0, Disabled";; esac""");
        Program(folder, "vllm", $"""
            echo "$@" >> {folder}/arguments
            while [ $# -gt 0 ]; do [ "$1" = --port ] && port=$2; shift; done
            exec {Host} serve $port
            """);
        return [("PATH", $"{folder}/bin:{Environment.GetEnvironmentVariable("PATH")}")];
    }

    private static void Program(string folder, string name, string script)
    {
        Directory.CreateDirectory(Path.Combine(folder, "bin"));
        var path = Path.Combine(folder, "bin", name);
        File.WriteAllText(path, $"#!/bin/sh\n{script}\n");
        if (OperatingSystem.IsLinux()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }
}
