using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Checks AWS Signature Version 4 on a request as it came over the wire, as a store would: from the raw target and headers.</summary>
internal static class SignatureCheck
{
    /// <returns>Null when the signature is right; else what is wrong.</returns>
    public static string? Wrong(HttpContext context, string accessKey, string secretKey, string region, string? token = null)
    {
        var (request, fields) = (context.Request, new Dictionary<string, string>(StringComparer.Ordinal));
        var authorization = request.Headers.Authorization.ToString();
        if (!authorization.StartsWith("AWS4-HMAC-SHA256 ", StringComparison.Ordinal)) return "no signature";
        foreach (var field in authorization["AWS4-HMAC-SHA256 ".Length..].Split(','))
        {
            var pair = field.Trim().Split('=', 2);
            fields[pair[0]] = pair[1];
        }

        var credential = fields["Credential"].Split('/');
        var stamp = request.Headers["x-amz-date"].ToString();
        if (credential is not [var key, var day, var place, "s3", "aws4_request"]) return "a credential of another form";
        if (key != accessKey || place != region || !stamp.StartsWith(day, StringComparison.Ordinal)) return $"a credential of {key} in {place}";
        if (token is not null && request.Headers["x-amz-security-token"] != token) return "no session token";
        var at = DateTimeOffset.ParseExact(stamp, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        if ((TimeProvider.System.GetUtcNow() - at).Duration() > TimeSpan.FromMinutes(15)) return "a signature of another time";
        var names = fields["SignedHeaders"].Split(';');
        var mustBeSigned = request.Headers.Keys.Select(name => name.ToLowerInvariant())
            .Where(name => name == "host" || name.StartsWith("x-amz-", StringComparison.Ordinal));
        if (mustBeSigned.Except(names).FirstOrDefault() is { } unsigned) return $"{unsigned} is not signed";
        if (!names.SequenceEqual(names.Order(StringComparer.Ordinal))) return "headers out of order";

        var target = StubServer.RawTarget(context).Split('?', 2);
        var query = target.Length < 2 ? "" : string.Join('&', target[1].Split('&').Order(StringComparer.Ordinal));
        var canonical = $"GET\n{target[0]}\n{query}\n{string.Concat(names.Select(name => $"{name}:{request.Headers[name].ToString().Trim()}\n"))}\n"
            + $"{fields["SignedHeaders"]}\n{request.Headers["x-amz-content-sha256"]}";
        var toSign = $"AWS4-HMAC-SHA256\n{stamp}\n{day}/{place}/s3/aws4_request\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        var signing = Hmac(Hmac(Hmac(Hmac(Encoding.UTF8.GetBytes("AWS4" + secretKey), day), place), "s3"), "aws4_request");
        return Hex(Hmac(signing, toSign)) == fields["Signature"] ? null : "a wrong signature";
    }

    private static byte[] Hmac(byte[] key, string text) => HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text));

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
