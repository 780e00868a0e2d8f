using k8s.Models;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>The servers that are known, by the names that a ScaledModel's metrics.server has.</summary>
internal static class ServerNames
{
    public const string Vllm = "vllm";
    public const string SgLang = "sglang";
    public const string Tgi = "tgi";
    public const string Triton = "triton";
    public const string LlamaServer = "llama-server";
    public const string Plimsoll = "plimsoll-model-server";
}

/// <summary>The server that a container runs, and its options.</summary>
/// <param name="Command">The container's.</param>
/// <param name="Server">One of <see cref="ServerNames"/>; null for one that is not known.</param>
/// <param name="Arguments">Behind the program's name.</param>
/// <param name="KServe">KServe's wrapper around vLLM, whose options and port are its own.</param>
internal sealed record ServerCommand(ContainerCommand Command, string? Server, ServerArguments Arguments, bool KServe)
{
    /// <summary>Finds the server among a container's commands; one without a known server has null for its name.</summary>
    public static ServerCommand Of(V1Container container)
    {
        var command = ContainerCommand.Of(container);
        foreach (var words in command.Commands)
        {
            for (var i = 0; i < words.Count; i++)
            {
                if (ProgramAt(words, i) is not { } program) continue;
                return new ServerCommand(command, program.Server, new ServerArguments(words.Skip(i + program.Words)), program.KServe);
            }
        }

        // The image's entry point is the server, and what is given are its arguments.
        var image = ByImage(container.Image);
        var arguments = command.Commands.Length > 0 ? command.Commands[^1] : [];
        return command.HasCommand
            ? new ServerCommand(command, null, new ServerArguments(arguments.Skip(1)), KServe: false)
            : new ServerCommand(command, image?.Server, new ServerArguments(arguments.Count > 0 && arguments[0] == "serve" ? arguments.Skip(1) : arguments), image?.KServe ?? false);
    }

    private static (string Server, int Words, bool KServe)? ProgramAt(IReadOnlyList<string> words, int at)
    {
        if (words[at].Length > 256) return null;
        var name = words[at][(words[at].LastIndexOf('/') + 1)..];
        var next = at + 1 < words.Count ? words[at + 1] : "";
        return name switch
        {
            "vllm" when next == "serve" => (ServerNames.Vllm, 2, false),
            "sglang" when next == "serve" => (ServerNames.SgLang, 2, false),
            "text-generation-launcher" => (ServerNames.Tgi, 1, false),
            "tritonserver" => (ServerNames.Triton, 1, false),
            "llama-server" => (ServerNames.LlamaServer, 1, false),
            "plimsoll-model-server" or "Plimsoll.ModelServer" => (ServerNames.Plimsoll, 1, false),
            "-m" => Module(next) is { } module ? (module.Server, 2, module.KServe) : null,
            _ => null,
        };
    }

    private static (string Server, bool KServe)? Module(string module) =>
        module.StartsWith("vllm.entrypoints.", StringComparison.Ordinal) ? (ServerNames.Vllm, false)
        : module is "sglang.launch_server" ? (ServerNames.SgLang, false)
        : module is "huggingfaceserver" ? (ServerNames.Vllm, true)
        : null;

    private static (string Server, bool KServe)? ByImage(string? image)
    {
        if (image is null || image.Length > 1024) return null;
        // Without registry, tag and digest: "registry:5000/org/name:tag@sha256:…".
        var name = image.Split('@')[0];
        var colon = name.LastIndexOf(':');
        if (colon > name.LastIndexOf('/')) name = name[..colon];
        return name.Contains("huggingfaceserver", StringComparison.OrdinalIgnoreCase) ? (ServerNames.Vllm, true)
            : name.Contains("vllm", StringComparison.OrdinalIgnoreCase) ? (ServerNames.Vllm, false)
            : name.Contains("sglang", StringComparison.OrdinalIgnoreCase) ? (ServerNames.SgLang, false)
            : name.Contains("text-generation-inference", StringComparison.OrdinalIgnoreCase) ? (ServerNames.Tgi, false)
            : name.Contains("tritonserver", StringComparison.OrdinalIgnoreCase) ? (ServerNames.Triton, false)
            : name.Contains("llama.cpp", StringComparison.OrdinalIgnoreCase) ? (ServerNames.LlamaServer, false)
            : name.Contains("plimsoll-model-server", StringComparison.OrdinalIgnoreCase) ? (ServerNames.Plimsoll, false)
            : null;
    }
}
