using System.Collections.Immutable;
using Plimsoll.Artifacts;

namespace Plimsoll.Caching;

/// <summary>A source's bytes from some place on.</summary>
/// <param name="Stream">Read to its end.</param>
/// <param name="StartsAt">The offset it begins at: what was asked for, or 0 when the source begins again.</param>
/// <param name="Length">Bytes of the whole file; null when the source does not tell.</param>
/// <param name="Validator">Tells whether the source is still the same next time.</param>
/// <param name="Owner">What to dispose with it.</param>
internal sealed record SourceStream(Stream Stream, long StartsAt, long? Length, string? Validator, IDisposable? Owner)
    : IAsyncDisposable
{
    /// <summary>Of the whole file, where the source tells it with the bytes.</summary>
    public string? Sha256 { get; init; }

    public async ValueTask DisposeAsync()
    {
        await Stream.DisposeAsync().ConfigureAwait(false);
        Owner?.Dispose();
    }
}

/// <summary>One file of an artefact, to be opened at an offset as often as needed.</summary>
/// <param name="Name">Path within the artefact.</param>
/// <param name="Length">Bytes; null until opened.</param>
/// <param name="OpenAsync">Opens it: offset, validator of what is here already, whether the end is checksummed.</param>
internal sealed record SourceFile(
    string Name, long? Length, Func<long, string?, bool, CancellationToken, Task<SourceStream>> OpenAsync)
{
    /// <summary>Lower-case hex where the source lists it; a file that differs is refused.</summary>
    public string? Sha256 { get; init; }

    /// <summary>What tells versions apart in the source's listing; null where only the bytes' own answer tells.</summary>
    public string? Validator { get; init; }
}

/// <summary>The files an artefact consists of.</summary>
internal sealed record FetchSource(bool SingleFile, ImmutableArray<SourceFile> Files)
{
    private const int LongestName = 1024;
    private const int DeepestFolder = 32;

    /// <summary>The source as it is shown and stored: without what may be a secret in a URL.</summary>
    public static string Shown(string source) => SourceAddress.ShownOf(source);

    /// <param name="spec">What is asked for.</param>
    /// <param name="options">Bounds, and where stores are.</param>
    /// <param name="http">What opens files behind a server.</param>
    /// <param name="time">How long a listing may take.</param>
    /// <param name="cancellationToken">Ends a listing.</param>
    /// <exception cref="FetchFailedException">The source cannot be used; says why.</exception>
    public static FetchSource Of(FetchSpec spec, ModelCacheOptions options, HttpFetch http, TimeProvider time, CancellationToken cancellationToken)
    {
        if (spec.Files.Length > options.MostFiles) throw new FetchFailedException($"{spec.Shown} has more than {options.MostFiles} files");
        foreach (var file in spec.Files) CheckName(file.Name, spec.Shown);
        if (spec.Files.DistinctBy(file => file.Name, StringComparer.Ordinal).Count() < spec.Files.Length)
            throw new FetchFailedException($"{spec.Shown} names two files that would have one name in the cache");
        if (SourceAddress.IsAddress(spec.Source)) return AddressFetch.Of(spec, options.MostFiles, http, options.Sources, time, cancellationToken);
        var path = Uri.TryCreate(spec.Source, UriKind.Absolute, out var url) && url.IsFile ? url.LocalPath : spec.Source;
        return OfPath(Path.GetFullPath(path), spec, options.MostFiles, null);
    }

    /// <summary>A file or folder of this machine; its links may lead nowhere but within it, or within <paramref name="linkRoot"/>.</summary>
    public static FetchSource OfPath(string path, FetchSpec spec, int mostFiles, string? linkRoot)
    {
        if (File.Exists(path))
        {
            if (!RegularFile.Is(path)) throw new FetchFailedException($"{path} is no regular file");
            var folder = Path.GetDirectoryName(path)!;
            return new FetchSource(true,
                [OfFile(Path.GetFileName(path), path), .. spec.Files.Skip(1).Select(file => Sibling(folder, file.Name))]);
        }

        if (!Directory.Exists(path)) throw new FetchFailedException($"{path}: there is no such file or folder");
        var files = ImmutableArray.CreateBuilder<SourceFile>();
        var root = RealPath(new DirectoryInfo(path));
        foreach (var file in Walk(new DirectoryInfo(root), root, linkRoot is null ? root : RealPath(new DirectoryInfo(linkRoot)), 0))
        {
            if (files.Count == mostFiles) throw new FetchFailedException($"{path} has more than {mostFiles} files");
            files.Add(file);
        }

        if (files.Count == 0) throw new FetchFailedException($"{path} holds no file");
        // Weighed by these: what else lies there is not needed to serve, and no room was kept for it.
        if (!spec.Files.IsEmpty)
            return new FetchSource(spec.ServesFirstFile, [.. spec.Files.Select(wanted => files.FirstOrDefault(file => file.Name == wanted.Name)
                ?? throw new FetchFailedException($"{wanted.Name} is not in {path} any more"))]);
        return new FetchSource(false, [.. files.OrderBy(file => file.Name, StringComparer.Ordinal)]);
    }

