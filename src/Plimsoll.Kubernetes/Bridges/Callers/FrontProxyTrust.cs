using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Kubernetes.Bridges.Callers;

/// <summary>
/// Which client certificate the API server shows when it passes a request on, and in which headers it says whose request it
/// is: the <c>requestheader-*</c> keys of the ConfigMap <c>kube-system/extension-apiserver-authentication</c>.
/// </summary>
internal sealed class FrontProxyTrust
{
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    private const string CommonName = "2.5.4.3";

    private readonly X509Certificate2Collection _authorities = [];
    private readonly ImmutableArray<string> _names;
    private readonly ImmutableArray<string> _userHeaders;
    private readonly ImmutableArray<string> _uidHeaders;
    private readonly ImmutableArray<string> _groupHeaders;
    private readonly ImmutableArray<string> _extraPrefixes;

    /// <summary>Reads the ConfigMap's data. Without a <c>requestheader-client-ca-file</c> no certificate is trusted.</summary>
    /// <exception cref="ReviewException">A key holds something else than is expected there.</exception>
    public FrontProxyTrust(IDictionary<string, string>? data)
    {
        if (data is not null && data.TryGetValue("requestheader-client-ca-file", out var pem))
        {
            try
            {
                _authorities.ImportFromPem(pem);
            }
            catch (CryptographicException problem)
            {
                throw new ReviewException($"{Source}: requestheader-client-ca-file holds no PEM certificates: {problem.Message}", problem);
            }
        }

        _names = List(data, "requestheader-allowed-names");
        _userHeaders = List(data, "requestheader-username-headers");
        _uidHeaders = List(data, "requestheader-uid-headers");
        _groupHeaders = List(data, "requestheader-group-headers");
        _extraPrefixes = List(data, "requestheader-extra-headers-prefix");
    }

    public static string Source => "ConfigMap kube-system/extension-apiserver-authentication";

    /// <summary>
    /// Whether the certificate was issued by the front proxy's authority, for clients, to an allowed name (any name, when none
    /// is given).
    /// </summary>
    public bool Trusts(X509Certificate2 certificate)
    {
        if (_authorities.Count == 0) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        return chain.Build(certificate) && (_names.IsEmpty || CommonNames(certificate).Any(_names.Contains));
    }

    /// <summary>Whose request it is by the headers; null when they name nobody. Only for who showed a trusted certificate.</summary>
    public Caller? CallerOf(IHeaderDictionary headers)
    {
        if (_userHeaders.Select(header => headers[header].ToString()).FirstOrDefault(name => name.Length > 0) is not { } user) return null;
        var groups = _groupHeaders.SelectMany(header => headers[header]).OfType<string>().Where(group => group.Length > 0);
        var extra = ImmutableSortedDictionary.CreateBuilder<string, ImmutableArray<string>>(StringComparer.Ordinal);
        foreach (var (header, values) in headers)
        {
            if (_extraPrefixes.FirstOrDefault(p => header.StartsWith(p, StringComparison.OrdinalIgnoreCase)) is not { } prefix) continue;

            // A key may hold what no header name may; the API server escapes it.
            var key = Uri.UnescapeDataString(header[prefix.Length..].ToLowerInvariant());
            extra[key] = [.. extra.GetValueOrDefault(key, []), .. values.OfType<string>()];
        }

        return new Caller
        {
            Name = user,
            Uid = _uidHeaders.Select(header => headers[header].ToString()).FirstOrDefault(uid => uid.Length > 0),
            Groups = Caller.WithAuthenticated([.. groups]),
            Extra = extra.ToImmutable(),
        };
    }

    private static IEnumerable<string> CommonNames(X509Certificate2 certificate) =>
        certificate.SubjectName.EnumerateRelativeDistinguishedNames()
            .Where(part => !part.HasMultipleElements && part.GetSingleElementType().Value == CommonName)
            .Select(part => part.GetSingleElementValue())
            .OfType<string>();

    /// <summary>A key's value, a JSON array of texts; nothing when the key is absent.</summary>
    private static ImmutableArray<string> List(IDictionary<string, string>? data, string key)
    {
        if (data is null || !data.TryGetValue(key, out var text)) return [];
        try
        {
            using var json = JsonDocument.Parse(text);
            return [.. json.RootElement.EnumerateArray().Select(element => element.GetString()!)];
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException)
        {
            throw new ReviewException($"{Source}: {key} is not a JSON array of texts", problem);
        }
    }
}
