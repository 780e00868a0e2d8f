using Plimsoll.Tests;
using static Plimsoll.Artifacts.Tests.OnnxBytes;

namespace Plimsoll.Artifacts.Tests;

public sealed class RemoteArtifactTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private FileServer _server = null!;

    public async ValueTask InitializeAsync() => _server = await FileServer.StartAsync(_folder.Path);

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_model_behind_an_address_weighs_what_it_weighs_here_and_little_of_it_is_read()
    {
        var made = await SampleModels.EnsureAsync(_folder.Path, "m", 40_000_000, cancel: TestContext.Current.CancellationToken);
        var here = ArtifactWeigher.Weigh(made.Path).Footprint;

        var there = Weigh("m.onnx");

        Assert.Equal((here.OnDisk, here.Weights, here.LargestTensor, here.Parameters), (there.Footprint.OnDisk,
            there.Footprint.Weights, there.Footprint.LargestTensor, there.Footprint.Parameters));
        Assert.Equal(("m.onnx", here.OnDisk.Value), (there.Files.Single().Name, there.Files.Single().Bytes));
        Assert.InRange(_server.Announced, 64 * 1024, 1_000_000);
    }

    [Fact]
    public void A_gguf_file_is_told_by_its_first_bytes()
    {
        _folder.Write("m.gguf", GgufHeaderTests.Small());

        Assert.Equal(ArtifactFormat.Gguf, Weigh("m.gguf").Footprint.Format);
    }

    [Fact]
    public void A_changed_file_is_another_version_even_where_its_header_and_ends_are_the_same()
    {
        var path = _folder.Write("m.onnx", Model(Tensor(1, [100_000], Content(9, new byte[400_000]))));
        var before = Weigh("m.onnx").Footprint.Digest;
        Assert.Equal(before, Weigh("m.onnx").Footprint.Digest);

        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch);

        Assert.NotEqual(before, Weigh("m.onnx").Footprint.Digest);
    }

    [Fact]
    public void External_data_is_looked_up_beside_the_model()
    {
        Directory.CreateDirectory(_folder.File("data"));
        _folder.Write("m.onnx", Model(Tensor(1, [8], Entry("location", "./data/w 1.bin"), Number(14, 1))));
        _folder.Write("data/w 1.bin", new byte[40]);

        var weighed = Weigh("m.onnx?token=hidden");

        Assert.Equal(["m.onnx", "data/w 1.bin"], weighed.Files.Select(file => file.Name));
        Assert.Equal(40, weighed.Files[1].Bytes);
        Assert.NotNull(weighed.Files[1].Validator);
        Assert.DoesNotContain(weighed.Files, file => file.Path.Contains("hidden", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("../w.bin", "leaves the model's folder")]
    [InlineData("w.bin", "/w.bin answered 404 Not Found.")]
    public void External_data_that_leaves_the_folder_or_is_not_there_is_refused(string location, string part)
    {
        _folder.Write("m.onnx", Model(Tensor(1, [8], Entry("location", location), Number(14, 1))));

        Assert.Contains(part, Refusal("m.onnx"), StringComparison.Ordinal);
        // A name that leaves the folder is not asked for at all: an address has no dots left to look for.
        if (location.StartsWith("..", StringComparison.Ordinal))
            Assert.All(_server.Requests, request => Assert.StartsWith("/m.onnx", request, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_without_ranges_is_read_whole_when_small_and_otherwise_not_at_all()
    {
        _folder.Write("small.onnx", Model(Tensor(1, [1000], Content(9, new byte[4000]))));
        await SampleModels.EnsureAsync(_folder.Path, "large", 8_000_000, cancel: TestContext.Current.CancellationToken);
        _server.Instead = context =>
        {
            context.Request.Headers.Remove("Range");
            return Task.FromResult(false);
        };

        Assert.Equal(4000, Weigh("small.onnx").Footprint.Weights.Value);
        using var large = Open("large.onnx");
        Assert.False(ArtifactWeigher.HasRanges(large));
        Assert.Contains("its server knows no ranges", Assert.Throws<ArtifactException>(() => ArtifactWeigher.Weigh(large)).Message, StringComparison.Ordinal);
        var declared = ArtifactWeigher.Declared(large, ArtifactFormat.Onnx, new Bytes(7_000_000)).Footprint;
        Assert.Equal((7_000_000, new FileInfo(_folder.File("large.onnx")).Length, FootprintSource.Declared),
            (declared.Weights.Value, declared.OnDisk.Value, declared.Source));
    }

    [Fact]
    public async Task A_truncated_file_is_told_from_its_header_alone()
    {
        var made = await SampleModels.EnsureAsync(_folder.Path, "m", 8_000_000, cancel: TestContext.Current.CancellationToken);
        _folder.Write("cut.onnx", File.ReadAllBytes(made.Path)[..5_000_000]);

        Assert.Contains("/cut.onnx is truncated: ", Refusal("cut.onnx"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(302, "/again", "more than 5 redirects")]
    [InlineData(302, "file:///etc/passwd", "which is not followed")]
    [InlineData(403, null, "answered 403 Forbidden: it does not let us in; a signed address")]
    public void What_does_not_answer_properly_is_one_sentence_without_secrets(int status, string? location, string part)
    {
        _server.Instead = context =>
        {
            (context.Response.StatusCode, context.Response.Headers.Location) = (status, location);
            return Task.FromResult(true);
        };

        var message = Refusal("m.onnx?token=hidden");

        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void A_redirect_is_followed_once_and_its_target_asked_from_then_on()
    {
        _folder.Write("m.onnx", Model(Tensor(1, [100_000], Content(9, new byte[400_000]))));
        _server.Instead = context =>
        {
            if (context.Request.Path != "/moved.onnx") return Task.FromResult(false);
            context.Response.Redirect("/m.onnx");
            return Task.FromResult(true);
        };

        Assert.Equal(400_000, Weigh("moved.onnx").Footprint.Weights.Value);
        Assert.Single(_server.Requests, request => request.StartsWith("/moved", StringComparison.Ordinal));
    }

    [Fact]
    public void A_file_that_changes_while_it_is_read_is_noticed()
    {
        var path = _folder.Write("m.onnx", Model(Tensor(1, [100_000], Content(9, new byte[400_000])), Tensor(1, [1], Content(9, new byte[4]))));
        using var remote = Open("m.onnx");
        File.SetLastWriteTimeUtc(path, DateTime.UnixEpoch);

        Assert.Contains("changed while its header was read", Assert.Throws<ArtifactException>(() => ArtifactWeigher.Weigh(remote)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nobody_there_is_one_sentence_and_cancelling_is_no_mistake()
    {
        var nobody = SourceAddress.Parse("http://user:hidden@127.0.0.1:1/m.onnx?token=hidden");
        var message = Assert.Throws<ArtifactException>(() => Open(nobody, CancellationToken.None)).Message;
        Assert.StartsWith("http://127.0.0.1:1/m.onnx cannot be reached: ", message, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", message, StringComparison.Ordinal);

        Assert.ThrowsAny<OperationCanceledException>(() => Open(nobody, new CancellationToken(true)));
    }

    private ArtifactSource Open(string file) =>
        Open(SourceAddress.Parse($"{_server.Address}/{file}"), TestContext.Current.CancellationToken);

    private static ArtifactSource Open(SourceAddress address, CancellationToken cancel) =>
        ArtifactSource.Open(address, new SourceSettings { Variable = _ => null }, TimeProvider.System, cancel);

    private WeighedArtifact Weigh(string file)
    {
        using var remote = Open(file);
        return ArtifactWeigher.Weigh(remote);
    }

    private string Refusal(string file) => Assert.Throws<ArtifactException>(() => Weigh(file)).Message;
}
