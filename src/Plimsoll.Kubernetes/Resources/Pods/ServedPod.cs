using System.Globalization;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>Reads one pod into a <see cref="ServedModel"/>.</summary>
internal sealed class ServedPod(V1PodSpec pod, IReadOnlyDictionary<string, string> annotations, int podsPerReplica, V1PodSpec? worker)
{
    private const int RanksMax = 4096;

    private readonly List<string> _notes = [];
    private ServerCommand _server = null!;

    private ServerArguments Arguments => _server.Arguments;

    public ServedModel Read()
    {
        var requests = PodRequests.Of(pod);
        var workers = podsPerReplica > 1 ? PodRequests.Of(worker ?? pod) : null;
        if (Serving() is not { } server)
            return new ServedModel { Container = "", Requests = requests, Notes = ["the pod has no container"] };
        _server = server;
        var resource = requests.Devices.Keys.FirstOrDefault() ?? workers?.Devices.Keys.FirstOrDefault();
        var devices = resource is null ? 0
            : requests.Devices.GetValueOrDefault(resource) + (podsPerReplica - 1L) * (workers?.Devices.GetValueOrDefault(resource) ?? 0);
        var model = Parallelism(new ServedModel
        {
            Container = server.Command.Container.Name ?? "",
            Server = server.Server,
            Engine = EngineOf(server),
            Source = Source(),
            ServedName = Arguments.Text("--served-model-name", "--model-name", "--alias", "-a"),
            Requests = requests,
            WorkerRequests = workers,
            PodsPerReplica = Math.Max(podsPerReplica, 1),
            DeviceResource = resource,
            Devices = devices,
        });
        model = Ports(Limits(model));
        Look(model, requests);
        return model with { Notes = [.. _notes] };
    }

    // The one that runs a known server with devices, else a known server, else what has devices, else the first.
    private ServerCommand? Serving()
    {
        var commands = (pod.Containers ?? []).Where(container => container is not null).Take(32).Select(ServerCommand.Of).ToList();
        return commands.OrderByDescending(command => (command.Server is not null ? 2 : 0) + (PodRequests.DevicesOf(command.Command.Container) > 0 ? 1 : 0)).FirstOrDefault();
    }

    private string? Source()
    {
        var location = new ModelLocation(pod, _server.Command.Container, annotations, _notes);
        var revision = Arguments.Text("--revision", "--model-revision") ?? Variable("REVISION", ServerNames.Tgi);
        if (_server.Command.Variable("VLLM_USE_MODELSCOPE") is "True" or "true" or "1" || _server.Command.Variable("SGLANG_USE_MODELSCOPE") is "True" or "true" or "1")
        {
            _notes.Add("the model comes from ModelScope, which is not read; spec.source would say where else it is");
            return null;
        }

        if (_server.Server == ServerNames.LlamaServer && HubRepository() is { } repository) return Gguf(repository, location);
        if (Model() is { } model) return location.Of(model, revision);
        if (_server.Command.Variable("STORAGE_URI") is { } stored) return location.Address(stored, revision);
        _notes.Add(_server.Server is { } name
            ? $"{name} is started without a model's name; spec.source would say where it is"
            : $"the container {Shown.Text(_server.Command.Container.Name ?? "")} runs no server that is known; spec.source and spec.metrics would say what it serves and where it tells of it");
        return null;
    }

    private string? Model() => _server.Server switch
    {
        ServerNames.Vllm when _server.KServe => Arguments.Text("--model-id") ?? Arguments.Text("--model-dir") ?? ModelLocation.KServeFolder,
        ServerNames.Vllm => Arguments.Text("--model") ?? Arguments.Positional.FirstOrDefault(),
        ServerNames.SgLang => Arguments.Text("--model-path", "--model") ?? Arguments.Positional.FirstOrDefault(),
        ServerNames.Tgi => Arguments.Text("--model-id") ?? _server.Command.Variable("MODEL_ID") ?? _server.Command.Variable("HF_MODEL_ID"),
        ServerNames.Triton => Arguments.Text("--model-repository", "--model-store"),
        ServerNames.LlamaServer => Arguments.Text("-m", "--model", "-mu", "--model-url") ?? _server.Command.Variable("LLAMA_ARG_MODEL") ?? _server.Command.Variable("LLAMA_ARG_MODEL_URL"),
        ServerNames.Plimsoll => Arguments.Text("--model"),
        _ => Arguments.Text("--model", "--model-path", "--model-id", "--model-name-or-path") ?? _server.Command.Variable("MODEL_ID"),
    };

