using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>What of a node's model cache a pod uses, as far as its spec tells.</summary>
/// <param name="Paths">Below the cache's folder, without slashes at either end; "" is all of it.</param>
public sealed record CacheUse(ImmutableArray<string> Paths)
{
    private const int VolumesMax = 64;
    private const int ContainersMax = 32;
    private const int TextsMax = 1000;
    private const int TextLengthMax = 4096;
    private const int PathsMax = 32;
    private const int PathLengthMax = 1024;

    // Where a path in an argument or a shell's line ends.
    private static readonly char[] PathEnds = [' ', '\t', '\n', '\r', '"', '\'', ';', ',', '&', '|', ')', '`', ':'];

    /// <summary>Reads a pod; null when it mounts nothing of the folder, and of the cache's own agents.</summary>
    public static CacheUse? OfPod(JsonElement pod, string folder) => pod.At("spec") is not { } spec
        || pod.At("metadata", "labels") is { } labels && labels.Text("app.kubernetes.io/name") == "plimsoll" && labels.Text("app.kubernetes.io/component") == "node-cache"
        ? null : Of(spec, folder);

    /// <summary>Reads a pod's spec; null when it mounts nothing of the folder.</summary>
    /// <param name="spec">A pod's spec, or a template's.</param>
    /// <param name="folder">The cache's folder on the node.</param>
    public static CacheUse? Of(JsonElement spec, string folder)
    {
        var volumes = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var volume in spec.List("volumes").Take(VolumesMax))
        {
            if (volume.Text("name") is { } name && volume.At("hostPath")?.Text("path") is { } path && Below(path, folder) is { } below) volumes[name] = below;
        }

        if (volumes.Count == 0) return null;
        var paths = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var container in spec.List("initContainers").Concat(spec.List("containers")).Take(ContainersMax))
        {
            foreach (var mount in container.List("volumeMounts").Take(VolumesMax))
            {
                if (mount.Text("name") is not { } name || !volumes.TryGetValue(name, out var root) || mount.Text("mountPath") is not { Length: > 1 } at) continue;
                var sub = Joined(root, mount.Text("subPath") ?? "");
                var named = Named(container, at.TrimEnd('/')).Select(path => Joined(sub, path)).ToArray();
                foreach (var path in named.Length > 0 ? named : [sub]) paths.Add(path);
            }
        }

        // More than anybody names by hand: all of it, then.
        return paths.Count > PathsMax || paths.Any(path => path.Length > PathLengthMax || path.Split('/').Contains("..")) ? new CacheUse([""]) : new CacheUse([.. paths]);
    }

    /// <summary>Whether it uses the artefact at this path.</summary>
    /// <param name="path">Below the folder, as <see cref="CachePaths"/> makes it.</param>
    /// <param name="own">Whether the artefact is of the pod's own model: what names no artefact is taken to mean those.</param>
    public bool Uses(string path, bool own) => Paths.Any(used =>
        used == path || used.StartsWith(path + "/", StringComparison.Ordinal) || own && (used.Length == 0 || path.StartsWith(used + "/", StringComparison.Ordinal)));

    private static IEnumerable<string> Named(JsonElement container, string mount)
    {
        var texts = Texts(container, "command").Concat(Texts(container, "args")).Concat(container.List("env").Select(one => one.Text("value") ?? ""));
        foreach (var text in texts.Take(TextsMax).Where(text => text.Length <= TextLengthMax))
        {
            for (var at = text.IndexOf(mount + "/", StringComparison.Ordinal); at >= 0; at = text.IndexOf(mount + "/", at + 1, StringComparison.Ordinal))
            {
                var start = at + mount.Length + 1;
                var end = text.IndexOfAny(PathEnds, start);
                if (text[start..(end < 0 ? text.Length : end)].Trim('/') is { Length: > 0 } path) yield return path;
            }
        }
    }

    private static IEnumerable<string> Texts(JsonElement container, string name) =>
        container.List(name).Where(one => one.ValueKind == JsonValueKind.String).Select(one => one.GetString()!);

    private static string Joined(string first, string second) => $"{first}/{second}".Trim('/');

    private static string? Below(string path, string folder)
    {
        path = path.TrimEnd('/');
        if (path == folder) return "";
        return path.StartsWith(folder + "/", StringComparison.Ordinal) && !path.Split('/').Contains("..") ? path[(folder.Length + 1)..] : null;
    }
}
