namespace Plimsoll.Artifacts;

/// <summary>A folder of untrusted files, wherever it is. Names in it are relative, with forward slashes.</summary>
internal abstract class ByteFolder
{
    /// <summary>More files than any published model has; a listing stops there with an error.</summary>
    public const int FilesMax = 100_000;

    /// <summary>More than any file of a model has; all of a folder's together still fit 63 bits.</summary>
    public const long FileBytesMax = 1L << 46;

    /// <summary>The folder as messages name it, without a slash at its end.</summary>
    public abstract string Name { get; }

    /// <summary>All files in it and below, ordered by name; null where nobody lists them (a plain web server), so that a
    /// reader asks for each name it knows.</summary>
    public abstract IReadOnlyList<ModelFile>? Files { get; }

    /// <summary>Opens a file by a name that was checked; null when there is none.</summary>
    public abstract ByteSource? Open(string name);

    /// <summary>The folder of that name in this one; its files are this one's whose names begin so.</summary>
    public ByteFolder Below(string name) => new Part(this, name);

    /// <summary>A name that was found in an untrusted file, without "." and empty parts; null when it leaves the folder.</summary>
    public static string? Checked(string name)
    {
        if (name.Length is 0 or > 1024 || name[0] == '/' || name.AsSpan().ContainsAny('\\', ':') || name.Any(char.IsControl))
            return null;
        var parts = name.Split('/').Where(part => part is not ("" or ".")).ToList();
        return parts.Count == 0 || parts.Contains("..") ? null : string.Join('/', parts);
    }

    private sealed class Part(ByteFolder whole, string name) : ByteFolder
    {
        private readonly string _start = name + "/";
        private IReadOnlyList<ModelFile>? _files;

        public override string Name => $"{whole.Name}/{name}";

        public override IReadOnlyList<ModelFile>? Files => _files ??= whole.Files?
            .Where(file => file.Name.StartsWith(_start, StringComparison.Ordinal))
            .Select(file => file with { Name = file.Name[_start.Length..] }).ToList();

        public override ByteSource? Open(string name) => whole.Open(_start + name);
    }
}

/// <summary>A folder of this machine. Links to files are followed (a hub's cache is made of them), links to folders are not.</summary>
internal sealed class LocalFolder(string path) : ByteFolder
{
    private const int DepthMax = 8;
    private List<ModelFile>? _files;

    public override string Name { get; } = Path.TrimEndingDirectorySeparator(path);

    public override IReadOnlyList<ModelFile> Files => _files ??= List();

    public override ByteSource? Open(string name)
    {
        var file = Path.Combine(Name, name);
        return File.Exists(file) ? new LocalFile(file) : null;
    }

    private List<ModelFile> List()
    {
        var files = new List<ModelFile>();
        try
        {
            List(new DirectoryInfo(Name), "", 0, files);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArtifactException($"{Name} cannot be listed: {e.Message}", e);
        }

        files.Sort((one, other) => string.CompareOrdinal(one.Name, other.Name));
        return files;
    }

    private void List(DirectoryInfo folder, string before, int depth, List<ModelFile> files)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            if (entry is DirectoryInfo below)
            {
                if (depth < DepthMax && below.LinkTarget is null && below.Name != ".git" && below.Name != ".cache")
                    List(below, $"{before}{below.Name}/", depth + 1, files);
                continue;
            }

            var file = (FileInfo)entry;
            // A link's own length is its target path's, and a link to nothing is no file.
            if (file.LinkTarget is not null)
            {
                if (file.ResolveLinkTarget(returnFinalTarget: true) is not FileInfo { Exists: true } target) continue;
                file = target;
            }

            // A pipe holds no weights, and waits for whoever opens it.
            if (!RegularFile.Is(file.FullName)) continue;
            if (files.Count >= FilesMax)
                throw new ArtifactException($"{Name} holds more than {FilesMax} files; name the model's own folder.");
            if (file.Length > FileBytesMax)
                throw new ArtifactException($"{entry.FullName} has {file.Length} bytes, which no file of a model has.");
            files.Add(new ModelFile(entry.FullName, file.Length) { Name = before + entry.Name });
        }
    }
}