    private string? HubRepository() => Arguments.Text("-hf", "-hfr", "--hf-repo") ?? _server.Command.Variable("LLAMA_ARG_HF_REPO");

    // "org/name:Q4_K_M": the server looks for the file itself, so only a stated one is known.
    private string? Gguf(string repository, ModelLocation location)
    {
        var colon = repository.IndexOf(':', StringComparison.Ordinal);
        var name = colon < 0 ? repository : repository[..colon];
        var address = location.Of(name, null);
        if (address is null || (Arguments.Text("-hff", "--hf-file") ?? _server.Command.Variable("LLAMA_ARG_HF_FILE")) is not { } file)
        {
            if (address is not null)
                _notes.Add($"{address} may hold several files, and llama-server takes {Shown.Text(colon < 0 ? "Q4_K_M" : repository[(colon + 1)..])}; spec.source with {address}/FILE.gguf would say which");
            return address;
        }

        return location.Address($"{address}/{file}", null);
    }

    private ServedModel Parallelism(ServedModel model)
    {
        var tensor = Ranks("--tensor-parallel-size", "-tp", "--tp-size", "--tp");
        var pipeline = Ranks("--pipeline-parallel-size", "-pp", "--pp-size", "--pp") ?? 1;
        var data = Ranks("--data-parallel-size", "-dp", "--dp-size", "--dp") ?? 1;
        var perPod = (int)Math.Clamp(model.Devices / model.PodsPerReplica, 1, RanksMax);
        switch (model.Server)
        {
            case ServerNames.Vllm:
                // Of data-parallel ranks in pods of their own, which are no group, a pod is one, or as many as are local to it.
                if (model.PodsPerReplica == 1)
                    data = Arguments.Text("--data-parallel-rank", "-dpn") is not null ? 1 : Ranks("--data-parallel-size-local", "-dpl") ?? data;
                var ranks = (tensor ?? 1) * data;
                return model with
                {
                    TensorParallel = tensor ?? 1,
                    PipelineParallel = pipeline,
                    DataParallel = data,
                    ExpertParallel = Arguments.Has("--enable-expert-parallel") || Arguments.Has("-ep") ? Math.Min(ranks, RanksMax) : 1,
                };
            case ServerNames.SgLang:
                // SGLang's data-parallel attention shares the ranks of one copy instead of adding some.
                var grouped = Arguments.Has("--enable-dp-attention");
                return model with
                {
                    TensorParallel = tensor ?? 1,
                    PipelineParallel = pipeline,
                    DataParallel = grouped ? 1 : data,
                    AttentionGroups = grouped ? data : 1,
                    ExpertParallel = Ranks("--ep-size", "--expert-parallel-size", "--ep") ?? 1,
                };
            case ServerNames.Tgi:
                var sharded = (Arguments.Text("--sharded") ?? _server.Command.Variable("SHARDED")) is not ("false" or "False");
                var stated = Ranks("--num-shard") ?? Count(_server.Command.Variable("NUM_SHARD"));
                return model with { TensorParallel = sharded ? stated ?? perPod : 1 };
            case ServerNames.LlamaServer:
                var alone = (Arguments.Text("-sm", "--split-mode") ?? _server.Command.Variable("LLAMA_ARG_SPLIT_MODE")) is "none";
                return model with { TensorParallel = alone ? 1 : perPod };
            default:
                return model;
        }
    }

