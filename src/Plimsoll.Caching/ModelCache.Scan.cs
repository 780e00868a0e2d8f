namespace Plimsoll.Caching;

public sealed partial class ModelCache
{
    // What is there when a controller starts: whole artefacts, unfinished ones, and what a kill left behind.
    private void Scan(IReadOnlyCollection<CacheUser> users)
    {
        var pins = users.ToLookup(user => CacheNames.Of(user.Model, user.Version), user => user.Replica);
        foreach (var folder in new DirectoryInfo(_options.Folder).EnumerateDirectories().OrderBy(folder => folder.Name, StringComparer.Ordinal))
        {
            if (folder.LinkTarget is not null) continue;
            if (folder.Name.EndsWith(Leaving, StringComparison.Ordinal)) Remove(folder.Name);
            else if (folder.Name.EndsWith(Partial, StringComparison.Ordinal)) ScanPartial(folder);
            else ScanWhole(folder, [.. pins[folder.Name]]);
        }
    }

    private void ScanWhole(DirectoryInfo folder, HashSet<ReplicaId> pins)
    {
        var manifestFile = Path.Combine(folder.FullName, CacheManifest.FileName);

        // A folder that is not ours is none of our business.
        if (!File.Exists(manifestFile)) return;
        var manifest = CacheJson.Read(manifestFile, CacheJson.Default.CacheManifest);
        if (Damage(folder, manifest) is { } damage)
        {
            if (pins.Count == 0)
            {
                LogDamaged(folder.Name, damage);
                Remove(MoveAway(folder.Name));
                return;
            }

            // A server may open its files late; the next start without a user removes them.
            LogDamagedInUse(folder.Name, damage);
            if (manifest is null || manifest.Files.IsDefaultOrEmpty || manifest.Files.Contains(null!) || CacheNames.Of(ModelId.Of(manifest.Model), manifest.Version) != folder.Name) return;
        }

        File.Delete(Path.Combine(folder.FullName, PartialState.FileName));
        _entries[folder.Name] = new Entry(folder.Name, ModelId.Of(manifest!.Model), manifest.Version)
        {
            Pins = pins,
            Manifest = manifest,
            Size = SizeOf(folder),
            LastUsed = new DateTimeOffset(File.GetLastWriteTimeUtc(manifestFile)),
        };
    }

    private void ScanPartial(DirectoryInfo folder)
    {
        var name = folder.Name[..^Partial.Length];
        var state = CacheJson.Read(Path.Combine(folder.FullName, PartialState.FileName), CacheJson.Default.PartialState);
        if (state is null || state.Files.ContainsValue(null!) || CacheNames.Of(ModelId.Of(state.Model), state.Version) != name || _entries.ContainsKey(name))
        {
            // Cut before its first mark, or finished meanwhile: nothing to go on from.
            Remove(MoveAway(folder.Name));
            return;
        }

        _entries[name] = new Entry(name, ModelId.Of(state.Model), state.Version) { Size = SizeOf(folder) };
    }

    /// <summary>A cheap look: names, sizes and times. Null when all is as the manifest says.</summary>
    private static string? Damage(DirectoryInfo folder, CacheManifest? manifest)
    {
        if (manifest is null || manifest.Files.IsDefaultOrEmpty || manifest.Files.Any(file => file is null || file.Name.Length == 0 || file.Name.Contains('\0', StringComparison.Ordinal)))
            return "its manifest cannot be read";
        if (CacheNames.Of(ModelId.Of(manifest.Model), manifest.Version) != folder.Name) return "its manifest is of another artefact";
        foreach (var file in manifest.Files)
        {
            var path = Path.GetFullPath(Path.Combine(folder.FullName, file.Name));
            if (!path.StartsWith(folder.FullName + "/", StringComparison.Ordinal)) return $"{file.Name} lies outside of it";
            var there = new FileInfo(path);
            if (!there.Exists) return $"{file.Name} is missing";
            if (there.Length != file.Size) return $"{file.Name} has {there.Length} bytes instead of {file.Size}";
            if (there.LastWriteTimeUtc != file.Modified) return $"{file.Name} was changed at {there.LastWriteTimeUtc:u}";
        }

        return null;
    }

    private static long SizeOf(DirectoryInfo folder) => folder
        .EnumerateFiles("*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
        .Where(file => file.Name is not (PartialState.FileName or CacheManifest.FileName)).Sum(file => file.Length);

    // Out of the way in one step, then removed: a kill in between leaves a folder that the next start removes.
    private string MoveAway(string name)
    {
        var leaving = name + Leaving;
        for (var n = 2; Directory.Exists(Path.Combine(_options.Folder, leaving)); n++) leaving = $"{name}.{n}{Leaving}";
        Directory.Move(Path.Combine(_options.Folder, name), Path.Combine(_options.Folder, leaving));
        return leaving;
    }

    private string? Remove(string name)
    {
        try
        {
            Directory.Delete(Path.Combine(_options.Folder, name), recursive: true);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotRemoved(name, e.Message);
            return $"{name} could not be removed: {e.Message}";
        }
    }
}
