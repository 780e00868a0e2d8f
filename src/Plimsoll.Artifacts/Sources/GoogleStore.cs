using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text.Json;

namespace Plimsoll.Artifacts;

/// <summary>Objects of Google Cloud Storage whose names begin alike, over its JSON API. Asked with a bearer token, else as anybody.</summary>
internal sealed class GoogleStore : SourceStore
{
    private static readonly Uri Public = new("https://storage.googleapis.com");

    private readonly SourceAddress.Bucket _folder;
    private readonly Uri _endpoint;
    private readonly ImmutableArray<KeyValuePair<string, string>> _headers;
    private readonly Dictionary<string, string> _generations = new(StringComparer.Ordinal);
    private IReadOnlyList<ModelFile>? _files;

    /// <param name="folder">The bucket and the name that all begin with.</param>
    /// <param name="settings">GOOGLE_OAUTH_ACCESS_TOKEN or CLOUDSDK_AUTH_ACCESS_TOKEN, and STORAGE_EMULATOR_HOST.</param>
    public GoogleStore(SourceAddress.Bucket folder, SourceSettings settings)
    {
        _folder = folder;
        _endpoint = settings.Endpoint("STORAGE_EMULATOR_HOST") ?? Public;
        _headers = settings.Secret("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN") is { } token
            ? [new("Authorization", $"Bearer {token}")] : [];
    }

    public override string Name => _folder.Shown;

    public override IReadOnlyList<ModelFile>? Files => _files;

    /// <summary>Lists the folder, at most <see cref="SourceStore.FilesMax"/> objects.</summary>
    /// <exception cref="ArtifactException">It may not be listed, or is too large.</exception>
    public void List(RangeReader reader)
    {
        var prefix = _folder.Key.Length == 0 ? "" : _folder.Key + "/";
        _files = Pages((after, files) =>
        {
            var query = $"prefix={Uri.EscapeDataString(prefix)}&maxResults=1000&fields={Uri.EscapeDataString("items(name,size,generation),nextPageToken")}"
                + (after is null ? "" : $"&pageToken={Uri.EscapeDataString(after)}");
            return Read(reader.ReadListing(new SourceRequest(Url("", query), Name, _headers, Refusal), PageBytesMax), prefix, files);
        });
    }

    public override SourceRequest Ask(string name, bool whole)
    {
        var key = _folder.Key.Length == 0 ? name : $"{_folder.Key}/{name}";
        // The generation that was listed, so that what is replaced meanwhile is missing rather than half old.
        var query = _generations.TryGetValue(name, out var generation) ? $"alt=media&generation={generation}" : "alt=media";
        return new SourceRequest(Url("/" + Uri.EscapeDataString(key), query), NameOf(name), _headers, Refusal);
    }

    private Uri Url(string rest, string query) => new UriBuilder(_endpoint)
    {
        Path = $"{_endpoint.AbsolutePath.TrimEnd('/')}/storage/v1/b/{_folder.Name}/o{rest}",
        Query = query,
    }.Uri;

    private string? Refusal(HttpResponseMessage response) => response.StatusCode switch
    {
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => _headers.IsEmpty
            ? "it was asked for without a token; set GOOGLE_OAUTH_ACCESS_TOKEN, for example to what gcloud auth print-access-token prints"
            : "the token of the environment may not read it, or has run out (they last an hour)",
        HttpStatusCode.NotFound => "there is no such bucket or object",
        _ => null,
    };

    private string? Read(byte[] page, string prefix, List<ModelFile> files)
    {
        try
        {
            using var listing = JsonDocument.Parse(page, new JsonDocumentOptions { MaxDepth = 16 });
            if (listing.RootElement.TryGetProperty("items", out var items))
            {
                foreach (var item in items.EnumerateArray())
                {
                    var key = item.GetProperty("name").GetString() ?? "";
                    var size = long.Parse(item.GetProperty("size").GetString() ?? "", NumberStyles.None, CultureInfo.InvariantCulture);
                    var generation = item.TryGetProperty("generation", out var told) ? told.GetString() : null;
                    if (!key.StartsWith(prefix, StringComparison.Ordinal) || generation?.All(char.IsAsciiDigit) == false) throw new FormatException();
                    var name = key[prefix.Length..];
                    if (name.Length == 0 || name.EndsWith('/')) continue;
                    if (generation is not null) _generations[name] = generation;
                    files.Add(new ModelFile(NameOf(name), size) { Name = name, Validator = generation });
                }
            }

            return listing.RootElement.TryGetProperty("nextPageToken", out var next) ? next.GetString() : null;
        }
        catch (Exception e) when (e is JsonException or FormatException or OverflowException or InvalidOperationException or KeyNotFoundException)
        {
            throw new ArtifactException($"{Name} answered with what is no listing of a bucket.", e);
        }
    }
}
