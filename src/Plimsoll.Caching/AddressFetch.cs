using System.Collections.Immutable;
using Plimsoll.Artifacts;

namespace Plimsoll.Caching;

/// <summary>The files of an artefact at an address, as the cache fetches them: one file with what lies beside it, or a folder.</summary>
internal static class AddressFetch
{
    /// <param name="spec">What is asked for.</param>
    /// <param name="mostFiles">More are refused.</param>
    /// <param name="http">What opens each file.</param>
    /// <param name="settings">Endpoints and tokens.</param>
    /// <param name="time">How long a listing may take.</param>
    /// <param name="cancellationToken">Ends the listing.</param>
    /// <exception cref="FetchFailedException">The source cannot be used; says why.</exception>
    public static FetchSource Of(
        FetchSpec spec, int mostFiles, HttpFetch http, SourceSettings settings, TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            var address = SourceAddress.Parse(spec.Source);
            // One file of a web server is its own listing: its first answer tells all that is known of it.
            if (address is SourceAddress.Web { IsFolder: false } web && !spec.IsFolder && (!spec.Files.IsEmpty || LooksLikeFile(web)))
                return OfFile(spec, web, http);
            if (address is SourceAddress.Web { IsFolder: false } named && spec.IsFolder)
                address = new SourceAddress.Web(new UriBuilder(named.Url) { Path = named.Url.AbsolutePath + "/" }.Uri);
            using var source = ArtifactSource.Open(address, settings, time, cancellationToken);
            if (source.LocalPath is { } path) return FetchSource.OfPath(path, spec, mostFiles, source.LinkRoot);
            if (source.IsFile && address is SourceAddress.Web alone) return OfFile(spec, alone, http);
            return new FetchSource(source.IsFile || spec.ServesFirstFile, Files(spec, source, mostFiles, http));
        }
        catch (ArtifactException unusable)
        {
            throw FetchFailedException.Of(unusable);
        }
    }

    private static bool LooksLikeFile(SourceAddress.Web web) => Path.GetExtension(web.Url.AbsolutePath).Length > 1;

    private static FetchSource OfFile(FetchSpec spec, SourceAddress.Web web, HttpFetch http)
    {
        if (spec.Files.IsEmpty) return new FetchSource(true, [OfUrl(new FetchFile(CacheNames.FileOf(web.Url)), web.Url)]);
        return new FetchSource(true, [.. spec.Files.Select((file, i) => OfUrl(file, i == 0 ? web.Url : FetchSource.Beside(web.Url, file.Name)))]);

        SourceFile OfUrl(FetchFile file, Uri url)
        {
            var request = SourceRequest.Of(url);
            return new SourceFile(file.Name, file.Size?.Value, (offset, validator, checksummed, token) =>
                http.OpenAsync(request, offset, validator, checksummed, token));
        }
    }

    private static ImmutableArray<SourceFile> Files(FetchSpec spec, ArtifactSource source, int mostFiles, HttpFetch http)
    {
        // Weighed by these: what else lies there is not needed to serve.
        var wanted = spec.Files.IsEmpty ? source.FilesToFetch() : [.. spec.Files.Select((file, i) =>
            source.FileOf(i == 0 && source.FileName is { } own ? own : file.Name) ?? throw new FetchFailedException(
                $"{file.Name} is not at {source.Shown} any more; {spec.WhenChanged}"))];
        if (wanted.Count > mostFiles) throw new FetchFailedException($"{source.Shown} has more than {mostFiles} files");
        var files = ImmutableArray.CreateBuilder<SourceFile>(wanted.Count);
        for (var i = 0; i < wanted.Count; i++)
        {
            var (file, name) = (wanted[i], wanted[i].Name);
            var kept = !spec.Files.IsEmpty ? spec.Files[i].Name : source.FileName is null ? name : CacheNames.FileOf(name);
            FetchSource.CheckName(kept, source.Shown);
            files.Add(new SourceFile(kept, file.Bytes, (offset, validator, checksummed, token) =>
                // Asked for at each try, as a signature runs out.
                http.OpenAsync(source.Ask(name), offset, validator, checksummed, token))
            { Sha256 = file.Sha256, Validator = source.IsListed ? file.Validator : null });
        }

        if (files.DistinctBy(file => file.Name, StringComparer.Ordinal).Count() < files.Count)
            throw new FetchFailedException($"{source.Shown} names two files that would have one name in the cache");
        return files.ToImmutable();
    }
}
