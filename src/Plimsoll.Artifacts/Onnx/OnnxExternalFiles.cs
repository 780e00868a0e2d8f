using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>The files that a model's tensors point to. A location must stay inside the model's folder.</summary>
internal sealed class OnnxExternalFiles(HeaderFile model)
{
    private const int FilesMax = 10_000;
    private readonly SortedDictionary<string, ModelFile> _files = new(StringComparer.Ordinal);

    public IEnumerable<ModelFile> Files => _files.Values;

    /// <summary>Resolves one tensor's external data and checks that the file really reaches that far.</summary>
    public (string Path, long Offset) Locate(Dictionary<string, string> entries, string what, long bytes)
    {
        if (!entries.TryGetValue("location", out var location) || location.Length == 0)
            throw model.Broken($"{what} is stored outside the file and does not say where");
        var offset = Number(entries, "offset", what) ?? 0;
        var length = Number(entries, "length", what) ?? bytes;
        if (length < bytes)
            throw model.Broken($"{what} has {length} bytes of external data where its shape needs {bytes}");
        var file = Resolve(location, what);
        if (offset > file.Bytes || bytes > file.Bytes - offset)
        {
            throw new ArtifactException(
                $"{file.Path} is truncated: {what} of {model.Path} needs {bytes} bytes from byte {offset}, "
                + $"and the file has {file.Bytes} bytes.");
        }

        return (file.Path, offset);
    }

    private long? Number(Dictionary<string, string> entries, string key, string what)
    {
        if (!entries.TryGetValue(key, out var text))
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw model.Broken($"{what} has an external data {key} that is not a number");
    }

    private ModelFile Resolve(string location, string what)
    {
        if (Path.IsPathRooted(location) || location.Contains('\\') || location.Contains('\0') || location.Contains(':')
            || location.Split('/').Contains(".."))
        {
            throw new ArtifactException(
                $"{model.Path} keeps {what} in '{Messages.Shown(location)}', which leaves the model's folder; that is refused.");
        }

        // "./w.bin" and "w.bin" are one file.
        var name = string.Join('/', location.Split('/').Where(part => part is not ("" or ".")));
        if (_files.TryGetValue(name, out var known))
            return known;
        if (_files.Count >= FilesMax)
            throw model.Broken($"it is spread over more than {FilesMax} files");
        if (name.Length == 0 || model.FileBeside(name) is not { } file)
        {
            throw new ArtifactException(
                $"{Path.Combine(Path.GetDirectoryName(model.Path) ?? "", Messages.Shown(name))} does not exist, and {model.Path} keeps {what} in it.");
        }

        return _files[name] = file;
    }
}
