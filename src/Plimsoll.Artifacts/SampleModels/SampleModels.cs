using System.Collections.Immutable;
using System.Security.Cryptography;

namespace Plimsoll.Artifacts;

/// <summary>What was done to have a sample model in place.</summary>
/// <param name="Path">The ONNX file.</param>
/// <param name="Model">Its shape.</param>
/// <param name="Files">It and its external data file, if any.</param>
/// <param name="MadeBecause">Why it was written now, or null when the one on disk was good.</param>
public sealed record SampleModelResult(
    string Path, SampleModel Model, ImmutableArray<ModelFile> Files, string? MadeBecause);

/// <summary>Keeps seeded sample models in a folder: makes what is missing, and makes again what is damaged.</summary>
public static class SampleModels
{
    /// <summary>Ensures a model of about <paramref name="bytes"/> bytes.</summary>
    /// <inheritdoc cref="EnsureAsync(string, SampleModel, bool?, bool, Action{long}?, bool, CancellationToken)"/>
    public static Task<SampleModelResult> EnsureAsync(
        string folder, string name, long bytes, ulong seed = 1, bool? externalData = null, bool verify = false,
        Action<long>? written = null, bool onlyOwn = false, CancellationToken cancel = default) =>
        EnsureAsync(folder, SampleModel.OfSize(name, bytes, seed), externalData, verify, written, onlyOwn, cancel);

    /// <summary>
    /// Returns at once when the files match their manifest's sizes and modification times. Otherwise, or with
    /// <paramref name="verify"/>, their SHA-256 decides; what is missing, differs or was made for another shape is
    /// written anew beside the old one and renamed over it.
    /// </summary>
    /// <param name="folder">Where the model belongs; created when missing.</param>
    /// <param name="model">The shape wanted.</param>
    /// <param name="externalData">Weights in a second file; null chooses so only above protobuf's 2 GB.</param>
    /// <param name="verify">Compute the checksums even when sizes and times match.</param>
    /// <param name="written">Told, every megabyte, how many bytes of weights are written; not called when nothing is.</param>
    /// <param name="onlyOwn">Refuse where a file of the name is there without a manifest: it may be somebody's model.</param>
    /// <param name="cancel">Stops the writing; nothing half-written is left.</param>
    /// <exception cref="ArtifactException">The folder cannot be written, the disk is full, or what is there is not ours.</exception>
    public static Task<SampleModelResult> EnsureAsync(
        string folder, SampleModel model, bool? externalData = null, bool verify = false, Action<long>? written = null,
        bool onlyOwn = false, CancellationToken cancel = default)
    {
        if (model.Name.Length is 0 or > 200 || model.Name.AsSpan().ContainsAny("/\\\0") || model.Name[0] == '.')
            throw new ArtifactException($"'{model.Name}' cannot be a model's file name.");
        return Task.Run(() => Ensure(folder, model, externalData, verify, written, onlyOwn, cancel), cancel);
    }

    private static SampleModelResult Ensure(
        string folder, SampleModel model, bool? externalData, bool verify, Action<long>? written, bool onlyOwn, CancellationToken cancel)
    {
        var path = Path.Combine(folder, model.Name + ".onnx");
        var isExternal = externalData ?? model.WeightBytes > SampleModelWriter.InlineBytesMax;
        try
        {
            Directory.CreateDirectory(folder);
            var manifest = SampleModelManifest.Read(path);
            if (onlyOwn && manifest is null && new[] { path, path + ".data" }.FirstOrDefault(File.Exists) is { } there)
                throw new ArtifactException($"{there} is there and was not made as a sample model, as far as can be seen: it would be written over. Another name or folder would do, or remove it first");
            var reason = Mismatch(path, model, isExternal, manifest, verify, cancel);
            if (reason is not null)
                manifest = Make(folder, path, model, isExternal, written, cancel);
            return new SampleModelResult(path, model,
                [.. manifest!.Files.Select(file => new ModelFile(Path.Combine(folder, file.Name), file.Bytes))], reason);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArtifactException($"The sample model {path} cannot be written: {e.Message}", e);
        }
    }

