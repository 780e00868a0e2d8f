using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Artifacts.Tests;

public sealed class BucketStoreTests : IAsyncLifetime
{
    private const string Access = "AKIDTEST";
    private const string Secret = "s3cr3t/Key+x";

    private readonly SortedDictionary<string, (byte[] Beginning, long Length)> _objects = new(StringComparer.Ordinal);
    private StubServer _server = null!;
    private bool _anybody;
    private int _pageSize = 1000;

    public async ValueTask InitializeAsync() => _server = await StubServer.StartAsync(AnswerAsync);

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public void A_sharded_model_of_400_GB_is_read_with_less_than_700_KB_and_every_request_is_signed()
    {
        foreach (var (name, file) in ShardedModel.Files) _objects[$"models/big one/{name}"] = file;
        _objects["models/big one/"] = ([], 0);
        _objects["models/big one too/config.json"] = ([1], 1);
        _pageSize = 90;

        using var source = StubServer.Open("s3://bucket/models/big one", Keys());
        ShardedModel.AssertRead(source);

        Assert.False(source.IsFile);
        Assert.Equal(202, source.Files!.Count);
        Assert.InRange(source.Files.Sum(file => file.Bytes), 400_000_000_000, 400_001_000_000);
        Assert.Equal(("s3://bucket/models/big one/config.json", "config.json"), (source.Files[0].Path, source.Files[0].Name));
        Assert.InRange(_server.Sent, 200_000, 700_000);
        Assert.Equal(3, _server.Asked.Count(asked => asked.Contains("list-type=2", StringComparison.Ordinal)));
    }

    [Fact]
    public void One_object_is_a_file_and_others_beside_it_are_found()
    {
        _objects["a/m+x.gguf"] = ([7, 8, 9], 3);
        _objects["a/é/w 1.bin"] = ([5], 1);

        using var source = StubServer.Open("s3://bucket/a/m+x.gguf", Keys(("AWS_SESSION_TOKEN", "tok/en==")));
        using var file = source.OpenFile();

        Assert.True(source.IsFile);
        Assert.Equal(("s3://bucket/a/m+x.gguf", 3L, "\"tag\""), (file.Name, file.Length, file.Validator));
        Assert.Equal(1, file.OpenBeside("é/w 1.bin")!.Length);
        Assert.Null(file.OpenBeside("none.bin"));
        Assert.DoesNotContain(_server.Asked, asked => asked.Contains("list-type", StringComparison.Ordinal));
    }

    [Fact]
    public void An_object_without_an_ending_is_told_from_a_folder()
    {
        _objects["a/model"] = ([1, 2], 2);
        _objects["a/model2/x"] = ([1], 1);

        using var file = StubServer.Open("s3://bucket/a/model", Keys());
        using var folder = StubServer.Open("s3://bucket/a/", Keys());

        Assert.True(file.IsFile);
        Assert.Equal(["model", "model2/x"], folder.Files!.Select(one => one.Name));
    }

    [Fact]
    public void Anybody_may_read_a_public_bucket_and_is_told_what_would_do_otherwise()
    {
        _objects["m.gguf"] = ([1], 1);
        var nobody = StubServer.Settings(("AWS_ENDPOINT_URL_S3", _server.Address));
        Assert.Contains("s3://bucket/m.gguf answered 403 Forbidden: it was asked for without keys; set AWS_ACCESS_KEY_ID",
            StubServer.Refusal("s3://bucket/m.gguf", nobody), StringComparison.Ordinal);

        _anybody = true;
        using var source = StubServer.Open("s3://bucket/m.gguf", nobody);

        Assert.Equal(1, source.OpenFile().Length);
        Assert.All(_server.Authorizations, header => Assert.Equal("", header));
    }