    private ServedModel Limits(ServedModel model)
    {
        var capitals = model.Server != ServerNames.SgLang;
        var parallel = Arguments.Text("-np", "--parallel") ?? Variable("LLAMA_ARG_N_PARALLEL", ServerNames.LlamaServer);
        var sequences = Arguments.Text("--max-num-seqs", "--max-running-requests", "--max-concurrent-requests", "--max-batch") ?? parallel
            ?? Variable("MAX_CONCURRENT_REQUESTS", ServerNames.Tgi);
        var context = ServerArguments.Number(Arguments.Text("--max-model-len", "--context-length", "--max-total-tokens", "--max-length", "-c", "--ctx-size")
            ?? Variable("MAX_TOTAL_TOKENS", ServerNames.Tgi) ?? Variable("LLAMA_ARG_CTX_SIZE", ServerNames.LlamaServer), capitals);
        // llama-server shares its context out among the slots.
        if (model.Server == ServerNames.LlamaServer && Count(parallel) is > 1 and var slots) context = Math.Max(context / slots ?? 0, 0) is > 0 and var each ? each : null;
        var quantization = Arguments.Text("--quantization", "-q", "--quantize") ?? Variable("QUANTIZE", ServerNames.Tgi);
        return model with
        {
            Context = context,
            MaxSequences = Count(sequences),
            MaxBatchedTokens = Tokens(Arguments.Text("--max-num-batched-tokens", "--chunked-prefill-size", "--max-batch-prefill-tokens"), capitals),
            MemoryFraction = Share(Arguments.Text("--gpu-memory-utilization", "--mem-fraction-static", "--cuda-memory-fraction") ?? Variable("CUDA_MEMORY_FRACTION", ServerNames.Tgi)),
            Dtype = (Arguments.Text("--dtype") ?? Variable("DTYPE", ServerNames.Tgi)) switch
            {
                "half" or "float16" or "fp16" => "float16",
                "bfloat16" or "bf16" => "bfloat16",
                "float" or "float32" => "float32",
                _ => "auto",
            },
            Quantization = quantization is null or "None" or "none" ? null : Shown.Text(quantization),
            KvDtype = Shown.Text(Arguments.Text("--kv-cache-dtype", "-ctk", "--cache-type-k") ?? Variable("KV_CACHE_DTYPE", ServerNames.Tgi) ?? Variable("LLAMA_ARG_CACHE_TYPE_K", ServerNames.LlamaServer) ?? "auto"),
            Graphs = !Arguments.Has("--enforce-eager") && !Arguments.Has("--disable-cuda-graph"),
        };
    }

    private ServedModel Ports(ServedModel model)
    {
        var usual = model.Server switch
        {
            ServerNames.Vllm => _server.KServe ? 8080 : 8000,
            ServerNames.SgLang => 30_000,
            // The image sets PORT; the program's own default is 3000.
            ServerNames.Tgi => 80,
            ServerNames.Triton => 8000,
            ServerNames.LlamaServer => 8080,
            _ => (int?)null,
        };
        var stated = Port(Arguments.Text("--port", "-p", "--http-port") ?? Variable("PORT", ServerNames.Tgi) ?? Variable("LLAMA_ARG_PORT", ServerNames.LlamaServer));
        var declared = (_server.Command.Container.Ports ?? []).FirstOrDefault(port => port is not null)?.ContainerPort;
        var port = stated ?? usual ?? declared;
        var metrics = model.Server == ServerNames.Triton ? Port(Arguments.Text("--metrics-port")) ?? 8002
            : model.Server is null ? Port(annotations.GetValueOrDefault("prometheus.io/port"))
                ?? (_server.Command.Container.Ports ?? []).FirstOrDefault(one => one?.Name == "metrics")?.ContainerPort ?? port
            : port;
        return model with
        {
            Port = port,
            MetricsPort = metrics,
            MetricsPath = model.Server is null && annotations.GetValueOrDefault("prometheus.io/path") is { } path && path.StartsWith('/') && path.Length <= 256 ? path : "/metrics",
            Tls = Arguments.Text("--ssl-certfile", "--ssl-cert-file") is not null,
        };
    }

