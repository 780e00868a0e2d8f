namespace Plimsoll.Artifacts;

/// <summary>
/// An artefact at an address, found: on this machine, or behind http(s), where it is looked into by ranges, within bounds of
/// bytes and time, and where the model cache can fetch all of it.
/// </summary>
public sealed class ArtifactSource : IDisposable
{
    // One file: a reader goes on from its beginning. Of a folder's many files mostly the first kilobyte is wanted.
    private const int FirstOfFile = 64 * 1024;
    private const int FirstOfMany = 2 * 1024;

    // Names that end so are asked for as files at once; others may be folders.
    private static readonly string[] FileEndings =
        [".safetensors", ".gguf", ".onnx", ".pt", ".pth", ".bin", ".ckpt", ".plan", ".engine", ".json", ".zip", ".tar", ".gz", ".nemo", ".h5", ".pb", ".tflite"];

    private readonly RangeReader? _reader;
    private readonly SourceStore? _store;
    private readonly RemoteFolder? _folder;
    private readonly string? _file;

    private ArtifactSource(string shown, string path) => (Shown, LocalPath) = (shown, path);

    private ArtifactSource(string shown, RangeReader reader, SourceStore store, string? file)
    {
        (Shown, _reader, _store, _file) = (shown, reader, store, file);
        _folder = new RemoteFolder(reader, store, file is null ? FirstOfMany : FirstOfFile);
    }

    /// <summary>The address as it may be shown.</summary>
    public string Shown { get; }

    /// <summary>The file or folder on this machine; null when it is elsewhere.</summary>
    public string? LocalPath { get; }

    /// <summary>The folder that links in <see cref="LocalPath"/> may lead to: the hub's cache keeps bytes beside its snapshots.
    /// Null where they may not leave.</summary>
    public string? LinkRoot { get; private init; }

    /// <summary>True when it is one file, with others perhaps beside it; false for a folder.</summary>
    public bool IsFile => LocalPath is { } path ? !Directory.Exists(path) : _file is not null;

    /// <summary>What that one file is called in its folder; null for folders, and on this machine.</summary>
    public string? FileName => _file;

    /// <summary>Bytes of answers that were read so far; 0 on this machine.</summary>
    public long BytesRead => _reader?.BytesRead ?? 0;

