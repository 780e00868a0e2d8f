namespace Plimsoll.Artifacts;

/// <summary>
/// A folder behind a plain web server, which lists nothing: files are asked for by the names that readers know or find in
/// an index. The query goes along: it may be what lets us in.
/// </summary>
/// <param name="url">A file in the folder, or the folder itself with a slash at its end.</param>
internal sealed class WebStore(Uri url) : SourceStore
{
    private readonly string _folder = url.AbsolutePath[..(url.AbsolutePath.LastIndexOf('/') + 1)];

    /// <summary>What the address's own file is called; empty for a folder.</summary>
    public string Own { get; } = Uri.UnescapeDataString(url.AbsolutePath[(url.AbsolutePath.LastIndexOf('/') + 1)..]);

    public override string Name => SourceRequest.ShownOf(new UriBuilder(url) { Path = _folder }.Uri).TrimEnd('/');

    public override SourceRequest Ask(string name, bool whole) =>
        SourceRequest.Of(name == Own ? url : new UriBuilder(url) { Path = _folder + Escaped(name) }.Uri);
}
