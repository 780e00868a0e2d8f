using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Plimsoll.Artifacts.Tests;

public sealed class GoogleStoreTests : IAsyncLifetime
{
    private const string Token = "ya29.s3cr3t";

    private readonly Dictionary<string, byte[]> _objects = new(StringComparer.Ordinal)
    {
        ["m/config.json"] = [1, 2],
        ["m/sub/a b+é.gguf"] = [3, 4, 5],
        ["m/sub/"] = [],
        ["m2/x"] = [9],
    };

    private StubServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await StubServer.StartAsync(AnswerAsync);

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public void A_folder_is_listed_page_by_page_and_its_files_are_those_that_were_listed()
    {
        using var source = StubServer.Open("gs://bucket/m", Settings(("GOOGLE_OAUTH_ACCESS_TOKEN", Token)));
        using var file = source.OpenFolder().Open("sub/a b+é.gguf")!;

        Assert.Equal(["config.json 2 7", "sub/a b+é.gguf 3 7"], source.Files!.Select(one => $"{one.Name} {one.Bytes} {one.Validator}"));
        Assert.Equal(3, file.Length);
        Assert.Equal("gs://bucket/m/sub/a b+é.gguf", file.Name);
        Assert.Equal("/storage/v1/b/bucket/o/m%2Fsub%2Fa%20b%2B%C3%A9.gguf?alt=media&generation=7", _server.Asked.Last());
        Assert.All(_server.Authorizations, header => Assert.Equal($"Bearer {Token}", header));
    }

    [Fact]
    public void One_object_is_a_file_and_a_token_that_is_needed_is_asked_for()
    {
        using var source = StubServer.Open("gs://bucket/m/sub/a b+é.gguf", Settings(("CLOUDSDK_AUTH_ACCESS_TOKEN", Token)));
        Assert.True(source.IsFile);

        Assert.Contains("it was asked for without a token; set GOOGLE_OAUTH_ACCESS_TOKEN", StubServer.Refusal("gs://bucket/m", Settings()), StringComparison.Ordinal);
        var message = StubServer.Refusal("gs://bucket/m", Settings(("GOOGLE_OAUTH_ACCESS_TOKEN", "hidden")));
        Assert.Contains("may not read it, or has run out", message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", message, StringComparison.Ordinal);
        Assert.Contains("there is no such bucket or object",
            StubServer.Refusal("gs://bucket/none", Settings(("GOOGLE_OAUTH_ACCESS_TOKEN", Token))), StringComparison.Ordinal);
    }

    private SourceSettings Settings(params (string, string)[] more) =>
        StubServer.Settings([("STORAGE_EMULATOR_HOST", _server.Address["http://".Length..]), .. more]);

    private Task AnswerAsync(StubServer server, HttpContext context)
    {
        if (context.Request.Headers.Authorization != $"Bearer {Token}")
            return server.TextAsync(context, "{}", context.Request.Headers.Authorization.Count == 0 ? 401 : 403);
        var target = StubServer.RawTarget(context).Split('?')[0];
        const string All = "/storage/v1/b/bucket/o";
        if (target.StartsWith(All + "/", StringComparison.Ordinal))
        {
            return _objects.TryGetValue(Uri.UnescapeDataString(target[(All.Length + 1)..]), out var content)
                ? server.SendAsync(context, content, content.Length) : server.TextAsync(context, "{}", 404);
        }

        // One object a page.
        var query = context.Request.Query;
        var found = _objects.Keys.Where(key => key.StartsWith(query["prefix"].ToString(), StringComparison.Ordinal)).ToList();
        var at = query["pageToken"].Count == 0 ? 0 : int.Parse(query["pageToken"].ToString(), CultureInfo.InvariantCulture);
        if (at >= found.Count) return server.TextAsync(context, "{}");
        var next = at + 1 < found.Count ? string.Create(CultureInfo.InvariantCulture, $",\"nextPageToken\":\"{at + 1}\"") : "";
        return server.TextAsync(context, string.Create(CultureInfo.InvariantCulture,
            $"{{\"items\":[{{\"name\":\"{found[at]}\",\"size\":\"{_objects[found[at]].Length}\",\"generation\":\"7\"}}]{next}}}"));
    }
}
