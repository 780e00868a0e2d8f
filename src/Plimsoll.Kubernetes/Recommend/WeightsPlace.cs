using k8s.Models;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>Where a pod keeps the weights that its server reads.</summary>
internal enum WeightsPlace
{
    /// <summary>On the node's own disk: the container's files, or an emptyDir.</summary>
    NodeDisk,

    /// <summary>On a volume that is none of the node's ephemeral storage: a claim, a host path, a file server.</summary>
    Volume,

    /// <summary>In an emptyDir of memory.</summary>
    Memory,

    /// <summary>Nowhere: they are read from a store straight to the devices.</summary>
    Streamed,
}

/// <summary>Looks where the folder of the weights is mounted from.</summary>
internal static class WeightsPlaces
{
    // Where the hub's library keeps files unless told otherwise, TGI's image, and KServe's storage initializer.
    private static readonly string[] Usual = ["/root/.cache/huggingface", "/data", "/mnt/models"];

    private static readonly string[] Stores = ["s3://", "gs://", "az://"];

    public static WeightsPlace Of(V1PodSpec pod, ServedModel served)
    {
        if (served.Source?.StartsWith("pvc://", StringComparison.Ordinal) == true) return WeightsPlace.Volume;
        var container = (pod.Containers ?? []).FirstOrDefault(one => one?.Name == served.Container);
        if (container is null) return WeightsPlace.NodeDisk;
        if (IsStreamed(ServerCommand.Of(container).Arguments, served)) return WeightsPlace.Streamed;
        var mounts = (container.VolumeMounts ?? []).Where(mount => mount?.MountPath is not null).ToArray();
        foreach (var folder in Folders(container).Concat(Usual))
        {
            var mount = mounts.Where(mount => IsBelow(folder, mount.MountPath))
                .OrderByDescending(mount => mount.MountPath.Length).ThenBy(mount => mount.Name, StringComparer.Ordinal).FirstOrDefault();
            if (mount is not null) return Of((pod.Volumes ?? []).FirstOrDefault(volume => volume?.Name == mount.Name));
        }

        return WeightsPlace.NodeDisk;
    }

    // Run:ai's streamer fetches what is on the hub into its cache first, as every loader does.
    private static bool IsStreamed(ServerArguments arguments, ServedModel served) => arguments.Text("--load-format") switch
    {
        { } format when format.StartsWith("runai_streamer", StringComparison.Ordinal) => Stores.Any(store => served.Source?.StartsWith(store, StringComparison.Ordinal) == true),
        "tensorizer" => arguments.Text("--model-loader-extra-config") is { } more && more.Contains("://", StringComparison.Ordinal),
        _ => false,
    };

    // Without a volume of that name it is a StatefulSet's own claim.
    private static WeightsPlace Of(V1Volume? volume) => volume switch
    {
        { EmptyDir: { } empty } => empty.Medium == "Memory" ? WeightsPlace.Memory : WeightsPlace.NodeDisk,
        { ConfigMap: not null } or { Secret: not null } or { Projected: not null } or { DownwardAPI: not null } => WeightsPlace.NodeDisk,
        _ => WeightsPlace.Volume,
    };

    private static IEnumerable<string> Folders(V1Container container)
    {
        var words = (container.Command ?? []).Concat(container.Args ?? []).Take(4096).ToList();
        for (var i = 0; i < words.Count; i++)
        {
            var word = words[i] ?? "";
            if (word.StartsWith("--download-dir=", StringComparison.Ordinal)) yield return word["--download-dir=".Length..];
            else if (word is "--download-dir" && i + 1 < words.Count && words[i + 1] is { } folder) yield return folder;
        }

        foreach (var name in (string[])["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"])
        {
            if ((container.Env ?? []).FirstOrDefault(one => one?.Name == name)?.Value is { Length: > 0 } folder) yield return folder;
        }
    }

    private static bool IsBelow(string path, string folder)
    {
        folder = folder.TrimEnd('/');
        return path.TrimEnd('/') == folder || path.StartsWith(folder + "/", StringComparison.Ordinal);
    }
}