    /// <summary>What does not go together, or keeps something from being seen.</summary>
    private void Look(ServedModel model, PodRequests requests)
    {
        var ranks = (long)model.TensorParallel * model.PipelineParallel * model.DataParallel;
        if (model.Devices > 0 && model.Server is ServerNames.Vllm or ServerNames.SgLang or ServerNames.Tgi && ranks != model.Devices)
            _notes.Add($"the server is split over {ranks} devices, and the {(model.PodsPerReplica > 1 ? "group asks" : "pod asks")} for {model.Devices}; the two should be equal");
        if (requests.Devices.Count > 1) _notes.Add($"the pod asks for several kinds of device, {string.Join(" and ", requests.Devices.Keys.Select(key => Shown.Text(key)))}; only {model.DeviceResource} is planned with");
        if (_server.Command.Container.Resources?.Claims is { Count: > 0 })
            _notes.Add("the container's devices are claimed (resourceClaims), so their number is not in the pod's spec; spec.variants with a device would say their kind");
        if (Arguments.Text("--config") is not null)
            _notes.Add("the server reads more options from a file (--config), which is not seen here");
        if (model.Server == ServerNames.SgLang && !Arguments.Has("--enable-metrics"))
            _notes.Add("SGLang tells nothing of its work without --enable-metrics");
        if (model.Server == ServerNames.LlamaServer && !Arguments.Has("--metrics") && _server.Command.Variable("LLAMA_ARG_ENDPOINT_METRICS") is null or "0")
            _notes.Add("llama-server tells nothing of its work without --metrics");
        if (model.Server == ServerNames.Triton && Arguments.Text("--allow-metrics") is "false" or "False" or "0")
            _notes.Add("Triton tells nothing of its work with --allow-metrics=false");
    }

    private static ServingEngine? EngineOf(ServerCommand server)
    {
        if (server.Server is not { } name) return null;
        var version = server.Server is ServerNames.Vllm or ServerNames.SgLang or ServerNames.Tgi && !server.KServe ? VersionOf(server.Command.Container.Image) : null;
        return ServingEngine.TryParse(version is null ? name : $"{name}@{version}", out var engine) || ServingEngine.TryParse(name, out engine) ? engine : null;
    }

    // Only of the projects' own images: what others number is their own.
    private static string? VersionOf(string? image)
    {
        if (image is null || image.Length > 1024) return null;
        var name = image.Split('@')[0];
        var colon = name.LastIndexOf(':');
        if (colon <= name.LastIndexOf('/') || name[..colon] is var repository && !(repository.EndsWith("vllm/vllm-openai", StringComparison.Ordinal)
            || repository.EndsWith("lmsysorg/sglang", StringComparison.Ordinal) || repository.EndsWith("huggingface/text-generation-inference", StringComparison.Ordinal))) return null;
        var tag = name[(colon + 1)..].TrimStart('v');
        var end = tag.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        return Version.TryParse(tag[..end].TrimEnd('.'), out var version) ? version.ToString() : null;
    }

    private string? Variable(string name, string ofServer) => _server.Server == ofServer ? _server.Command.Variable(name) : null;

    private int? Ranks(params ReadOnlySpan<string> names)
    {
        if (Arguments.Text(names) is not { } text) return null;
        if (Count(text) is <= RanksMax and var ranks) return ranks;
        _notes.Add($"{names[0]} is \"{Shown.Text(text)}\", which is no number from 1 to {RanksMax}; 1 is taken");
        return null;
    }

    private static int? Count(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : null;

    private static int? Tokens(string? text, bool capitals) => ServerArguments.Number(text, capitals) is <= int.MaxValue and var tokens ? (int)tokens : null;

    private static int? Port(string? text) => Count(text) is <= 65_535 and var port ? port : null;

    private static double? Share(string? text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share is > 0 and <= 1 ? share : null;
}
