using System.Security.Cryptography;

namespace Plimsoll.Artifacts.Tests;

public sealed class SampleModelsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(25_000_000)]
    [InlineData(250_000_000)]
    [InlineData(1_500_000_000)]
    [InlineData(7_000_000_000)]
    public void A_models_weights_come_within_one_percent_of_the_size_asked_for(long bytes) =>
        Assert.InRange(SampleModel.OfSize("m", bytes).WeightBytes, bytes * 0.99, bytes);

    [Fact]
    public async Task The_same_seed_gives_the_same_bytes_and_another_seed_others()
    {
        var cancel = TestContext.Current.CancellationToken;
        var first = await SampleModels.EnsureAsync(_folder.File("a"), "m", 400_000, seed: 7, cancel: cancel);
        var same = await SampleModels.EnsureAsync(_folder.File("b"), "m", 400_000, seed: 7, cancel: cancel);
        var other = await SampleModels.EnsureAsync(_folder.File("c"), "m", 400_000, seed: 8, cancel: cancel);

        Assert.Equal(Sum(first.Path), Sum(same.Path));
        Assert.NotEqual(Sum(first.Path), Sum(other.Path));
        // Pinned, so that a change of the bytes is a decision (raise SampleModel.FormatVersion) and no accident.
        Assert.Equal("6e2e90e80fdb051ba9ca57bb357961930b226c6eeee96b6f846e95879a25b0d0", Sum(first.Path));
    }

    [Fact]
    public async Task The_header_of_a_written_model_tells_the_parameters_of_its_shape()
    {
        var made = await SampleModels.EnsureAsync(_folder.Path, "m", 2_000_000, cancel: TestContext.Current.CancellationToken);

        var header = OnnxHeader.Read(made.Path);

        // Shape and scalar constants are the graph's own: 1 + 1 + 4 + 3 integers, 4 numbers.
        Assert.Equal(made.Model.Parameters + 13, header.ParameterCount);
        Assert.Equal(made.Files, header.Files);
    }

    [Fact]
    public async Task External_data_holds_the_weights_when_asked_for()
    {
        var made = await SampleModels.EnsureAsync(
            _folder.Path, "m", 2_000_000, externalData: true, cancel: TestContext.Current.CancellationToken);

        var header = OnnxHeader.Read(made.Path);

        Assert.Equal(2, header.Files.Length);
        Assert.True(header.Files[0].Bytes < 200_000);
        Assert.InRange(header.Files[1].Bytes, 1_800_000, 2_200_000);
    }

    [Fact]
    public async Task A_whole_model_is_left_alone()
    {
        var cancel = TestContext.Current.CancellationToken;
        var first = await SampleModels.EnsureAsync(_folder.Path, "m", 400_000, cancel: cancel);
        var second = await SampleModels.EnsureAsync(_folder.Path, "m", 400_000, cancel: cancel);
        var verified = await SampleModels.EnsureAsync(_folder.Path, "m", 400_000, verify: true, cancel: cancel);

        Assert.Equal("it was missing", first.MadeBecause);
        Assert.Null(second.MadeBecause);
        Assert.Null(verified.MadeBecause);
    }

    [Fact]
    public async Task A_cut_a_flipped_a_stale_and_an_unmarked_model_are_made_again()
    {
        var cancel = TestContext.Current.CancellationToken;
        var made = await SampleModels.EnsureAsync(_folder.Path, "m", 400_000, cancel: cancel);
        var sum = Sum(made.Path);

        using (var file = File.OpenWrite(made.Path))
            file.SetLength(file.Length / 2);
        Assert.Contains("bytes instead of", await EnsureAgain(cancel), StringComparison.Ordinal);
        Assert.Equal(sum, Sum(made.Path));

        Flip(made.Path);
        Assert.Equal("m.onnx's checksum differed", await EnsureAgain(cancel));
        Assert.Equal(sum, Sum(made.Path));

        // Even a flip that kept the modification time is found when asked to look.
        var time = File.GetLastWriteTimeUtc(made.Path);
        Flip(made.Path);
        File.SetLastWriteTimeUtc(made.Path, time);
        var verified = await SampleModels.EnsureAsync(_folder.Path, "m", 400_000, verify: true, cancel: cancel);
        Assert.Equal("m.onnx's checksum differed", verified.MadeBecause);

        File.Delete(made.Path + ".manifest.json");
        Assert.Equal("its manifest was missing or unreadable", await EnsureAgain(cancel));
        var larger = await SampleModels.EnsureAsync(_folder.Path, "m", 500_000, cancel: cancel);
        Assert.Equal("it was made for another shape", larger.MadeBecause);
    }

    [Fact]
    public async Task A_touched_but_whole_model_is_kept_and_remembered()
    {
        var cancel = TestContext.Current.CancellationToken;
        var made = await SampleModels.EnsureAsync(_folder.Path, "m", 400_000, cancel: cancel);
        File.SetLastWriteTimeUtc(made.Path, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));

        Assert.Null(await EnsureAgain(cancel));
    }

    [Fact]
    public async Task A_cancelled_writing_leaves_nothing_behind()
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => SampleModels.EnsureAsync(_folder.Path, "m", 400_000, cancel: cancel.Token));

        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public async Task A_folder_that_cannot_be_made_is_one_sentence()
    {
        var file = _folder.Write("file", []);

        var error = await Assert.ThrowsAsync<ArtifactException>(
            () => SampleModels.EnsureAsync(
            Path.Combine(file, "models"), "m", 400_000, cancel: TestContext.Current.CancellationToken));

        Assert.Contains("cannot be written", error.Message, StringComparison.Ordinal);
    }

    private async Task<string?> EnsureAgain(CancellationToken cancel) =>
        (await SampleModels.EnsureAsync(_folder.Path, "m", 400_000, cancel: cancel)).MadeBecause;

    private static void Flip(string path)
    {
        var bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    private static string Sum(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
}
