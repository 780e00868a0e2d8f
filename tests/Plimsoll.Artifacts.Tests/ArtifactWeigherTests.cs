namespace Plimsoll.Artifacts.Tests;

public sealed class ArtifactWeigherTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_sample_models_footprint_is_its_weights_and_files()
    {
        var made = await SampleModels.EnsureAsync(_folder.Path, "m", 1_000_000, cancel: TestContext.Current.CancellationToken);

        var footprint = ArtifactWeigher.Weigh(made.Path).Footprint;

        Assert.Equal((ArtifactFormat.Onnx, FootprintSource.Header), (footprint.Format, footprint.Source));
        Assert.Equal(new FileInfo(made.Path).Length, footprint.OnDisk.Value);
        // Beside the weights, the graph's constants: nine int64 and four floats.
        Assert.Equal(made.Model.WeightBytes + 88, footprint.Weights.Value);
        Assert.Equal(4L * made.Model.Vocabulary * made.Model.Hidden, footprint.LargestTensor.Value);
        Assert.Equal(["float32", "int64"], footprint.ByDtype.Select(part => part.Dtype));
    }

    [Fact]
    public async Task Equal_files_have_equal_digests_and_other_weights_another()
    {
        var cancel = TestContext.Current.CancellationToken;
        var first = await SampleModels.EnsureAsync(_folder.File("a"), "m", 400_000, seed: 1, cancel: cancel);
        var same = await SampleModels.EnsureAsync(_folder.File("b"), "m", 400_000, seed: 1, cancel: cancel);
        var other = await SampleModels.EnsureAsync(_folder.File("c"), "m", 400_000, seed: 2, cancel: cancel);

        Assert.Equal(ArtifactWeigher.Weigh(first.Path).Footprint.Digest, ArtifactWeigher.Weigh(same.Path).Footprint.Digest);
        Assert.NotEqual(ArtifactWeigher.Weigh(first.Path).Footprint.Digest, ArtifactWeigher.Weigh(other.Path).Footprint.Digest);
    }
}
