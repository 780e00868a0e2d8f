using System.Collections.Concurrent;

namespace Plimsoll.Artifacts;

/// <summary>The files of a store as readers see them. A file is asked for once and kept, with the little that was read of it.</summary>
/// <param name="reader">What asks, within its bounds.</param>
/// <param name="store">Where the files are.</param>
/// <param name="firstBytes">What is read at once of a file's beginning: a shard's header takes about a kilobyte.</param>
internal sealed class RemoteFolder(RangeReader reader, SourceStore store, int firstBytes) : ByteFolder
{
    // Ways to the server and back that are gone at once: enough to hide them, few enough to be welcome.
    private const int AtOnce = 16;

    // What was not there is kept as well, and not asked for again.
    private readonly ConcurrentDictionary<string, Task<RemoteFile>> _opened = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ModelFile>? _listed = store.Files?.ToDictionary(file => file.Name, StringComparer.Ordinal);

    public override string Name => store.Name;

    public override IReadOnlyList<ModelFile>? Files => store.Files;

    public override ByteSource? Open(string name)
    {
        try
        {
            return _listed is not null && !_listed.ContainsKey(name) ? null : Asked(name);
        }
        catch (ArtifactException e) when (e.Missing)
        {
            return null;
        }
        catch (ArtifactException e) when (e.Forbidden && _listed is null)
        {
            // A public bucket that may not be listed says of what is not there that it is forbidden.
            if (!HasAny()) throw;
            return null;
        }
    }

    /// <summary>Opens a file that must be there.</summary>
    /// <exception cref="ArtifactException">It is not.</exception>
    public RemoteFile Asked(string name) => _opened.TryGetValue(name, out var known)
        ? known.GetAwaiter().GetResult() : Task.Run(() => AskedAsync(name)).GetAwaiter().GetResult();

    /// <summary>Asks for the beginnings of many files at once; what cannot be had is told when it is opened.</summary>
    public void Expect(IEnumerable<string> names)
    {
        var wanted = names.Where(name => _listed is null || _listed.ContainsKey(name)).Distinct(StringComparer.Ordinal).ToList();
        Task.Run(() => Parallel.ForEachAsync(wanted, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (name, _) =>
        {
            try
            {
                await AskedAsync(name).ConfigureAwait(false);
            }
            catch (ArtifactException)
            {
                // Kept, and thrown to whoever opens it.
            }
        })).GetAwaiter().GetResult();
    }

    /// <summary>What is known of a file: by the listing, else by asking for it.</summary>
    /// <exception cref="ArtifactException">Nobody lists it, and it is not there.</exception>
    public ModelFile? FileOf(string name)
    {
        if (_listed is not null) return _listed.GetValueOrDefault(name);
        var file = Asked(name);
        return new ModelFile(file.Name, file.Length) { Name = name, Validator = file.Validator };
    }

    public SourceRequest Ask(string name) => store.Ask(name, whole: false);

    private bool HasAny()
    {
        if (!_opened.Values.Any(one => one.IsCompletedSuccessfully)) Expect(["config.json", "model_index.json", "adapter_config.json"]);
        return _opened.Values.Any(one => one.IsCompletedSuccessfully);
    }

    private Task<RemoteFile> AskedAsync(string name) =>
        _opened.GetOrAdd(name, one => RemoteFile.OpenAsync(reader, this, one, firstBytes, _listed?.GetValueOrDefault(one)));
}
