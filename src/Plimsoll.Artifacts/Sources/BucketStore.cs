using System.Globalization;
using System.Net;
using System.Xml;
using System.Xml.Linq;

namespace Plimsoll.Artifacts;

/// <summary>Objects of an S3-compatible store whose keys begin alike. Asked with the keys of the environment, else as anybody.</summary>
internal sealed class BucketStore : SourceStore
{
    private readonly SourceAddress.Bucket _folder;
    private readonly Uri _endpoint;
    private readonly string _root;
    private readonly string _region;
    private readonly BucketKeys? _keys;
    private readonly TimeProvider _time;
    private IReadOnlyList<ModelFile>? _files;

    /// <param name="folder">The bucket and the key of the folder.</param>
    /// <param name="settings">AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and its companions.</param>
    /// <param name="time">The clock that signatures carry.</param>
    public BucketStore(SourceAddress.Bucket folder, SourceSettings settings, TimeProvider time)
    {
        (_folder, _time) = (folder, time);
        _region = settings.First("AWS_REGION", "AWS_DEFAULT_REGION") is { } region && IsRegion(region) ? region : "us-east-1";
        _keys = KeysOf(settings);
        if (settings.Endpoint("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") is { } endpoint)
        {
            (_endpoint, _root) = (endpoint, $"{endpoint.AbsolutePath.TrimEnd('/')}/{folder.Name}");
            return;
        }

        var zone = _region.StartsWith("cn-", StringComparison.Ordinal) ? "amazonaws.com.cn" : "amazonaws.com";
        // A bucket with dots in its name fits no certificate of bucket.s3.region.amazonaws.com.
        var hosted = !folder.Name.AsSpan().ContainsAny('.', '_') && !folder.Name.Any(char.IsAsciiLetterUpper);
        _endpoint = new Uri(hosted ? $"https://{folder.Name}.s3.{_region}.{zone}" : $"https://s3.{_region}.{zone}");
        _root = hosted ? "" : $"/{folder.Name}";
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
            // Ordered by name, as the signature wants it.
            var query = (after is null ? "" : $"continuation-token={Uri.EscapeDataString(after)}&")
                + $"list-type=2&max-keys=1000&prefix={Uri.EscapeDataString(prefix)}";
            var url = new UriBuilder(_endpoint) { Path = _root.Length == 0 ? "/" : _root, Query = query }.Uri;
            return Read(reader.ReadListing(Request(url, Name, []), PageBytesMax), prefix, files);
        });
    }

    public override SourceRequest Ask(string name, bool whole)
    {
        var key = _folder.Key.Length == 0 ? name : $"{_folder.Key}/{name}";
        var url = new UriBuilder(_endpoint) { Path = $"{_root}/{Escaped(key)}" }.Uri;
        return Request(url, NameOf(name), whole && _keys is not null ? [new("x-amz-checksum-mode", "ENABLED")] : []);
    }

    private SourceRequest Request(Uri url, string shown, KeyValuePair<string, string>[] more) => new(
        url, shown, _keys is null ? [.. more] : SignatureV4.Sign(url, _region, _keys, _time.GetUtcNow(), more), Refusal);

    private string? Refusal(HttpResponseMessage response)
    {
        if (response.Headers.TryGetValues("x-amz-bucket-region", out var regions) && regions.First() is var region
            && region != _region && IsRegion(region))
            return $"its bucket is in the region {region}; set AWS_REGION={region}";
        return response.StatusCode switch
        {
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => _keys is null
                ? "it was asked for without keys; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                : "the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may not read it (s3:GetObject, and s3:ListBucket for a folder), or are not right",
            HttpStatusCode.NotFound => "there is no such bucket or object",
            HttpStatusCode.MovedPermanently or HttpStatusCode.TemporaryRedirect => "its bucket is elsewhere; set AWS_REGION or AWS_ENDPOINT_URL_S3",
            HttpStatusCode.BadRequest => "it does not take this request; see whether AWS_REGION and AWS_ENDPOINT_URL_S3 are the bucket's",
            _ => null,
        };
    }

    private static BucketKeys? KeysOf(SourceSettings settings)
    {
        var (access, secret) = (settings.Secret("AWS_ACCESS_KEY_ID"), settings.Secret("AWS_SECRET_ACCESS_KEY"));
        if ((access is null) != (secret is null))
            throw new ArtifactException("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together, and only one of them is set.");
        return access is null ? null : new BucketKeys(access, secret!, settings.Secret("AWS_SESSION_TOKEN"));
    }

    private static bool IsRegion(string text) => text.Length is > 0 and <= 40 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    /// <returns>Where the next page begins; null when this is the last.</returns>
    private string? Read(byte[] page, string prefix, List<ModelFile> files)
    {
        try
        {
            using var text = XmlReader.Create(new MemoryStream(page), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null });
            var listing = XElement.Load(text);
            if (listing.Name.LocalName != "ListBucketResult") throw new FormatException();
            foreach (var item in listing.Elements().Where(one => one.Name.LocalName == "Contents"))
            {
                var (key, size) = (Part(item, "Key") ?? "", long.Parse(Part(item, "Size") ?? "", NumberStyles.None, CultureInfo.InvariantCulture));
                if (!key.StartsWith(prefix, StringComparison.Ordinal)) throw new FormatException();
                var name = key[prefix.Length..];
                // Consoles make empty objects that stand for folders.
                if (name.Length > 0 && !name.EndsWith('/')) files.Add(new ModelFile(NameOf(name), size) { Name = name, Validator = Part(item, "ETag") });
            }

            return Part(listing, "IsTruncated") == "true" ? Part(listing, "NextContinuationToken") : null;
        }
        catch (Exception e) when (e is XmlException or FormatException or OverflowException)
        {
            throw new ArtifactException($"{Name} answered with what is no listing of a bucket; see whether AWS_ENDPOINT_URL_S3 is an S3-compatible store.", e);
        }
    }

    private static string? Part(XElement item, string name) => item.Elements().FirstOrDefault(part => part.Name.LocalName == name)?.Value;
}
