namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>Real safetensors files over holes: a header and a size, no weights, weighed from disk to footprint.</summary>
public sealed class SparseFileTests
{
    [Theory]
    [MemberData(nameof(HandTyped.Published), MemberType = typeof(HandTyped))]
    public void A_sparse_file_of_hand_typed_tensors_weighs_what_the_model_does(string model, long parameters, long bytes)
    {
        using var folder = new TemporaryFolder();
        var typed = HandTyped.Named(model);
        var written = Write(folder, typed);
        var config = HandTyped.Configuration(typed);
        File.WriteAllText(folder.File("config.json"), config);

        var header = ArtifactReader.Read(folder.Path);
        var footprint = Architecture.FootprintOf(header, "sha256:0");

        Assert.Equal(parameters, footprint.Parameters);
        Assert.Equal(bytes, footprint.Weights.Value);
        Assert.Equal(FootprintSource.Header, footprint.Source);
        Assert.Equal(written + config.Length, footprint.OnDisk.Value);
        Assert.Equal(bytes, footprint.ByDtype.Sum(weight => weight.Weights.Value));
        Assert.Equal(bytes, footprint.Components.Sum(component => component.Weights.Value));
        Assert.Equal(parameters, footprint.Components.Sum(component => component.Parameters));
        Assert.NotNull(footprint.Shape);
    }

    [Fact]
    public void Every_number_of_a_footprint_says_where_it_comes_from()
    {
        using var folder = new TemporaryFolder();
        Write(folder, HandTyped.Llama2);
        File.WriteAllText(folder.File("config.json"), HandTyped.Configuration(HandTyped.Llama2));
        var footprint = Architecture.FootprintOf(ArtifactReader.Read(folder.Path), "sha256:0");
        Assert.Equal(
            ["activeParameters", "byDtype", "components", "diskBytes", "hostLoadPeakBytes", "hostSteadyBytes", "kvBytesPerToken",
                "largestTensorBytes", "parameters", "shape", "stateBytesPerSequence", "trainingCheckpointBytes", "weightBytes"],
            footprint.Provenance.Select(one => one.Number));
        Assert.All(footprint.Provenance, one => Assert.NotEmpty(one.From));
        Assert.Equal("safetensors header: dtype and shape of 291 tensors", footprint.Provenance.Single(one => one.Number == "weightBytes").From);
        Assert.Equal(Certainty.Exact, footprint.Provenance.Single(one => one.Number == "diskBytes").Certainty);
        Assert.Equal(Certainty.Assumed, footprint.Provenance.Single(one => one.Number == "hostLoadPeakBytes").Certainty);
        // 2 × 32 layers × 32 heads × 128 × 2 bytes; 14 bytes a parameter.
        Assert.Equal(524_288, footprint.KvPerToken.Value);
        Assert.Equal(94_337_818_624, footprint.TrainingCheckpoint.Value);
    }

    private static long Write(TemporaryFolder folder, HandTyped typed)
    {
        var tensors = typed.Written().Select(tensor => (tensor.Name, Stored(tensor.Dtype), tensor.Shape.ToArray(), tensor.Bytes)).ToArray();
        var (header, length) = SafetensorsBytes.Sparse(tensors);
        using var file = File.Create(folder.File("model.safetensors"));
        file.Write(header);
        file.SetLength(length);
        return length;
    }

    private static string Stored(string dtype) => dtype switch
    {
        "float32" => "F32",
        "float16" => "F16",
        "uint8" => "U8",
        _ => "BF16",
    };
}