    [Fact]
    public void Wrong_keys_a_wrong_region_and_nothing_there_are_sentences_without_keys()
    {
        var wrong = StubServer.Settings(("AWS_ENDPOINT_URL", _server.Address), ("AWS_ACCESS_KEY_ID", "AKIDHIDDEN"), ("AWS_SECRET_ACCESS_KEY", "hidden"));
        Refused(wrong, "m.gguf", "answered 403 Forbidden: the keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY may not read it");
        Refused(Keys(("AWS_REGION", "eu-west-1")), "m.gguf", "its bucket is in the region us-east-1; set AWS_REGION=us-east-1");
        Refused(Keys(), "m.gguf", "answered 404 Not Found: there is no such bucket or object.");
        Refused(Keys(), "folder/", "s3://bucket/folder holds no object.");
        Refused(StubServer.Settings(("AWS_ACCESS_KEY_ID", Access)), "m.gguf", "go together, and only one of them is set");
        Refused(Keys(("AWS_SESSION_TOKEN", "a b")), "m.gguf", "AWS_SESSION_TOKEN holds no token");

        static void Refused(SourceSettings settings, string key, string part)
        {
            var message = StubServer.Refusal($"s3://bucket/{key}", settings);
            Assert.Contains(part, message, StringComparison.Ordinal);
            Assert.DoesNotContain("hidden", message, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(Secret, message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("a\\b")]
    public void A_listing_that_leads_elsewhere_is_refused(string name)
    {
        _objects[$"a/{name}"] = ([1], 1);

        Assert.Contains("whose name is not a plain path", StubServer.Refusal("s3://bucket/a/", Keys()), StringComparison.Ordinal);
    }

    private SourceSettings Keys(params (string, string)[] more) => StubServer.Settings(
        [("AWS_ENDPOINT_URL_S3", _server.Address), ("AWS_ACCESS_KEY_ID", Access), ("AWS_SECRET_ACCESS_KEY", Secret), .. more]);

    private Task AnswerAsync(StubServer server, HttpContext context)
    {
        var region = context.Request.Headers.Authorization.ToString().Contains("/eu-west-1/", StringComparison.Ordinal) ? "eu-west-1" : "us-east-1";
        var token = context.Request.Headers["x-amz-security-token"].Count > 0 ? "tok/en==" : null;
        if (!_anybody && SignatureCheck.Wrong(context, Access, Secret, region, token) is not null) return server.TextAsync(context, "<Error/>", 403);
        if (region != "us-east-1")
        {
            context.Response.Headers["x-amz-bucket-region"] = "us-east-1";
            return server.TextAsync(context, "<Error/>", 301);
        }

        var query = context.Request.Query;
        var path = context.Request.Path.Value!;
        if (query["list-type"] == "2" && path == "/bucket") return ListAsync(server, context, query["prefix"].ToString(), query["continuation-token"].ToString());
        return path.StartsWith("/bucket/", StringComparison.Ordinal) && _objects.TryGetValue(path["/bucket/".Length..], out var found)
            ? server.SendAsync(context, found.Beginning, found.Length, "\"tag\"") : server.TextAsync(context, "<Error/>", 404);
    }

    private Task ListAsync(StubServer server, HttpContext context, string prefix, string after)
    {
        var left = _objects.Where(one => one.Key.StartsWith(prefix, StringComparison.Ordinal)
            && string.CompareOrdinal(one.Key, after) > 0).ToList();
        var page = left.Take(_pageSize).Select(one => string.Create(CultureInfo.InvariantCulture,
            $"<Contents><Key>{WebUtility.HtmlEncode(one.Key)}</Key><ETag>&quot;{one.Value.Length}&quot;</ETag><Size>{one.Value.Length}</Size><Owner><ID>x</ID></Owner></Contents>"));
        var more = left.Count > _pageSize;
        return server.TextAsync(context, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
            + $"<IsTruncated>{(more ? "true" : "false")}</IsTruncated>{string.Concat(page)}"
            + (more ? $"<NextContinuationToken>{WebUtility.HtmlEncode(left[_pageSize - 1].Key)}</NextContinuationToken>" : "") + "</ListBucketResult>");
    }
}