    private static string? Mismatch(
        string path, SampleModel model, bool isExternal, SampleModelManifest? manifest, bool verify,
        CancellationToken cancel)
    {
        if (!File.Exists(path))
            return "it was missing";
        if (manifest is null)
            return "its manifest was missing or unreadable";
        if (manifest.FormatVersion != SampleModel.FormatVersion || manifest.Model != model
            || manifest.ExternalData != isExternal || manifest.Files.IsEmpty)
        {
            return "it was made for another shape";
        }

        var isTouched = verify;
        foreach (var entry in manifest.Files)
        {
            var info = new FileInfo(Path.Combine(Path.GetDirectoryName(path)!, Path.GetFileName(entry.Name)));
            if (!info.Exists)
                return $"{entry.Name} was missing";
            if (info.Length != entry.Bytes)
                return $"{entry.Name} had {info.Length} bytes instead of {entry.Bytes}";
            isTouched |= info.LastWriteTimeUtc.Ticks != entry.ModifiedUtcTicks;
        }

        return isTouched ? ChecksumMismatch(path, manifest, cancel) : null;
    }

    private static string? ChecksumMismatch(string path, SampleModelManifest manifest, CancellationToken cancel)
    {
        var folder = Path.GetDirectoryName(path)!;
        foreach (var entry in manifest.Files)
        {
            if (Sha256(Path.Combine(folder, Path.GetFileName(entry.Name)), cancel) != entry.Sha256)
                return $"{entry.Name}'s checksum differed";
        }

        // Merely touched: the next look may be quick again.
        var renewed = manifest.Files.Select(entry => Entry(folder, entry.Name, entry.Sha256));
        (manifest with { Files = [.. renewed] }).Write(path);
        return null;
    }

    private static SampleModelManifest Make(
        string folder, string path, SampleModel model, bool isExternal, Action<long>? written, CancellationToken cancel)
    {
        var name = Path.GetFileName(path);
        var dataName = name + ".data";
        var partPath = $"{path}.{Environment.ProcessId}.part";
        var dataPartPath = $"{path}.data.{Environment.ProcessId}.part";
        RequireSpace(folder, path, model);
        try
        {
            string sum;
            var dataSum = "";
            using (var file = new HashedFile(partPath))
            using (var data = isExternal ? new HashedFile(dataPartPath) : null)
            {
                new SampleModelWriter(model, written).Write(file, data, dataName, cancel);
                sum = file.Finish();
                dataSum = data?.Finish();
            }

            // Without its manifest a model counts as missing, so no crash between these steps leaves a false one.
            File.Delete(SampleModelManifest.PathOf(path));
            if (isExternal)
                File.Move(dataPartPath, Path.Combine(folder, dataName), overwrite: true);
            else
                File.Delete(Path.Combine(folder, dataName));
            File.Move(partPath, path, overwrite: true);
            var manifest = new SampleModelManifest(SampleModel.FormatVersion, model, isExternal,
                isExternal ? [Entry(folder, name, sum), Entry(folder, dataName, dataSum!)] : [Entry(folder, name, sum)]);
            manifest.Write(path);
            return manifest;
        }
        finally
        {
            File.Delete(partPath);
            File.Delete(dataPartPath);
        }
    }

    private static void RequireSpace(string folder, string path, SampleModel model)
    {
        var free = new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace;
        if (free < model.WeightBytes)
        {
            throw new ArtifactException(
                $"The sample model {path} needs {new Bytes(model.WeightBytes)}, and its disk has {new Bytes(free)} free; "
                + "free some, or have models elsewhere with PLIMSOLL_HOME.");
        }
    }

    private static SampleModelManifest.Entry Entry(string folder, string name, string sha256)
    {
        var info = new FileInfo(Path.Combine(folder, name));
        return new SampleModelManifest.Entry(name, info.Length, sha256, info.LastWriteTimeUtc.Ticks);
    }

    private static string Sha256(string path, CancellationToken cancel)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var file = File.OpenHandle(path);
        var buffer = new byte[1 << 20];
        for (long offset = 0; ;)
        {
            cancel.ThrowIfCancellationRequested();
            var read = RandomAccess.Read(file, buffer, offset);
            if (read == 0)
                return Convert.ToHexStringLower(hash.GetHashAndReset());
            hash.AppendData(buffer, 0, read);
            offset += read;
        }
    }
}
