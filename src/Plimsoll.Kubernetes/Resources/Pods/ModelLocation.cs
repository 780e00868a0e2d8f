using System.Text.RegularExpressions;
using k8s.Models;
using Plimsoll.Artifacts;

namespace Plimsoll.Kubernetes.Resources.Pods;

/// <summary>
/// Where the model is that a server was told: an address, a name of the hub, or a path, which is followed through the
/// container's volumes to a claim, or to what an init container fetches.
/// </summary>
internal sealed partial class ModelLocation(V1PodSpec pod, V1Container container, IReadOnlyDictionary<string, string> annotations, List<string> notes)
{
    /// <summary>Where KServe's storage initializer puts a model.</summary>
    public const string KServeFolder = "/mnt/models";

    private const string KServeAnnotation = "internal.serving.kserve.io/storage-initializer-sourceuri";
    private const int WordsMax = 4096;

    /// <summary>The address; null where it cannot be derived, and a note says why.</summary>
    public string? Of(string model, string? revision)
    {
        var shown = Shown.Text(SourceAddress.ShownOf(model));
        if (model.Contains("$(", StringComparison.Ordinal) || model.Contains("${", StringComparison.Ordinal) || model.StartsWith('$'))
            return Unknown($"the model's name is {shown}, whose variables are not in the pod's spec");
        if (SourceAddress.IsAddress(model)) return Address(model, revision);
        if (model.StartsWith('/')) return Path(model);
        if (ModelSource.IsHubName(model)) return ModelSource.WithRevision($"hf://{model}", revision);
        return Unknown($"the model is \"{shown}\", which is no address, no path and no ORGANISATION/NAME");
    }

    /// <summary>An address of KServe's or a person's, when it is one that can be read.</summary>
    public string? Address(string address, string? revision)
    {
        try
        {
            if (SourceAddress.Parse(address) is not SourceAddress.LocalPath) return ModelSource.WithRevision(address, revision);
        }
        catch (ArtifactException)
        {
            // Said below.
        }

        return Unknown($"the model comes from {Shown.Text(SourceAddress.ShownOf(address))}, which is not read");
    }

    private string? Path(string path)
    {
        if (path.Length > 4096 || path.Split('/').Contains("..")) return Unknown($"the model's path {Shown.Text(path)} is not followed");
        // The hub's own cache says in its folders' names what is in them.
        if (HubCache().Match(path) is { Success: true } cached)
            return $"hf://{cached.Groups["org"].Value}/{cached.Groups["name"].Value}@{cached.Groups["commit"].Value}";
        if (Below(path, KServeFolder) is not null && Initialized() is { } stored) return stored;
        var mount = (container.VolumeMounts ?? []).Where(mount => mount?.MountPath is not null && Below(path, mount.MountPath) is not null)
            .OrderByDescending(mount => mount.MountPath.Length).ThenBy(mount => mount.Name, StringComparer.Ordinal).FirstOrDefault();
        if (mount is null) return Downloaded() ?? Unknown($"the model's path {Shown.Text(path)} is in the image, which is not read");
        var volume = (pod.Volumes ?? []).FirstOrDefault(volume => volume?.Name == mount.Name);
        if (volume?.PersistentVolumeClaim?.ClaimName is { } claim)
        {
            if (mount.SubPathExpr is not null) return Unknown($"the model's path {Shown.Text(path)} depends on the pod ({Shown.Text(mount.SubPathExpr)})");
            string[] parts = [claim, mount.SubPath?.Trim('/') ?? "", Below(path, mount.MountPath)!];
            return Address("pvc://" + string.Join('/', parts.Where(part => part.Length > 0)), null);
        }

        return Downloaded() ?? Unknown(volume switch
        {
            null => $"the model's path {Shown.Text(path)} is on a claim that each pod has for itself",
            { HostPath.Path: { } host } => $"the model's path {Shown.Text(path)} is the node's own {Shown.Text(host)}",
            { Image.Reference: { } image } => $"the model's path {Shown.Text(path)} is in the image {Shown.Text(image)}, which is not read",
            { Nfs: not null } => $"the model's path {Shown.Text(path)} is on a file server, which is not read",
            _ => $"the model's path {Shown.Text(path)} is on the volume {Shown.Text(volume.Name)}, and nothing tells what is put there",
        });
    }

    // KServe's webhook notes the address on the pod, and hands it to an init container of its own.
    private string? Initialized()
    {
        if (annotations.GetValueOrDefault(KServeAnnotation) is { Length: > 0 } noted) return Address(noted, null);
        var initializer = (pod.InitContainers ?? []).FirstOrDefault(one => one?.Name == "storage-initializer");
        return initializer?.Args is [{ Length: > 0 } source, ..] ? Address(source, null) : null;
    }

    /// <summary>What the init containers fetch, when that is one thing.</summary>
    private string? Downloaded()
    {
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var one in (pod.InitContainers ?? []).Where(one => one is not null))
        {
            foreach (var words in ContainerCommand.Of(one).Commands)
            {
                foreach (var address in Fetched(words.Take(WordsMax).ToList())) found.TryAdd(address, one.Name);
            }
        }

        if (found.Count != 1) return null;
        var (source, name) = found.First();
        notes.Add($"the source {SourceAddress.ShownOf(source)} is what the init container {Shown.Text(name)} fetches");
        return source;
    }

    private static IEnumerable<string> Fetched(List<string> words)
    {
        for (var i = 0; i < words.Count; i++)
        {
            var word = words[i];
            if (word.StartsWith("s3://", StringComparison.Ordinal) || word.StartsWith("gs://", StringComparison.Ordinal) || word.StartsWith("hf://", StringComparison.Ordinal))
            {
                if (IsReadable(word.TrimEnd('*'))) yield return word.TrimEnd('*');
            }
            else if (word == "download" && i > 0 && words[i - 1][(words[i - 1].LastIndexOf('/') + 1)..] is "hf" or "huggingface-cli")
            {
                var arguments = new ServerArguments(words.Skip(i + 1));
                if (arguments.Positional is [var model, ..] && ModelSource.IsHubName(model))
                    yield return ModelSource.WithRevision($"hf://{model}", arguments.Text("--revision"));
            }
        }
    }

    private static bool IsReadable(string address)
    {
        try
        {
            return SourceAddress.Parse(address) is not SourceAddress.LocalPath;
        }
        catch (ArtifactException)
        {
            return false;
        }
    }

    /// <summary>What of a path is below a folder, without slashes at its ends; null when it is elsewhere.</summary>
    private static string? Below(string path, string folder)
    {
        folder = folder.TrimEnd('/');
        return path == folder ? "" : path.StartsWith(folder + "/", StringComparison.Ordinal) ? path[folder.Length..].Trim('/') : null;
    }

    private string? Unknown(string note)
    {
        notes.Add($"{note}; spec.source would say where it is");
        return null;
    }

    [GeneratedRegex("/models--(?<org>[A-Za-z0-9._-]{1,96}?)--(?<name>[A-Za-z0-9._-]{1,96})/snapshots/(?<commit>[0-9a-f]{40})(/|$)")]
    private static partial Regex HubCache();
}