    /// <summary>Finds an artefact: asks its store what it is, and lists it where the store lists.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="settings">Endpoints, tokens and folders.</param>
    /// <param name="time">How long a server may take.</param>
    /// <param name="cancellationToken">Ends all that is asked.</param>
    /// <exception cref="ArtifactException">It is not there, or does not let us in: one sentence without secrets.</exception>
    public static ArtifactSource Open(SourceAddress address, SourceSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(settings);
        if (OnThisMachine(address, settings) is { } path)
            return new ArtifactSource(address.Shown, path) { LinkRoot = address is SourceAddress.Hub ? HubFolders.RootOf(path) : null };
        var reader = new RangeReader(time, cancellationToken);
        try
        {
            return address switch
            {
                SourceAddress.Web web => OfWeb(web, reader),
                SourceAddress.Bucket { Scheme: "gs" } item => OfGoogle(item, settings, reader),
                SourceAddress.Bucket item => OfBucket(item, settings, reader, time),
                SourceAddress.Hub model => OfHub(model, settings, reader),
                _ => throw new ArtifactException($"{address.Shown} cannot be asked for."),
            };
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Whether the store lists what is there, with what it says tells versions apart.</summary>
    public bool IsListed => _store?.Files is not null;

    /// <summary>The one file, or all in the folder as its store lists them; null where nobody does, and on this machine.</summary>
    public IReadOnlyList<ModelFile>? Files => _file is null ? _store?.Files : [FileOf(_file)!];

    /// <summary>What is to be fetched: the one file, or all of the folder, with the size and SHA-256 that the store tells. A web
    /// server that lists nothing is asked for the names that models are published with, and those in their index.</summary>
    /// <exception cref="ArtifactException">It cannot be told; the message says why.</exception>
    /// <exception cref="InvalidOperationException">It is on this machine.</exception>
    public IReadOnlyList<ModelFile> FilesToFetch() => _folder is null ? throw new InvalidOperationException("it is on this machine")
        : Files ?? WebFolderFiles.Find(_folder);

    /// <summary>What is known of a file in the folder, or beside the one file; null when there is none.</summary>
    /// <exception cref="InvalidOperationException">It is on this machine.</exception>
    public ModelFile? FileOf(string name)
    {
        try
        {
            return (_folder ?? throw new InvalidOperationException("it is on this machine")).FileOf(name);
        }
        catch (ArtifactException e) when (e.Missing)
        {
            return null;
        }
    }

    /// <summary>Reads its headers, a few kilobytes of each file that has one, wherever it is.</summary>
    /// <returns>What they say, with all files that serving needs.</returns>
    /// <exception cref="ArtifactException">A header cannot be read, or contradicts itself; the message names the file.</exception>
    public ArtifactHeader ReadHeader()
    {
        if (LocalPath is { } path) return ArtifactReader.Read(path);
        if (_file is not null) return ArtifactReader.Read(OpenFile());
        var header = ArtifactReader.Read(_folder!);
        if (_store!.Files is not null) return header;
        // Nobody lists the folder: what an engine reads beside the weights is asked for by name.
        var known = header.Files.Select(file => file.Name).ToHashSet(StringComparer.Ordinal);
        ArtifactHeader whole = header with { Files = [.. header.Files, .. WebFolderFiles.Companions(_folder!).Where(file => !known.Contains(file.Name))] };
        return WebFolderFiles.Missing(_folder!, whole) is { } missing ? whole with { Notes = whole.Notes.Add(missing) } : whole;
    }

    /// <summary>How a file of it is asked for to be fetched; to be called again for each try, as permissions run out.</summary>
    /// <param name="name">As listed, or found in an index and checked.</param>
    /// <exception cref="InvalidOperationException">It is on this machine.</exception>
    public SourceRequest Ask(string name) => (_store ?? throw new InvalidOperationException("it is on this machine")).Ask(name, whole: true);

    public void Dispose() => _reader?.Dispose();

    /// <summary>The file behind a server; null for folders, and on this machine.</summary>
    internal RemoteFile? RemoteFile => _file is null ? null : _folder!.Asked(_file);

    /// <summary>Opens the one file it is.</summary>
    internal ByteSource OpenFile() => LocalPath is { } path ? new LocalFile(path) : RemoteFile ?? throw new InvalidOperationException($"{Shown} is a folder");

    /// <summary>Opens the folder it is.</summary>
    internal ByteFolder OpenFolder() => LocalPath is { } path ? new LocalFolder(path) : _folder!;

    /// <summary>Opens a file that was found beside the one file, or is that one.</summary>
    internal ByteSource Opened(ModelFile file) => LocalPath is not null ? new LocalFile(file.Path)
        : RemoteFile is { } own && own.Name == file.Path ? own
        : _folder!.Open(file.Name) ?? throw new ArtifactException($"{file.Path} does not exist.");

    private static string? OnThisMachine(SourceAddress address, SourceSettings settings)
    {
        switch (address)
        {
            case SourceAddress.LocalPath local:
                return Exists(Path.GetFullPath(local.Path), local.Path);
            case SourceAddress.Claim claim:
                var root = settings.ClaimRoot ?? settings.First("PLIMSOLL_PVC_ROOT") ?? throw new ArtifactException(
                    $"{claim.Shown} is on a volume claim of a cluster, and it is not said where claims are mounted here; with PLIMSOLL_PVC_ROOT=/mnt it would be /mnt/{claim.Name}/{claim.Path}.");
                // Without its own folder it is the volume that is not there, whatever lies on it.
                return Exists(Path.GetFullPath(Path.Combine(root, claim.Name, claim.Path)), claim.Shown, away: !Directory.Exists(Path.Combine(root, claim.Name)));
            case SourceAddress.Hub model:
                var found = HubFolders.Find(model, settings);
                if (found is null && HubFolders.IsOffline(settings))
                    throw new ArtifactException($"{model.Shown} is not whole in the hub's cache folder, and HF_HUB_OFFLINE forbids to ask the hub.") { Unreachable = true };
                return found;
            default:
                return null;
        }
    }

    private static string Exists(string path, string shown, bool away = false) => File.Exists(path) || Directory.Exists(path) ? path
        : throw new ArtifactException(path == shown ? $"{path} does not exist." : $"{shown} does not exist: there is no {path}.")
        { Missing = !away, Unreachable = away };

    private static ArtifactSource OfWeb(SourceAddress.Web web, RangeReader reader)
    {
        var store = new WebStore(web.Url);
        if (web.IsFolder) return new ArtifactSource(web.Shown, reader, store, null);
        var source = new ArtifactSource(web.Shown, reader, store, store.Own);
        try
        {
            // Web servers redirect a folder's name to the same with a slash.
            if (!source._folder!.Asked(store.Own).CameFromFolder || HasFileEnding(store.Own)) return source;
        }
        catch (ArtifactException e) when (e.Missing && !HasFileEnding(store.Own))
        {
        }

        return new ArtifactSource(web.Shown, reader, new WebStore(new UriBuilder(web.Url) { Path = web.Url.AbsolutePath + "/" }.Uri), null);
    }

    private static ArtifactSource OfBucket(SourceAddress.Bucket item, SourceSettings settings, RangeReader reader, TimeProvider time)
    {
        if (!HasFileEnding(item.Key))
        {
            var folder = new BucketStore(item, settings, time);
            folder.List(reader);
            if (folder.Files!.Count > 0) return new ArtifactSource(item.Shown, reader, folder, null);
            if (item.IsFolder) throw Nothing(item);
        }

        var (above, name) = Parent(item);
        return Found(new ArtifactSource(item.Shown, reader, new BucketStore(above, settings, time), name));
    }

    private static ArtifactSource OfGoogle(SourceAddress.Bucket item, SourceSettings settings, RangeReader reader)
    {
        if (!HasFileEnding(item.Key))
        {
            var folder = new GoogleStore(item, settings);
            folder.List(reader);
            if (folder.Files!.Count > 0) return new ArtifactSource(item.Shown, reader, folder, null);
            if (item.IsFolder) throw Nothing(item);
        }

        var (above, name) = Parent(item);
        return Found(new ArtifactSource(item.Shown, reader, new GoogleStore(above, settings), name));
    }

    private static ArtifactSource OfHub(SourceAddress.Hub model, SourceSettings settings, RangeReader reader)
    {
        var (folder, file) = new HubStore(model, settings).List(reader);
        return new ArtifactSource(model.Shown, reader, folder, file);
    }

    // A file is asked for at once, so that one that is not there is told before anything is made of it.
    private static ArtifactSource Found(ArtifactSource source)
    {
        source._folder!.Asked(source._file!);
        return source;
    }

    private static ArtifactException Nothing(SourceAddress.Bucket item) => new($"{item.Shown} holds no object.") { Missing = true };

    private static (SourceAddress.Bucket Above, string Name) Parent(SourceAddress.Bucket item)
    {
        var slash = item.Key.LastIndexOf('/');
        return (item with { Key = slash < 0 ? "" : item.Key[..slash] }, item.Key[(slash + 1)..]);
    }

    private static bool HasFileEnding(string name) => FileEndings.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase);
}
