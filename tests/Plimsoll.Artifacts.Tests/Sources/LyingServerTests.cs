using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;

namespace Plimsoll.Artifacts.Tests;

public sealed class LyingServerTests
{
    private const string Part = "HTTP/1.1 206 Partial Content\r\nConnection: close\r\n";

    [Theory]
    [InlineData(Part + "Content-Range: bytes 5-8/100\r\nContent-Length: 4\r\n\r\nabcd", "sent another part than it was asked for")]
    [InlineData(Part + "Content-Range: bytes 0-3/2\r\nContent-Length: 4\r\n\r\nabcd", "sent another part than it was asked for")]
    [InlineData(Part + "Content-Range: bytes 0-3/0\r\nContent-Length: 4\r\n\r\nabcd", "sent another part than it was asked for")]
    [InlineData(Part + "Content-Range: bytes 0-3/*\r\nContent-Length: 4\r\n\r\nabcd", "sent another part than it was asked for")]
    [InlineData(Part + "Content-Range: bytes 0-9/9223372036854775807\r\nContent-Length: 4\r\n\r\nabcd", "sent another part than it was asked for")]
    [InlineData(Part + "Content-Range: nonsense\r\nContent-Length: 4\r\n\r\nabcd", "sent another part than it was asked for")]
    [InlineData(Part + "Content-Length: 4\r\n\r\nabcd", "sent another part than it was asked for")]
    [InlineData(Part + "Content-Range: bytes 0-9/10\r\nContent-Length: 4\r\n\r\nabcd", "ended after 4 of 10 bytes that were asked for")]
    [InlineData(Part + "Content-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\nabcd", "cannot be reached")]
    [InlineData(Part + "Content-Encoding: gzip\r\nContent-Range: bytes 0-3/4\r\nContent-Length: 4\r\n\r\nabcd", "is sent compressed")]
    [InlineData(Part + "Content-Range: bytes 0-65535/9223372036854775807\r\nContent-Length: 65536\r\n\r\n", "is said to have 9223372036854775807 bytes, which no file of a model has")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775807\r\n\r\n", "is said to have 9223372036854775807 bytes, which no file of a model has")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "does not tell its size")]
    [InlineData("HTTP/1.1 302 Found\r\nLocation: https://[nonsense\r\nContent-Length: 0\r\n\r\n", "redirects to ")]
    [InlineData("HTTP/1.1 418 token=hidden is wrong\r\nContent-Length: 0\r\n\r\n", "answered 418.")]
    [InlineData("220 smtp.example.org hidden ESMTP\r\n", "what answers there does not speak HTTP")]
    [InlineData("", "cannot be reached")]
    public async Task A_server_that_lies_is_told_in_one_sentence(string answer, string part)
    {
        await using var server = new RawServer(_ => answer);

        var message = StubServer.Refusal($"{server.Address}/m.gguf?token=hidden", StubServer.Settings());

        Assert.StartsWith($"{server.Address}/m.gguf", message, StringComparison.Ordinal);
        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_body_without_end_only_what_was_asked_for_is_read()
    {
        await using var server = new RawServer(_ => "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-65535/400000000000\r\n\r\n", endless: true);

        using (var source = StubServer.Open($"{server.Address}/m.gguf", StubServer.Settings()))
        {
            Assert.Equal(400_000_000_000, source.OpenFile().Length);
            Assert.Equal(65_536, source.BytesRead);
        }

        // What the sockets on the way hold, and no more.
        Assert.InRange(server.Sent, 0, 64_000_000);
    }

    [Fact]
    public async Task A_listing_without_end_is_cut()
    {
        await using var server = new RawServer(_ => "HTTP/1.1 200 OK\r\n\r\n", endless: true);

        var message = StubServer.Refusal("hf://org/name", StubServer.Settings(("HF_ENDPOINT", server.Address)));

        Assert.Contains("hf://org/name has a listing of more than ", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_ignores_ranges_is_not_read_whole()
    {
        await using var server = new RawServer(_ => "HTTP/1.1 200 OK\r\nContent-Length: 400000000000\r\n\r\n", endless: true);

        using var source = StubServer.Open($"{server.Address}/m.gguf", StubServer.Settings());
        using var file = source.OpenFile();

        Assert.Equal(0, source.BytesRead);
        Assert.Contains("its server knows no ranges", Assert.Throws<ArtifactException>(() => file.Read(new byte[8], 0)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ETag: \"two\"\r\n", 400)]
    [InlineData("ETag: \"one\"\r\n", 401)]
    public async Task A_file_that_changes_between_two_requests_is_told(string tag, int megabytes)
    {
        await using var server = new RawServer(head =>
        {
            var first = head.Contains("bytes=0-", StringComparison.Ordinal);
            var range = first ? "0-65535" : "100000-100007";
            return $"{Part}{(first ? "ETag: \"one\"\r\n" : tag)}Content-Range: bytes {range}/{(first ? 400 : megabytes)}000000\r\n\r\n{new string('x', first ? 65_536 : 8)}";
        });
        using var source = StubServer.Open($"{server.Address}/m.gguf", StubServer.Settings());

        var message = Assert.Throws<ArtifactException>(() => source.OpenFile().Read(new byte[8], 100_000)).Message;

        Assert.Contains("changed while its header was read; try again.", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_waited_for_a_minute_and_no_longer()
    {
        var time = new FakeTimeProvider();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var address = SourceAddress.Parse($"http://{listener.LocalEndpoint}/m.gguf");

        var opening = Task.Run(() => ArtifactSource.Open(address, StubServer.Settings(), time, CancellationToken.None), TestContext.Current.CancellationToken);
        using var connection = await listener.AcceptSocketAsync(TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromMinutes(1));

        var away = await Assert.ThrowsAsync<ArtifactException>(() => opening);
        Assert.EndsWith("/m.gguf: its header could not be read within 60 s.", away.Message, StringComparison.Ordinal);
        Assert.True(away.Unreachable);
    }

    [Fact]
    public async Task A_host_that_nobody_knows_and_a_port_without_TLS_are_sentences()
    {
        Assert.Contains("cannot be reached: the name of its host is not known.",
            StubServer.Refusal("https://no-such-host.invalid/m.gguf", StubServer.Settings()), StringComparison.Ordinal);
        await using var server = new RawServer(_ => "HTTP/1.1 200 OK\r\n\r\n");
        Assert.Contains("/m.gguf cannot be reached: ",
            StubServer.Refusal($"{server.Address.Replace("http:", "https:", StringComparison.Ordinal)}/m.gguf", StubServer.Settings()), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_asked_prints_as_it_may_be_shown()
    {
        var request = SourceRequest.Of(new Uri("https://me:hidden@h/m.gguf?sig=hidden"));

        Assert.Equal("https://h/m.gguf", request.ToString());
        Assert.DoesNotContain("hidden", new BucketKeys("hidden", "hidden", "hidden").ToString(), StringComparison.Ordinal);
    }
}
