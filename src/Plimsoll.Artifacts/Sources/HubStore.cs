using System.Collections.Immutable;
using System.Net;
using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>
/// One commit of a model on a hub, the public one or any with its API. The token goes to the hub's own host only: large
/// files are redirected to others. What the hub says of each file, its size and for large ones its SHA-256, is the listing.
/// </summary>
internal sealed class HubStore : SourceStore
{
    private const string Public = "https://huggingface.co";

    private readonly SourceAddress.Hub _model;
    private readonly Uri _endpoint;
    private readonly ImmutableArray<KeyValuePair<string, string>> _headers;
    private readonly string _below;
    private string _commit;
    private IReadOnlyList<ModelFile>? _files;

    /// <param name="model">The model, and the folder in it.</param>
    /// <param name="settings">HF_ENDPOINT, HF_TOKEN, or the token file below HF_HOME.</param>
    public HubStore(SourceAddress.Hub model, SourceSettings settings)
    {
        (_model, _commit) = (model, model.Revision);
        _below = model.Path.Length == 0 ? "" : model.Path + "/";
        _endpoint = settings.Endpoint("HF_ENDPOINT") ?? new Uri(Public);
        _headers = HubFolders.Token(settings) is { } token ? [new("Authorization", $"Bearer {token}")] : [];
    }

    private HubStore(HubStore other, SourceAddress.Hub model)
    {
        (_model, _commit, _endpoint, _headers) = (model, other._commit, other._endpoint, other._headers);
        _below = model.Path.Length == 0 ? "" : model.Path + "/";
    }

    public override string Name => _model.Shown;

    public override IReadOnlyList<ModelFile>? Files => _files;

    /// <summary>Asks what the model consists of, and stays with that commit.</summary>
    /// <returns>The folder, and the file in it that the address itself names; null where it names the folder.</returns>
    /// <exception cref="ArtifactException">The hub does not say.</exception>
    public (HubStore Folder, string? File) List(RangeReader reader)
    {
        var url = Url($"/api/models/{_model.Repository}/revision/{Uri.EscapeDataString(_model.Revision)}", "blobs=true");
        var all = Read(reader.ReadListing(new SourceRequest(url, Name, _headers, Refusal), PageBytesMax));
        if (all.Count > FilesMax) throw new ArtifactException($"{Name} holds more than {FilesMax} files; name the model's own folder.");
        if (_model.Path.Length > 0 && all.Any(file => file.Name == _model.Path))
        {
            var slash = _model.Path.LastIndexOf('/');
            var above = new HubStore(this, _model with { Path = _model.Path[..Math.Max(slash, 0)] });
            above._files = above.Below(all);
            return (above, _model.Path[(slash + 1)..]);
        }

        _files = Below(all);
        return _files.Count > 0 ? (this, null) : throw new ArtifactException(_below.Length == 0
            ? $"{Name} holds no file." : $"{Name} does not exist; {_model.Repository} has no such file or folder in {_model.Revision}.")
        { Missing = true };
    }

    public override SourceRequest Ask(string name, bool whole) => new(
        Url($"/{_model.Repository}/resolve/{Uri.EscapeDataString(_commit)}/{Escaped(_below + name)}", ""), NameOf(name), _headers, Refusal);

    private IReadOnlyList<ModelFile> Below(List<ModelFile> all) => Ordered(all.Where(file => file.Name.StartsWith(_below, StringComparison.Ordinal))
        .Select(file => file with { Name = file.Name[_below.Length..] }));

    private Uri Url(string path, string query) =>
        new UriBuilder(_endpoint) { Path = _endpoint.AbsolutePath.TrimEnd('/') + path, Query = query }.Uri;

    private string? Refusal(HttpResponseMessage response)
    {
        var code = response.Headers.TryGetValues("X-Error-Code", out var codes) ? codes.First() : "";
        var known = !_headers.IsEmpty;
        return (code, response.StatusCode) switch
        {
            ("GatedRepo", _) => known
                ? "its owner lets in only whom they know, and the token's account is not among them; ask for access on the model's page"
                : "its owner lets in only whom they know; ask for access on the model's page, and set HF_TOKEN to a token of that account",
            ("RevisionNotFound", _) => $"the model has no revision {_model.Revision}",
            ("EntryNotFound", _) => "the model has no such file",
            // The hub says 401 of private models and of those that do not exist alike.
            ("RepoNotFound", _) or (_, HttpStatusCode.Unauthorized) => known
                ? "there is no such model, or HF_TOKEN is wrong or may not see it" : "there is no such model, or it is private and HF_TOKEN should be set to a token that may read it",
            (_, HttpStatusCode.Forbidden) => known ? "HF_TOKEN may not read it" : "HF_TOKEN should be set to a token that may read it",
            (_, HttpStatusCode.NotFound) => "there is no such model or file",
            (_, HttpStatusCode.TooManyRequests) => known ? null : "it answers no more requests without a token for now; try again later, or set HF_TOKEN",
            _ => null,
        };
    }

    private List<ModelFile> Read(byte[] answer)
    {
        try
        {
            using var listing = JsonDocument.Parse(answer, new JsonDocumentOptions { MaxDepth = 32 });
            if (listing.RootElement.TryGetProperty("sha", out var sha) && sha.GetString() is { Length: > 0 and <= 64 } commit && commit.All(char.IsAsciiLetterOrDigit))
                _commit = commit;
            var files = new List<ModelFile>();
            foreach (var item in listing.RootElement.GetProperty("siblings").EnumerateArray())
            {
                var name = item.GetProperty("rfilename").GetString() ?? "";
                var hash = item.TryGetProperty("lfs", out var lfs) && lfs.ValueKind == JsonValueKind.Object ? lfs.GetProperty("sha256").GetString() : null;
                if (hash is not null && (hash.Length != 64 || !hash.All(char.IsAsciiHexDigitLower))) throw new FormatException();
                var blob = item.TryGetProperty("blobId", out var id) ? id.GetString() : null;
                var size = item.GetProperty("size").GetInt64();
                if (size < 0) throw new FormatException();
                files.Add(new ModelFile((_model with { Path = name }).Shown, size) { Name = name, Sha256 = hash, Validator = hash ?? blob });
            }

            return files;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ArtifactException($"{Name} answered with what is no listing of a model; see whether HF_ENDPOINT is a hub.", e);
        }
    }
}
