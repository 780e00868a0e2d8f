using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>
/// Reads what torch.save writes, without unpickling: a zip archive whose entries data/0, data/1, … are the storages, byte
/// for byte, and whose data.pkl tells which tensor lies in which. The bytes are exact even where the pickle can't be followed.
/// </summary>
internal static class PyTorchReader
{
    // The pickle of a model of 100,000 tensors takes about 15 MB.
    private const long PickleBytesMax = 256L << 20;

    /// <summary>Reads it; a zip archive of something else is refused.</summary>
    public static StoredWeights Read(ByteSource source) => ReadIfTorch(source)
        ?? throw new ArtifactException($"{source.Name} is not a PyTorch file: it is a zip archive without a data.pkl.");

    /// <summary>The same, and null for a zip archive of something else.</summary>
    public static StoredWeights? ReadIfTorch(ByteSource source)
    {
        var files = ImmutableArray.Create(new ModelFile(source.Name, source.Length) { Validator = source.Validator });
        switch (FileKinds.Of(source, ""))
        {
            case FileKind.Zip:
                return ReadZip(new HeaderFile(source, "a PyTorch file"), files);
            case FileKind.LegacyTorch:
                return new StoredWeights
                {
                    Files = files,
                    Notes = ["It is in PyTorch's format before 1.6, a row of pickles: only the bytes on disk are known. Saved again, or as safetensors, it can be weighed."],
                };
            default:
                throw new ArtifactException($"{source.Name} is not a PyTorch file: it is neither a zip archive nor a pickle of PyTorch before 1.6.");
        }
    }

    private static StoredWeights? ReadZip(HeaderFile file, ImmutableArray<ModelFile> files)
    {
        var entries = ZipDirectory.Read(file);
        var pickle = entries.Where(entry => entry.Name == "data.pkl" || entry.Name.EndsWith("/data.pkl", StringComparison.Ordinal))
            .OrderBy(entry => entry.Name.Count(letter => letter == '/')).ThenBy(entry => entry.Name, StringComparer.Ordinal).FirstOrDefault();
        if (pickle is null)
            return null;
        var folder = pickle.Name[..^"data.pkl".Length] + "data/";
        var storages = entries.Where(entry => entry.Name.StartsWith(folder, StringComparison.Ordinal) && entry.Name.Length > folder.Length)
            .ToDictionary(entry => entry.Name[folder.Length..], StringComparer.Ordinal);
        // PyTorch never compresses them: what unpacks to more than the file holds is no weight.
        if (storages.Values.Append(pickle).FirstOrDefault(entry => !entry.IsStored) is { } packed)
            throw file.Broken($"entry '{Messages.Shown(packed.Name)}' is compressed or encrypted, which PyTorch never does");
        var total = storages.Values.Sum(entry => entry.Bytes);
        List<FoundTensor> tensors;
        try
        {
            tensors = Scan(file, pickle);
        }
        catch (PickleException e)
        {
            return new StoredWeights
            {
                Files = files,
                StorageBytes = total,
                Notes = [$"The pickle of {file.Path} can't be followed ({e.Message}): its weights are exact in bytes, and their shapes are unknown."],
            };
        }

        return new PyTorchTensors(file, storages).Choose(tensors) with { Files = files };
    }

    private static List<FoundTensor> Scan(HeaderFile file, ZipEntry pickle)
    {
        if (pickle.Bytes > PickleBytesMax)
            throw new PickleException(string.Create(CultureInfo.InvariantCulture, $"it has {pickle.Bytes} bytes, and at most {PickleBytesMax} are scanned"));
        var start = ZipDirectory.ContentStart(file, pickle);
        file.Position = start;
        return PickledTensors.In(new PickleScanner(file, start + pickle.Bytes).Scan());
    }
}
