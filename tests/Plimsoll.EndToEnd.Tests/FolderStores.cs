using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Plimsoll.Artifacts.Tests;

namespace Plimsoll.EndToEnd.Tests;

/// <summary>
/// A folder as its stores show it: "org/name" of a hub, which redirects to another host for the bytes, and the objects of
/// a bucket by its folder's name.
/// </summary>
internal sealed class FolderStores : IAsyncDisposable
{
    public const string Access = "AKIDFLEETTEST";
    public const string Secret = "s3cr3tKeyOfTheFleet";
    public const string Token = "hf_s3cr3tT0kenOfTheFleet";

    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    private readonly string _folder;
    private StubServer _hub = null!;
    private StubServer _elsewhere = null!;
    private StubServer _buckets = null!;
    private StubServer _google = null!;

    private FolderStores(string folder) => _folder = folder;

    /// <summary>Whether nobody comes in without the token or a signature.</summary>
    public bool IsPrivate { get; set; }

    /// <summary>Whether whole files come with a wrong byte in their middle; what is read of them in parts is right.</summary>
    public bool Damages { get; set; }

    public StubServer Hub => _hub;

    public StubServer Elsewhere => _elsewhere;

    /// <summary>What leads a program to these stores, and to nothing that this machine has.</summary>
    public (string Name, string Value)[] Environment =>
        [("HF_ENDPOINT", _hub.Address), ("HF_HOME", Path.Combine(_folder, "none")), ("AWS_ENDPOINT_URL_S3", _buckets.Address), ("AWS_REGION", "us-east-1"),
            ("STORAGE_EMULATOR_HOST", _google.Address), ("GOOGLE_OAUTH_ACCESS_TOKEN", "")];

    /// <summary>What lets it in.</summary>
    public static (string Name, string Value)[] Keys =>
        [("HF_TOKEN", Token), ("AWS_ACCESS_KEY_ID", Access), ("AWS_SECRET_ACCESS_KEY", Secret)];

    public static async Task<FolderStores> StartAsync(string folder)
    {
        var stores = new FolderStores(folder);
        stores._elsewhere = await StubServer.StartAsync((server, context) => stores.SendAsync(server, context, context.Request.Path.Value![1..]));
        stores._hub = await StubServer.StartAsync(stores.HubAsync);
        stores._buckets = await StubServer.StartAsync(stores.BucketAsync);
        stores._google = await StubServer.StartAsync(stores.GoogleAsync);
        return stores;
    }

    public async ValueTask DisposeAsync()
    {
        await _hub.DisposeAsync();
        await _elsewhere.DisposeAsync();
        await _buckets.DisposeAsync();
        await _google.DisposeAsync();
    }

    private Task HubAsync(StubServer server, HttpContext context)
    {
        if (IsPrivate && context.Request.Headers.Authorization != $"Bearer {Token}")
        {
            context.Response.Headers["X-Error-Code"] = "RepoNotFound";
            return server.TextAsync(context, "", 401);
        }

        var parts = context.Request.Path.Value![1..].Split('/');
        if (parts is [var org, var name, "resolve", Commit, .. var rest])
        {
            context.Response.Redirect($"{_elsewhere.Address}/{org}/{name}/{string.Join('/', rest)}?signature=s1gnature");
            return Task.CompletedTask;
        }

        if (parts is not ["api", "models", var owner, var model, "revision", _]) return server.TextAsync(context, "", 404);
        var siblings = Below($"{owner}/{model}/").Select(file => string.Create(CultureInfo.InvariantCulture,
            $"{{\"rfilename\":\"{file.Name}\",\"size\":{file.Bytes.Length},\"blobId\":\"b\",\"lfs\":{{\"sha256\":\"{Hash(file.Bytes)}\",\"size\":{file.Bytes.Length}}}}}"));
        return server.TextAsync(context, $$"""{"id":"{{owner}}/{{model}}","sha":"{{Commit}}","siblings":[{{string.Join(',', siblings)}}]}""");
    }

    private Task BucketAsync(StubServer server, HttpContext context)
    {
        if (IsPrivate && SignatureCheck.Wrong(context, Access, Secret, "us-east-1") is not null) return server.TextAsync(context, "<Error/>", 403);
        var path = context.Request.Path.Value![1..];
        if (context.Request.Query["list-type"] != "2") return SendAsync(server, context, path);
        var prefix = context.Request.Query["prefix"].ToString();
        var objects = Below(path + "/").Where(file => file.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(file => string.Create(CultureInfo.InvariantCulture,
            $"<Contents><Key>{WebUtility.HtmlEncode(file.Name)}</Key><ETag>&quot;{Hash(file.Bytes)[..16]}&quot;</ETag><Size>{file.Bytes.Length}</Size></Contents>"));
        return server.TextAsync(context, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            + $"<IsTruncated>false</IsTruncated>{string.Concat(objects)}</ListBucketResult>");
    }

    // "/storage/v1/b/BUCKET/o" lists, with a name behind it it sends.
    private Task GoogleAsync(StubServer server, HttpContext context)
    {
        if (IsPrivate && context.Request.Headers.Authorization != $"Bearer {Token}") return server.TextAsync(context, "{}", 401);
        var parts = context.Request.Path.Value![1..].Split('/', 6);
        if (parts is ["storage", "v1", "b", var bucket, "o", var name]) return SendAsync(server, context, $"{bucket}/{Uri.UnescapeDataString(name)}");
        var prefix = context.Request.Query["prefix"].ToString();
        var items = Below(parts[3] + "/").Where(file => file.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(file => string.Create(CultureInfo.InvariantCulture,
            $"{{\"name\":\"{file.Name}\",\"size\":\"{file.Bytes.Length}\",\"generation\":\"1\"}}"));
        return server.TextAsync(context, $"{{\"items\":[{string.Join(',', items)}]}}");
    }

    private Task SendAsync(StubServer server, HttpContext context, string path)
    {
        var file = Path.Combine(_folder, path);
        if (!File.Exists(file)) return server.TextAsync(context, "<Error/>", 404);
        var bytes = File.ReadAllBytes(file);
        var whole = context.Request.Headers.Range.Count == 0;
        if (whole) context.Response.Headers["x-amz-checksum-sha256"] = Convert.ToBase64String(SHA256.HashData(bytes));
        var tag = $"\"{Hash(bytes)[..16]}\"";
        if (whole && Damages) bytes[bytes.Length / 2] ^= 1;
        return server.SendAsync(context, bytes, bytes.Length, tag);
    }

    private IEnumerable<(string Name, byte[] Bytes)> Below(string prefix)
    {
        var root = Path.Combine(_folder, prefix);
        return !Directory.Exists(root) ? [] : Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(path => (Path.GetRelativePath(root, path), File.ReadAllBytes(path)));
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
