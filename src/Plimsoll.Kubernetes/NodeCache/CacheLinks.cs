using System.Collections.Immutable;
using Plimsoll.Artifacts;
using Plimsoll.Caching;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>
/// The paths under which pods find artefacts (<see cref="CachePaths"/>): links beside the folder they lie in, relative, so that
/// they hold wherever the cache is mounted. A link appears once its artefact is whole, and goes before it does.
/// </summary>
internal sealed class CacheLinks(string folder)
{
    private const int DeepestFolder = 16;

    /// <summary>Makes the links be those of these artefacts; of two at one path the one that was whole last.</summary>
    /// <returns>
    /// What keeps pods from finding any, in a sentence, null when nothing does; and what keeps them from finding one, by model and
    /// version: whoever names a source names a path with it, and an odd one concerns that artefact alone.
    /// </returns>
    public (string? Problem, ImmutableDictionary<(string Model, string Version), string> Lost) Follow(IEnumerable<CachedFolder> artifacts)
    {
        var (links, refs) = (new Dictionary<string, CachedFolder>(StringComparer.Ordinal), new Dictionary<string, (string Commit, CachedFolder Of)>(StringComparer.Ordinal));
        var lost = ImmutableDictionary.CreateBuilder<(string, string), string>();
        foreach (var artifact in artifacts.OrderByDescending(one => one.CompletedAt).ThenByDescending(one => one.Model).ThenByDescending(one => one.Version, StringComparer.Ordinal))
        {
            if (PathOf(artifact.Source, artifact.Version, out var named) is not { } path) continue;
            links.TryAdd(path, artifact);
            if (named is not { } reference) continue;
            if (refs.Keys.FirstOrDefault(newer => IsFolderOf(newer, reference.Path) || IsFolderOf(reference.Path, newer)) is { } other)
                lost[KeyOf(artifact)] = $"its reference {reference.Path} cannot be beside the newer {other}: one would be the folder of the other";
            else refs.TryAdd(reference.Path, (reference.Commit, artifact));
        }

        try
        {
            foreach (var root in (string[])[CachePaths.Hub, CachePaths.BySource]) Prune(new DirectoryInfo(Path.Combine(folder, root)), 0, links.Keys, refs.Keys);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ($"the links in {folder} cannot be cleared: {e.Message}", lost.ToImmutable());
        }

        foreach (var (path, artifact) in links) Try(artifact, () => Link(path, artifact.Folder));
        foreach (var (path, (commit, artifact)) in refs) Try(artifact, () => Name(path, commit));
        return (null, lost.ToImmutable());

        void Try(CachedFolder artifact, Action make)
        {
            try
            {
                make();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                lost[KeyOf(artifact)] = $"pods cannot find it: {e.Message}";
            }
        }
    }

    private static (string, string) KeyOf(CachedFolder artifact) => (artifact.Model.Value, artifact.Version);

    private static bool IsFolderOf(string one, string other) => other.StartsWith(one + "/", StringComparison.Ordinal);

    /// <summary>Where pods find it, below the folder; null for a source that is none.</summary>
    public static string? PathOf(string source, string version, out (string Path, string Commit)? named)
    {
        named = null;
        try
        {
            var address = SourceAddress.Parse(source);
            named = CachePaths.RefOf(address, version);
            return CachePaths.Of(address, version);
        }
        catch (ArtifactException)
        {
            return null;
        }
    }

    private void Link(string path, string target)
    {
        var link = Path.Combine(folder, path);
        var relative = Path.GetRelativePath(Path.GetDirectoryName(link)!, target);
        var there = new DirectoryInfo(link);
        if (there.LinkTarget == relative) return;
        Directory.CreateDirectory(Path.GetDirectoryName(link)!);
        if (there.LinkTarget is not null) there.Delete();
        Directory.CreateSymbolicLink(link, relative);
    }

    // Read whole by others at any time, so replaced in one step.
    private void Name(string path, string commit)
    {
        var file = Path.Combine(folder, path);
        if (File.Exists(file) && File.ReadAllText(file) == commit) return;
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file + ".new", commit);
        File.Move(file + ".new", file, overwrite: true);
    }

    // Only what is ours: links, which are not followed, and files below refs. Whatever else somebody put there stays.
    private void Prune(DirectoryInfo inside, int depth, ICollection<string> links, ICollection<string> refs)
    {
        if (!inside.Exists || inside.LinkTarget is not null || depth > DeepestFolder) return;
        foreach (var entry in inside.EnumerateFileSystemInfos().ToArray())
        {
            var name = Path.GetRelativePath(folder, entry.FullName);
            if (entry.LinkTarget is not null)
            {
                if (!links.Contains(name)) entry.Delete();
            }
            else if (entry is DirectoryInfo deeper)
            {
                Prune(deeper, depth + 1, links, refs);
                if (!deeper.EnumerateFileSystemInfos().Any()) deeper.Delete();
            }
            else if (name.Contains("/refs/", StringComparison.Ordinal) && !refs.Contains(name))
            {
                entry.Delete();
            }
        }
    }
}
