namespace Plimsoll.Artifacts;

/// <summary>A folder somewhere else that holds an artefact's files, and how each is asked for.</summary>
internal abstract class SourceStore
{
    /// <summary>More than any published model has, and what the pages of a listing may cost.</summary>
    public const int FilesMax = 10_000;

    /// <summary>Bytes of one page of a listing.</summary>
    public const int PageBytesMax = 16 << 20;

    /// <summary>The folder as messages name it, without a slash at its end.</summary>
    public abstract string Name { get; }

    /// <summary>All files in it and below, ordered by name; null where nobody lists them.</summary>
    public virtual IReadOnlyList<ModelFile>? Files => null;

    /// <summary>How a file is asked for, by a name that was checked.</summary>
    /// <param name="name">Relative to the folder.</param>
    /// <param name="whole">To be fetched to its end, rather than to be looked into: the checksum is asked for too.</param>
    public abstract SourceRequest Ask(string name, bool whole);

    /// <summary>The file as messages name it.</summary>
    public string NameOf(string file) => $"{Name}/{file}";

    /// <summary>Each part of a path as it stands in a URL.</summary>
    protected static string Escaped(string path) => string.Join('/', path.Split('/').Select(Uri.EscapeDataString));

    /// <summary>Lists a folder page by page, at most <see cref="FilesMax"/> objects, and puts it in order.</summary>
    /// <param name="read">Asks for the page after what it is given (null for the first), adds its files, and says what comes
    /// after it; null for nothing.</param>
    /// <exception cref="ArtifactException">It may not be listed, is too large, or names what leads elsewhere.</exception>
    protected IReadOnlyList<ModelFile> Pages(Func<string?, List<ModelFile>, string?> read)
    {
        var files = new List<ModelFile>();
        string? after = null;
        do
        {
            // A store that names the same page again has no more.
            after = read(after, files) is { } next && next != after ? next : null;
            if (files.Count > FilesMax) throw new ArtifactException($"{Name} holds more than {FilesMax} objects; name the model's own folder.");
        }
        while (after is not null);
        return Ordered(files);
    }

    /// <summary>Puts a listing in order.</summary>
    /// <exception cref="ArtifactException">A name in it leads elsewhere.</exception>
    protected IReadOnlyList<ModelFile> Ordered(IEnumerable<ModelFile> files)
    {
        var ordered = files.OrderBy(file => file.Name, StringComparer.Ordinal).ToList();
        foreach (var file in ordered)
        {
            if (ByteFolder.Checked(file.Name) != file.Name)
                throw new ArtifactException($"{Name} lists a file whose name is not a plain path; leave it out or rename it.");
            if (file.Bytes > ByteFolder.FileBytesMax)
                throw new ArtifactException($"{Name} lists a file of {file.Bytes} bytes, which no model has.");
        }

        return ordered;
    }
}