    /// <summary>The address of a file beside another, or below its folder. The query goes along: it may be what lets us in.</summary>
    public static Uri Beside(Uri url, string name) => new UriBuilder(url)
    {
        Path = url.AbsolutePath[..(url.AbsolutePath.LastIndexOf('/') + 1)] + string.Join('/', name.Split('/').Select(Uri.EscapeDataString)),
    }.Uri;

    // Names come out of the model file, which is not to be trusted with where we write.
    public static void CheckName(string name, string shown)
    {
        if (name.Length is 0 or > LongestName || name.Contains('\\', StringComparison.Ordinal) || name.Contains('\0', StringComparison.Ordinal)
            || name.Split('/') is var parts && (parts.Length > DeepestFolder || parts.Any(part => part is "" or "." or ".."
                or CacheManifest.FileName or PartialState.FileName)))
            throw new FetchFailedException($"{shown} names a file that may not lie in its folder");
    }

    private static SourceFile Sibling(string folder, string name)
    {
        var path = Path.Combine(folder, name);
        if (!RegularFile.Is(path)) throw new FetchFailedException($"{path} is not there, or no regular file");
        return OfFile(name, path);
    }

    private static IEnumerable<SourceFile> Walk(DirectoryInfo folder, string root, string links, int depth)
    {
        if (depth > DeepestFolder) throw new FetchFailedException($"{folder.FullName} lies more than {DeepestFolder} folders deep");
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            var name = Path.GetRelativePath(root, entry.FullName);
            if (name.Length > LongestName) throw new FetchFailedException($"{entry.FullName}: the name is longer than {LongestName}");
            var link = entry.LinkTarget is not null;
            if (link && !IsWithin(RealPath(entry), links))
                throw new FetchFailedException($"{entry.FullName} is a link that leads out of {links}; put the file itself there");
            if (entry is DirectoryInfo inner)
            {
                // A link to a folder would bring the same files twice, or never end.
                if (link) throw new FetchFailedException($"{entry.FullName} is a link to a folder; put the folder itself there");
                foreach (var file in Walk(inner, root, links, depth + 1)) yield return file;
            }
            else if (!RegularFile.Is(entry.FullName))
            {
                throw new FetchFailedException($"{entry.FullName} is no regular file");
            }
            else if (entry.Name is not (CacheManifest.FileName or PartialState.FileName))
            {
                yield return OfFile(name, entry.FullName);
            }
        }
    }

    private static SourceFile OfFile(string name, string path)
    {
        return new SourceFile(name, new FileInfo(path).ResolveLinkTarget(true) is FileInfo target
            ? target.Length : new FileInfo(path).Length, (offset, validator, _, _) =>
        {
            try
            {
                var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1, FileOptions.SequentialScan);
                var now = $"{stream.Length}-{File.GetLastWriteTimeUtc(path).Ticks}";
                var from = validator == now && offset <= stream.Length ? offset : 0;
                stream.Position = from;
                return Task.FromResult(new SourceStream(stream, from, stream.Length, now, null));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new FetchFailedException($"{path} cannot be read: {e.Message}");
            }
        });
    }

    private static string RealPath(FileSystemInfo entry)
    {
        try
        {
            return (entry.ResolveLinkTarget(returnFinalTarget: true) ?? entry).FullName;
        }
        catch (IOException e)
        {
            throw new FetchFailedException($"{entry.FullName} is a link that leads nowhere: {e.Message}");
        }
    }

    private static bool IsWithin(string path, string root) =>
        path.StartsWith(root.TrimEnd('/') + "/", StringComparison.Ordinal);
}
