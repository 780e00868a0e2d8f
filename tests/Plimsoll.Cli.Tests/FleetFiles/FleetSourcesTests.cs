using System.Collections.Immutable;
using Plimsoll.Artifacts;
using Plimsoll.Artifacts.Tests;
using Plimsoll.Caching;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.EndToEnd.Tests;

namespace Plimsoll.Cli.Tests.FleetFiles;

/// <summary>Tests that run alone, as they set variables of this process.</summary>
[CollectionDefinition(nameof(ProcessEnvironment), DisableParallelization = true)]
public sealed class ProcessEnvironment;

/// <summary>What a fleet file's sources are, weigh and are served by.</summary>
[Collection(nameof(ProcessEnvironment))]
public sealed class FleetSourcesTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-sources-").FullName;
    private readonly Dictionary<string, string?> _before = [];
    private FolderStores _stores = null!;

    public async ValueTask InitializeAsync()
    {
        _stores = await FolderStores.StartAsync(_folder);
        foreach (var (name, value) in _stores.Environment) Set(name, value);
        foreach (var (name, _) in FolderStores.Keys) Set(name, null);
        Set("PLIMSOLL_PVC_ROOT", Path.Combine(_folder, "claims"));
        Set("PATH", $"{Path.Combine(_folder, "bin")}:{Environment.GetEnvironmentVariable("PATH")}");
        Directory.CreateDirectory(Path.Combine(_folder, "bin"));
        foreach (var name in new[] { "vllm", "llama-server", "model-server" })
        {
            var path = Path.Combine(_folder, "bin", name);
            File.WriteAllText(path, "#!/bin/sh\n");
            if (OperatingSystem.IsLinux()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        }

        Set("PLIMSOLL_MODEL_SERVER", Path.Combine(_folder, "bin", "model-server"));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (name, value) in _before) Environment.SetEnvironmentVariable(name, value);
        await _stores.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("source: org/llama", "vllm", "org/llama", null)]
    [InlineData("source: org/graph", "Plimsoll.ModelServer", "org/graph/model.onnx", null)]
    [InlineData("source: org/graph, cache: true", "Plimsoll.ModelServer", null, "file model.onnx")]
    [InlineData("source: org/quantised", "llama-server", "org/quantised/m-Q8_0.gguf", null)]
    [InlineData("source: 'hf://org/llama'", "vllm", null, "folder config.json model.safetensors")]
    [InlineData("source: 'hf://org/graph'", "Plimsoll.ModelServer", null, "first model.onnx")]
    [InlineData("source: 'hf://org/graph/model.onnx'", "Plimsoll.ModelServer", null, "file model.onnx")]
    [InlineData("source: 's3://org/llama'", "vllm", null, "folder config.json model.safetensors")]
    [InlineData("source: 's3://org/quantised/'", "llama-server", null, "first m-Q8_0.gguf")]
    [InlineData("source: 's3://org/quantised/m-Q8_0.gguf'", "llama-server", null, "file m-Q8_0.gguf")]
    [InlineData("source: 'gs://org/llama'", "vllm", null, "folder config.json model.safetensors")]
    [InlineData("source: 'gs://org/quantised/'", "llama-server", null, "first m-Q8_0.gguf")]
    [InlineData("source: 'gs://org/graph/model.onnx'", "Plimsoll.ModelServer", null, "file model.onnx")]
    [InlineData("source: 'file://FOLDER/org/graph'", "Plimsoll.ModelServer", "org/graph/model.onnx", null)]
    [InlineData("source: 's3://org/bare/graph'", "Plimsoll.ModelServer", null, "file graph")]
    [InlineData("source: 'pvc://claim/graph'", "Plimsoll.ModelServer", null, "first model.onnx")]
    [InlineData("source: org/llama, server: llama-server", "llama-server", "org/llama", null)]
    public async Task A_source_is_served_by_what_its_header_says_it_is(string fields, string server, string? path, string? fetched)
    {
        await WriteModelsAsync();

        var (definition, problems) = Resolve($"- {{name: m, {fields.Replace("FOLDER", _folder, StringComparison.Ordinal)}}}");

        Assert.Equal([], problems);
        var (launch, spec) = (definition!.Launches.Values.Single(), definition.Spec.Models.Single());
        Assert.Equal(server == "Plimsoll.ModelServer" ? "model-server" : server, Path.GetFileName(launch.Command[0]));
        Assert.Equal(path is null ? null : Path.Combine(_folder, path), launch.ModelPath);
        Assert.Equal(fetched, definition.Fetches.Values.SingleOrDefault() is { } fetch ? Text(fetch) : null);
        Assert.Equal(FootprintSource.Header, spec.Footprint.Source);
        Assert.True(spec.Footprint.Weights > Bytes.Zero);
        Assert.Equal(path is null, spec.Cached);
    }

    [Fact]
    public async Task What_may_sleep_is_started_so_that_it_can_and_charged_for_its_weights_on_the_host()
    {
        await WriteModelsAsync();

        var (definition, problems) = Resolve(
            """
            - {name: a, source: org/llama, sleep: true, env: {HF_HUB_OFFLINE: "1"}}
            - {name: b, source: org/llama, gpus: 1, command: [sh, "{port}"], sleepPath: '/nap?deep=1', wakePath: /up}
            - {name: c, source: org/llama}
            """);

        Assert.Equal([], problems);
        var (vllm, own) = (definition!.Launches[ModelId.Of("a")], definition.Launches[ModelId.Of("b")]);
        Assert.Contains("--enable-sleep-mode", vllm.Command);
        Assert.Equal(["HF_HUB_OFFLINE=1", "VLLM_SERVER_DEV_MODE=1"], vllm.Environment.Select(pair => $"{pair.Key}={pair.Value}"));
        Assert.Equal(("/sleep?level=1", "/wake_up"), (vllm.SleepPath, vllm.WakePath));
        Assert.Equal(("/nap?deep=1", "/up"), (own.SleepPath, own.WakePath));
        var needs = definition.Spec.Models.Select(model => model.Variants.Single().Needs).ToList();
        Assert.All(needs[..2], one => Assert.Equal(one.Host.Steady + definition.Spec.Models[0].Footprint.Weights, one.Asleep!.Host));
        Assert.Null(needs[2].Asleep);
        Assert.DoesNotContain("--enable-sleep-mode", definition.Launches[ModelId.Of("c")].Command);
    }

    [Theory]
    [InlineData("source: org/graph, sleep: true", "models[0].sleep: Plimsoll.ModelServer cannot sleep; leave it out")]
    [InlineData("source: org/llama, sleepPath: /sleep, wakePath: /wake", "models[0].sleepPath: it is for a command of your own; sleep: true would do for vllm")]
    [InlineData("source: org/llama, gpus: 1, command: [sh, '{port}'], sleepPath: /sleep", "models[0].wakePath: missing, and sleepPath is given; both would do")]
    [InlineData("source: org/llama, gpus: 1, command: [sh, '{port}'], wakePath: /wake", "models[0].sleepPath: missing, and wakePath is given; both would do")]
    [InlineData("source: org/llama, gpus: 1, command: [sh, '{port}'], sleep: true", "models[0].sleep: a command of your own is given; sleepPath and wakePath say how it sleeps")]
    [InlineData("source: org/llama, command: [sh, '{port}'], sleepPath: /sleep, wakePath: /wake", "models[0].gpus: the model may sleep and takes no GPU, whose memory that would give back; gpus: 1 would do")]
    public async Task What_cannot_sleep_is_said(string fields, string problem)
    {
        await WriteModelsAsync();

        Assert.Equal(problem, Resolve($"- {{name: m, {fields}}}").Problems.First(one => one.StartsWith(problem[..12], StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Weights_are_stated_for_what_no_header_tells_and_only_then()
    {
        await WriteModelsAsync();
        File.WriteAllBytes(Path.Combine(_folder, "org", "blob.xyz"), new byte[1000]);

        var (definition, problems) = Resolve(
            """
            - {name: a, source: org/blob.xyz, weights: 250MB, command: [sh, "{port}"]}
            - {name: b, source: 's3://org/blob.xyz', weights: 250MB, command: [sh, "{port}"]}
            - {name: c, source: org/llama, weights: 250MB}
            """);

        Assert.Equal([], problems);
        Assert.Equal(
            [(FootprintSource.Declared, 250_000_000L), (FootprintSource.Declared, 250_000_000L), (FootprintSource.Header, 213_632L)],
            definition!.Spec.Models.Select(model => (model.Footprint.Source, model.Footprint.Weights.Value)));
        Assert.All(definition.Spec.Models[..2], model => Assert.Equal(1000, model.Footprint.OnDisk.Value));
        Assert.Equal(["models[0].weights: missing; no header of this source tells what it weighs, a size such as 250MB would do"],
            Resolve("- {name: a, source: org/blob.xyz, command: [sh, \"{port}\"]}").Problems);
    }

    [Theory]
    [InlineData("source: org/config", "models[0].source: FOLDER/org/config holds a configuration and no weights, so there is nothing to serve; a folder that holds both would do")]
    [InlineData("source: 'hf://org/config'", "models[0].source: hf://org/config holds a configuration and no weights, so there is nothing to serve; a folder that holds both would do")]
    [InlineData("source: org/config, weights: 1GB", "models[0].source: FOLDER/org/config holds a configuration and no weights")]
    [InlineData("source: org/adapter", "models[0].source: found a low-rank adapter without its base model, which no server known here serves by itself; a command of your own would do")]
    [InlineData("source: org/adapter, server: vllm", "models[0].source: found a low-rank adapter without its base model")]
    [InlineData("source: org/pipeline", "models[0].source: found a diffusion pipeline, which no server known here serves by itself")]
    [InlineData("source: org/blob.xyz, weights: 1MB", "models[0].source: found a format that is not known, which no server known here serves by itself")]
    [InlineData("source: 'hf://org/llama', sha256: HASH", "models[0].sha256: the source is a folder of several files; dataSha256 checks each by its name")]
    [InlineData("source: org/graph, memoryFraction: 0.5", "models[0].memoryFraction: Plimsoll.ModelServer takes no share of a GPU's memory; leave it out")]
    [InlineData("source: org/graph, concurrency: 5000", "models[0].concurrency: found 5000, and the model server runs at most 4096 requests in one batch; so many or fewer would do")]
    [InlineData("source: org/graph, profile: [{batch: 1, latency: 8ms}, {batch: 5000, latency: 4s}]", "models[0].profile: found 5000, and the model server runs at most 4096 requests in one batch")]
    [InlineData("source: org/graph, context: 512", "models[0].context: the model server keeps no context; leave it out")]
    [InlineData("source: org/graph, context: 512, command: [sh, '{port}']", "models[0].context: a command of your own is given, which takes it as an argument; leave it out here")]
    [InlineData("source: 'pvc://other/graph'", "models[0].source: pvc://other/graph does not exist: there is no ")]
    public async Task What_cannot_be_served_is_one_sentence_of_its_field(string fields, string problem)
    {
        await WriteModelsAsync();
        foreach (var name in new[] { "config", "adapter", "pipeline/unet" }) Directory.CreateDirectory(Path.Combine(_folder, "org", name));
        File.Copy(Path.Combine(_folder, "org/llama/config.json"), Path.Combine(_folder, "org/config/config.json"));
        File.WriteAllText(Path.Combine(_folder, "org/adapter/adapter_config.json"), """{"peft_type":"LORA","r":8,"base_model_name_or_path":"org/base"}""");
        File.WriteAllBytes(Path.Combine(_folder, "org/adapter/adapter_model.safetensors"), SafetensorsBytes.File(("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "BF16", [8, 64], 1024)));
        File.WriteAllText(Path.Combine(_folder, "org/pipeline/model_index.json"), """{"_class_name":"StableDiffusionPipeline","unet":["diffusers","UNet2DConditionModel"]}""");
        File.WriteAllText(Path.Combine(_folder, "org/pipeline/unet/config.json"), """{"_class_name":"UNet2DConditionModel"}""");
        File.WriteAllBytes(Path.Combine(_folder, "org/pipeline/unet/diffusion_pytorch_model.safetensors"), SafetensorsBytes.File(("conv_in.weight", "F32", [8, 8], 256)));
        File.WriteAllBytes(Path.Combine(_folder, "org", "blob.xyz"), new byte[1000]);

        var (definition, problems) = Resolve($"- {{name: m, {fields.Replace("HASH", new string('0', 64), StringComparison.Ordinal)}}}");

        Assert.Null(definition);
        Assert.StartsWith(problem.Replace("FOLDER", _folder, StringComparison.Ordinal), Assert.Single(problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_private_model_names_the_variable_that_lets_it_in()
    {
        await WriteModelsAsync();
        _stores.IsPrivate = true;

        Assert.Equal(
            ["models[0].source: hf://org/llama answered 401 Unauthorized: there is no such model, or it is private and HF_TOKEN should be set to a token that may read it."],
            Resolve("- {name: m, source: 'hf://org/llama'}").Problems);
        Assert.StartsWith("models[0].source: s3://org/llama answered 403 Forbidden: it was asked for without keys; set AWS_ACCESS_KEY_ID",
            Assert.Single(Resolve("- {name: m, source: 's3://org/llama'}").Problems), StringComparison.Ordinal);
        foreach (var (name, value) in FolderStores.Keys) Set(name, value);
        Assert.Equal([], Resolve("- {name: m, source: 'hf://org/llama'}\n- {name: n, source: 's3://org/llama'}").Problems);
    }

    [Theory]
    [InlineData("hf://org/llama")]
    [InlineData("s3://org/llama")]
    [InlineData("s3://org/graph/model.onnx")]
    [InlineData("gs://org/llama")]
    [InlineData("pvc://claim/graph")]
    public async Task A_model_whose_store_is_away_is_as_it_was_last_weighed(string source)
    {
        await WriteModelsAsync();
        var yaml = $"- {{name: m, source: '{source}'}}";
        var before = Resolve(yaml).Definition!;
        await _stores.DisposeAsync();
        Directory.Move(Path.Combine(_folder, "claims"), Path.Combine(_folder, "unmounted"));

        Assert.Single(Resolve(yaml).Problems);
        var (after, problems) = Resolve(yaml, _ => before.Spec.Models[0]);

        Assert.Equal([], problems);
        Assert.Equal(before.Spec.Models[0].Version, after!.Spec.Models[0].Version);
        Assert.Equal(before.Launches.Values.Single().Command, after.Launches.Values.Single().Command);
        Assert.Empty(after.Fetches);
        Assert.StartsWith("model 'm' is served from the model cache as last weighed: ", Assert.Single(after.Notes), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("source: org/seeing", "m.gguf mmproj-f16.gguf")]
    [InlineData("source: 'hf://org/seeing'", "m.gguf mmproj-f16.gguf")]
    [InlineData("source: org/seeing/m.gguf", "m.gguf mmproj-f16.gguf")]
    [InlineData("source: org/seeing/m.gguf, cache: true", "m.gguf mmproj-f16.gguf")]
    [InlineData("source: 'hf://org/seeing/m.gguf'", "m.gguf")]
    public void Llama_server_is_given_the_projector_that_lies_beside_its_model(string fields, string files)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "org", "seeing"));
        using var model = new GgufBytes().Text("general.architecture", "llama").Tensor("token_embd.weight", 1, 512, 256, 1);
        using var projector = new GgufBytes().Text("general.architecture", "clip").Tensor("v.patch_embd.weight", 1, 512, 256, 1);
        File.WriteAllBytes(Path.Combine(_folder, "org/seeing/m.gguf"), model.File());
        File.WriteAllBytes(Path.Combine(_folder, "org/seeing/mmproj-f16.gguf"), projector.File());

        var (definition, problems) = Resolve($"- {{name: m, {fields}}}");

        Assert.Equal([], problems);
        var command = string.Join(' ', definition!.Launches.Values.Single().Command);
        Assert.Equal(files != "m.gguf", command.EndsWith("--mmproj {folder}/mmproj-f16.gguf", StringComparison.Ordinal));
        if (definition.Fetches.Values.SingleOrDefault() is { } fetch) Assert.Equal(files, string.Join(' ', fetch.Files.Select(file => file.Name)));
    }

    [Fact]
    public async Task Vllm_on_a_known_device_is_charged_its_share_and_what_lies_outside_it()
    {
        await WriteModelsAsync();

        var (definition, problems) = Resolve("- {name: m, source: org/llama, device: h100, gpus: 2, context: 1024, memoryFraction: 0.5}\n- {name: n, source: org/llama, device: h100-80gb, gpus: 2}");

        Assert.Equal([], problems);
        var (half, whole) = (definition!.Spec.Models[0].Variants[0], definition.Spec.Models[1].Variants[0]);
        // 0.9 × 79.19 GiB, and outside 2.01 GiB of context for ranks and 0.615 + 2 × 0.0088 GiB of graphs.
        Assert.Equal(76_526_653_537 + 2_837_470_144, whole.Needs.PerDevice!.Steady.Value, 2.0);
        Assert.Equal(42_514_807_521 + 2_837_470_144, half.Needs.PerDevice!.LoadPeak.Value, 2.0);
        Assert.Equal((2, "h100-80gb", 2), (half.Needs.Devices, half.DeviceKind, half.TensorParallel));
        // 3 GiB for each rank, 2 GiB for the front.
        Assert.Equal(Bytes.GiB(8), half.Needs.Host.Steady);
        var command = string.Join(' ', definition.Launches[ModelId.Of("m")].Command);
        Assert.Contains("--tensor-parallel-size 2 --max-model-len 1024 --gpu-memory-utilization 0.5", command, StringComparison.Ordinal);
        Assert.DoesNotContain("--max-model-len", string.Join(' ', definition.Launches[ModelId.Of("n")].Command), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_generating_model_on_a_known_device_has_a_pace_that_goes_by_its_objective_and_lengths()
    {
        await WriteModelsAsync();

        var (definition, problems) = Resolve(
            "- {name: a, source: org/llama, device: h100, context: 1024, slo: {ttft: 1s, tpot: 50ms, latency: 20s}}\n"
            + "- {name: b, source: org/llama, device: h100, context: 1024, slo: {ttft: 1s, tpot: 50ms, latency: 20s}, tokens: {input: 100, output: 20}}\n"
            + "- {name: c, source: org/llama, device: h100, context: 1024, slo: {tpot: 50ms}}\n- {name: d, source: org/llama}");

        Assert.Equal([], problems);
        var models = definition!.Spec.Models;
        var (usual, brief) = (models[0].Variants[0].Service!, models[1].Variants[0].Service!);
        Assert.Equal([LatencyMetric.Ttft, LatencyMetric.Tpot, LatencyMetric.EndToEnd], usual.Terms.Select(term => term.Metric));
        Assert.Equal((100.0, 20.0), (Math.Round(brief.PromptTokens), Math.Round(brief.AnswerTokens)));
        Assert.True(brief.MostPerSecond > 2 * usual.MostPerSecond, $"{brief.MostPerSecond} of short requests, {usual.MostPerSecond} of longer ones");
        Assert.Equal((TimeSpan.FromHours(1), TimeSpan.FromMilliseconds(50)), (models[2].Slo.Latency, models[2].Slo.TimePerOutputToken));

        // On any device there is nothing to predict from; and nobody waits two seconds for a whole answer.
        Assert.Null(models[3].Variants[0].Service);
        Assert.Equal(TimeSpan.FromMinutes(1), models[3].Slo.Latency);
    }

    [Fact]
    public void A_model_that_does_not_fit_its_device_is_one_problem_with_numbers_and_the_nearest_change()
    {
        LlamaFolder.WriteLarge(Path.Combine(_folder, "org", "large"));

        var (definition, problems) = Resolve("- {name: m, source: org/large, device: t4-16gb, context: 2048}");

        Assert.Null(definition);
        Assert.Matches(@"^models\[0\]\.device: 1 × t4-16gb with vllm: the device needs 1[5-9]\.\d+ GiB of 1\d\.\d+ GiB: the weights alone go over, \d\.\d+ GiB too much; it would with ", Assert.Single(problems));
    }

    [Fact]
    public async Task Llama_server_on_the_processor_is_charged_the_cache_it_reserves()
    {
        await WriteModelsAsync();

        var (definition, problems) = Resolve("- {name: m, source: org/quantised, context: 2000, concurrency: 4}\n- {name: n, source: org/quantised}");

        Assert.Equal([], problems);
        var (stated, own) = (definition!.Spec.Models[0].Variants[0].Needs.Host, definition.Spec.Models[1].Variants[0].Needs.Host);
        // 2 layers × 2 heads × (64 + 64) × 2 bytes are 1,024 bytes a token: for 4 slots of 2,000, or the model's own 4,096 once.
        Assert.Equal((8000 - 4096) * 1024, (stated.Steady - own.Steady).Value);
        Assert.Equal((8000 - 4096) * 1024, (stated.LoadPeak - own.LoadPeak).Value);
        // 200 MiB, the weights' 512 + 1,024 bytes times 1.15, and 4,096 × 1,024.
        Assert.Equal(209_715_200 + 1767 + 4_194_304, own.Steady.Value);
        Assert.Contains("--parallel 4 --n-gpu-layers 0 --ctx-size 8000", string.Join(' ', definition.Launches[ModelId.Of("m")].Command), StringComparison.Ordinal);
        Assert.EndsWith("--ctx-size 0", string.Join(' ', definition.Launches[ModelId.Of("n")].Command), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_model_server_takes_every_body_that_the_gateway_passes_on_and_batches_that_it_is_told()
    {
        await WriteModelsAsync();

        var (definition, problems) = Resolve("- {name: m, source: org/graph, concurrency: 4096}");

        Assert.Equal([], problems);
        // 256 MiB, docs/gateway.md.
        Assert.Contains("--max-batch 4096 --max-body 268435456 ", string.Join(' ', definition!.Launches.Values.Single().Command), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 256, 128, 1024)]
    [InlineData("gateway: {queue: {bytes: 2GiB}}", 2048, 2048, 2048)]
    [InlineData("gateway: {queue: {bytes: 10MiB}}", 10, 10, 1024)]
    public async Task Bytes_stated_for_the_queue_may_be_used_by_one_model(string yaml, long overallMiB, long perModelMiB, long keptMiB)
    {
        await WriteModelsAsync();
        var options = Resolve("- {name: m, source: org/llama}\n" + yaml).Definition!.Gateway;

        Assert.Equal((Bytes.MiB(overallMiB), Bytes.MiB(perModelMiB), Bytes.MiB(keptMiB)), (options.HeldBytes, options.HeldBytesPerModel, options.BufferedBodies));
    }

    [Fact]
    public async Task A_profile_is_planned_by_and_says_the_model_servers_largest_batch()
    {
        await WriteModelsAsync();
        var definition = Resolve("- name: g\n  source: org/bare/graph\n  format: onnx\n  slo: {latency: 100ms, attainment: 0.95}\n  profile: [{batch: 1, latency: 8ms}, {batch: 16, latency: 40ms}]").Definition!;
        var variant = Assert.Single(definition.Spec.Models[0].Variants);
        Assert.Equal(32, variant.Concurrency);
        Assert.True(variant.Service is { Profiled: true });
        Assert.InRange(variant.Service.CapacityPerSecond(1, 0, 0), 200, 400);
        Assert.Contains("--max-batch 16 ", string.Join(' ', definition.Launches[ModelId.Of("g")].Command) + " ", StringComparison.Ordinal);
    }

    private async Task WriteModelsAsync()
    {
        var org = Path.Combine(_folder, "org");
        LlamaFolder.WriteSmall(Path.Combine(org, "llama"));
        var graph = await SampleModels.EnsureAsync(Path.Combine(org, "graph"), "model", 1_000_000, cancel: TestContext.Current.CancellationToken);
        // As exported models lie on the hub: a configuration beside the graph.
        File.Copy(Path.Combine(org, "llama", "config.json"), Path.Combine(org, "graph", "config.json"));
        foreach (var name in new[] { "bare", "quantised", "../claims/claim/graph" }) Directory.CreateDirectory(Path.Combine(org, name));
        File.Copy(graph.Path, Path.Combine(org, "bare", "graph"));
        File.Copy(graph.Path, Path.Combine(_folder, "claims/claim/graph/model.onnx"));
        using var gguf = new GgufBytes().Text("general.architecture", "llama").UInt32("llama.block_count", 2).UInt32("llama.embedding_length", 256)
            .UInt32("llama.feed_forward_length", 512).UInt32("llama.attention.head_count", 4).UInt32("llama.attention.head_count_kv", 2)
            .UInt32("llama.context_length", 4096).Tensor("token_embd.weight", 1, 512, 256, 1).Tensor("output_norm.weight", 0, 1024, 256);
        File.WriteAllBytes(Path.Combine(org, "quantised", "m-Q8_0.gguf"), gguf.File());
    }

    private (FleetDefinition? Definition, ImmutableArray<string> Problems) Resolve(string models, Func<ModelId, ModelSpec?>? cached = null)
    {
        var path = Path.Combine(_folder, "fleet.yaml");
        File.WriteAllText(path, "models:\n" + models + "\n");
        var file = FleetFile.Read(path);
        var definition = new FleetResolver(file, TimeProvider.System, cached).Resolve(TestContext.Current.CancellationToken);
        // The place in the file is told of elsewhere.
        return (definition, [.. file.Problems.Lines().Select(line => line[line.IndexOf("models[", StringComparison.Ordinal)..])]);
    }

    private static string Text(FetchSpec fetch) =>
        $"{(fetch.ServesFirstFile ? "first" : fetch.IsFolder ? "folder" : "file")} {string.Join(' ', fetch.Files.Select(file => file.Name))}";

    private void Set(string name, string? value)
    {
        _before.TryAdd(name, Environment.GetEnvironmentVariable(name));
        Environment.SetEnvironmentVariable(name, value);
    }
}
