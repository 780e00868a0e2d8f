using System.Security.Cryptography;
using System.Text;
using k8s.Models;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>
/// What a recommendation was derived from, in few letters: during a rollout the first pods of a new template come before the
/// operator has seen it, and what was right for the one before may be wrong for them. Of what others change in pods as they
/// are made (a registry in an image's name, an image's tag, further entries of a node selector) it knows nothing.
/// </summary>
internal static class TemplateDigest
{
    private const int ServesLetters = 12;
    private const int PairLetters = 6;

    // Beside arguments these say what is served and over how many devices.
    private static readonly string[] Variables = ["MODEL_ID", "HF_MODEL_ID", "NUM_SHARD", "STORAGE_URI"];

    /// <summary>Of the container that serves, then of each entry of the node selector, with dots between.</summary>
    public static string Of(V1PodSpec pod, string container) => string.Join('.', Pairs(pod).Prepend(Serves(pod, container)));

    /// <summary>Whether a pod is of a template with this digest.</summary>
    public static bool Covers(string digest, V1PodSpec pod, string container)
    {
        var parts = digest.Split('.');
        return parts[0] == Serves(pod, container) && !parts[1..].Except(Pairs(pod)).Any();
    }

    private static string Serves(V1PodSpec pod, string name)
    {
        var container = (pod.Containers ?? []).FirstOrDefault(one => one?.Name == name);
        if (container is null) return "";
        var devices = PodRequests.AskedBy(container).Where(one => PodRequests.IsDevice(one.Key)).OrderBy(one => one.Key, StringComparer.Ordinal);
        var variables = (container.Env ?? []).Where(one => one is not null && Variables.Contains(one.Name)).OrderBy(one => one.Name, StringComparer.Ordinal);
        return Hash(ServesLetters, [
            Program(container.Image ?? ""), "command", .. container.Command ?? [], "args", .. container.Args ?? [],
            "devices", .. devices.Select(one => $"{one.Key}={one.Value}"), "env", .. variables.Select(one => $"{one.Name}={one.Value}")]);
    }

    private static IEnumerable<string> Pairs(V1PodSpec pod) => (pod.NodeSelector ?? new Dictionary<string, string>())
        .OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => Hash(PairLetters, [one.Key, one.Value]));

    // "vllm-openai" of "mirror.corp/vllm/vllm-openai:v0.9@sha256:…".
    private static string Program(string image) => image[(image.LastIndexOf('/') + 1)..].Split('@', ':')[0];

    private static string Hash(int letters, IEnumerable<string?> words) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', words))))[..letters];
}
