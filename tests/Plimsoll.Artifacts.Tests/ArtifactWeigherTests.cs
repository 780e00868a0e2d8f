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

    [Fact]
    public void A_configuration_has_the_working_set_that_its_engine_was_seen_to_take()
    {
        var path = _folder.Write("config.json", System.Text.Encoding.UTF8.GetBytes("""
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
             "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
             "max_position_embeddings": 131072, "torch_dtype": "bfloat16"}
            """));

        var footprint = ArtifactWeigher.Weigh(path).Footprint;

        // vLLM 0.19 logged 1.89 GiB of activation for Llama 3.1 8B, and 0.25 GiB beside it, graphs apart.
        Assert.InRange(footprint.ActivationPeak.Value / 1073741824.0, 1.87, 1.91);
        Assert.True(footprint.RuntimeOverhead > Bytes.GiB(0.25));
        Assert.Contains(footprint.Provenance, one => one is { Number: "activationBytes", Certainty: Certainty.Fitted });
        foreach (var number in new[] { "parameters", "activeParameters", "weightBytes", "diskBytes", "kvBytesPerToken", "overheadBytes" })
            Assert.Contains(footprint.Provenance, one => one.Number == number && one.From.Length > 0);
    }
}
