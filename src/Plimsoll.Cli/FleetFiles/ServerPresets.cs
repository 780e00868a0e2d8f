using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Cli.Demo;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>
/// How the servers we know are started. Our own is tested with every build; llama-server and vllm are written from
/// their documentation and tested only where they are installed.
/// </summary>
internal static class ServerPresets
{
    /// <summary>The largest --max-batch that the model server takes.</summary>
    public const int ModelServerBatchMax = 4096;

    public static string ProgramOf(ServerKind kind) => kind switch
    {
        ServerKind.LlamaServer => "llama-server",
        ServerKind.Vllm => "vllm",
        _ => "Plimsoll.ModelServer",
    };

    /// <summary>Where the program lies; null when it is not installed.</summary>
    public static string? Find(ServerKind kind) =>
        kind == ServerKind.PlimsollModelServer ? ModelServer() : OnPath(ProgramOf(kind));

    /// <summary>By the fields, else by what its header says it is; null for what none of the servers here takes.</summary>
    public static ServerKind? KindOf(ModelDocument model, ArtifactFormat? format) => model.Server ?? (model.Format, format) switch
    {
        (ModelFormat.Onnx, _) or (null, ArtifactFormat.Onnx) => ServerKind.PlimsollModelServer,
        (ModelFormat.Gguf, _) or (null, ArtifactFormat.Gguf) => ServerKind.LlamaServer,
        (ModelFormat.Safetensors, _) or (null, ArtifactFormat.Safetensors or ArtifactFormat.HuggingFace) => ServerKind.Vllm,
        _ => null,
    };

    /// <summary>Devices of a replica; vllm runs on one at least.</summary>
    public static int GpusOf(ModelDocument model, ServerKind? kind) => model.Gpus ?? (kind == ServerKind.Vllm || model.Device is not null ? 1 : 0);

    /// <param name="kind">The server.</param>
    /// <param name="program">Where it lies.</param>
    /// <param name="model">What is asked of it.</param>
    /// <param name="concurrency">Requests at once; of the model server those of one batch.</param>
    /// <param name="gpus">Devices of a replica.</param>
    /// <param name="projector">A GGUF model's projector for images, by its name beside the model; null without one.</param>
    public static LaunchSpec Launch(ServerKind kind, string program, ModelDocument model, int concurrency, int gpus, string? projector)
    {
        var atOnce = concurrency.ToString(CultureInfo.InvariantCulture);
        // llama-server shares its context out among the slots; 0 is the model's own, once for all of them.
        var shared = Text((long)(model.Context ?? 0) * concurrency);
        string[] limits =
        [
            .. model.Context is { } context ? ["--max-model-len", Text(context)] : Array.Empty<string>(),
            .. model.MemoryFraction is { } share ? ["--gpu-memory-utilization", share.Value.ToString(CultureInfo.InvariantCulture)] : Array.Empty<string>(),
        ];
        return kind switch
        {
            ServerKind.LlamaServer => new LaunchSpec
            {
                Command =
                [
                    program, "--model", "{model}", "--alias", "{name}", "--host", "127.0.0.1", "--port", "{port}",
                    "--threads", "{threads}", "--parallel", atOnce, "--n-gpu-layers", gpus > 0 ? "999" : "0", "--ctx-size", shared,
                    .. projector is null ? Array.Empty<string>() : ["--mmproj", "{folder}/" + projector],
                ],
                ReadyPath = "/health",
            },
            ServerKind.Vllm => new LaunchSpec
            {
                Command =
                [
                    program, "serve", "{model}", "--served-model-name", "{name}", "--host", "127.0.0.1", "--port", "{port}",
                    "--max-num-seqs", atOnce, "--tensor-parallel-size", Text(gpus), .. limits,
                    .. model.Sleep is true ? ["--enable-sleep-mode"] : Array.Empty<string>(),
                ],
                ReadyPath = "/health",
                MetricsPath = "/metrics",

                // vllm answers these paths in its development mode alone; they are on loopback, as all of the server is.
                Environment = model.Sleep is true ? ImmutableSortedDictionary<string, string>.Empty.Add("VLLM_SERVER_DEV_MODE", "1") : ImmutableSortedDictionary<string, string>.Empty,
                SleepPath = model.Sleep is true ? "/sleep?level=1" : null,
                WakePath = model.Sleep is true ? "/wake_up" : null,
            },
            _ => new LaunchSpec
            {
                Command =
                [
                    program, "--model", "{model}", "--name", "{name}", "--port", "{port}", "--cores", "{cores}",
                    "--max-batch", atOnce, "--max-body", Text(new GatewayOptions().LargestBody.Value), "--load-bandwidth", "{load_bandwidth}",
                ],
                MetricsPath = "/metrics",
            },
        };
    }

    private static string Text(long n) => n.ToString(CultureInfo.InvariantCulture);

    private static string? ModelServer() =>
        Environment.GetEnvironmentVariable("PLIMSOLL_MODEL_SERVER") is { Length: > 0 } told
            ? File.Exists(told) ? Path.GetFullPath(told) : null
            : ModelServerProgram.Find();

    /// <summary>Where a program on the PATH lies; null when none does.</summary>
    public static string? OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Where(Path.IsPathRooted).Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(path => File.Exists(path)
                && (!OperatingSystem.IsLinux() || (File.GetUnixFileMode(path) & UnixFileMode.UserExecute) != 0));
}
