using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>Keys of an S3-compatible store. It prints none of them.</summary>
internal sealed class BucketKeys(string accessKey, string secretKey, string? sessionToken)
{
    public string AccessKey { get; } = accessKey;

    public string SecretKey { get; } = secretKey;

    public string? SessionToken { get; } = sessionToken;
}

/// <summary>
/// Signs GET requests for S3-compatible stores, AWS Signature Version 4 in headers (Amazon S3 API Reference,
/// "Authenticating Requests: Using the Authorization Header"). Only a plain GET without a body is ever signed, so that the
/// whole transport stays ours, bounded in bytes and time.
/// </summary>
internal static class SignatureV4
{
    // SHA-256 of nothing: the body of every GET.
    private const string NoBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// <param name="url">As it is sent: escaped, its query ordered by name.</param>
    /// <param name="region">The bucket's region.</param>
    /// <param name="keys">Who asks.</param>
    /// <param name="now">At most fifteen minutes from the server's clock.</param>
    /// <param name="more">Further headers to be sent, names in lower case.</param>
    /// <returns>All headers to be sent, the signature among them.</returns>
    public static ImmutableArray<KeyValuePair<string, string>> Sign(
        Uri url, string region, BucketKeys keys, DateTimeOffset now, params ReadOnlySpan<KeyValuePair<string, string>> more)
    {
        var stamp = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        var scope = $"{stamp[..8]}/{region}/s3/aws4_request";
        var headers = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["x-amz-content-sha256"] = NoBody,
            ["x-amz-date"] = stamp,
        };
        if (keys.SessionToken is { } token) headers["x-amz-security-token"] = token;
        foreach (var (name, value) in more) headers[name] = value;
        var signed = new SortedDictionary<string, string>(headers, StringComparer.Ordinal) { ["host"] = url.Authority };
        var names = string.Join(';', signed.Keys);
        var canonical = new StringBuilder("GET\n").Append(url.AbsolutePath).Append('\n').Append(url.Query.TrimStart('?')).Append('\n');
        foreach (var (name, value) in signed) canonical.Append(name).Append(':').Append(value).Append('\n');
        canonical.Append('\n').Append(names).Append('\n').Append(NoBody);
        var toSign = $"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical.ToString())))}";
        var key = Encoding.UTF8.GetBytes("AWS4" + keys.SecretKey);
        foreach (var part in scope.Split('/')) key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(part));
        var signature = Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign)));
        return [.. headers, new("Authorization", $"AWS4-HMAC-SHA256 Credential={keys.AccessKey}/{scope}, SignedHeaders={names}, Signature={signature}")];
    }
}
