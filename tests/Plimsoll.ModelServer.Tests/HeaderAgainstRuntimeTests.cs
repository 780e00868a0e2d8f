using Microsoft.ML.OnnxRuntime;
using Plimsoll.Artifacts;

namespace Plimsoll.ModelServer.Tests;

public sealed class HeaderAgainstRuntimeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-server-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_header_reader_sees_what_ONNX_Runtime_sees(bool external)
    {
        var model = await ServerProcess.ModelAsync(_folder, external: external);
        var header = OnnxHeader.Read(model.Path);
        using var session = new InferenceSession(model.Path);

        Assert.Equal(session.InputMetadata.Keys, header.Inputs.Select(input => input.Name));
        Assert.Equal(session.OutputMetadata.Keys, header.Outputs.Select(output => output.Name));
        foreach (var value in header.Inputs)
            AssertSame(session.InputMetadata[value.Name], value);
        foreach (var value in header.Outputs)
            AssertSame(session.OutputMetadata[value.Name], value);
    }

    [Fact]
    public async Task The_skeleton_with_its_weights_put_back_is_the_whole_model()
    {
        var model = await ServerProcess.ModelAsync(_folder);
        var skeleton = OnnxSkeleton.Of(OnnxHeader.Read(model.Path));

        Assert.Equal(skeleton.SkeletonBytes, skeleton.Pieces.Sum(piece => piece.Length));
        Assert.True(skeleton.SkeletonBytes < 50_000);
        // Every byte of the file is in the skeleton, replaced by it, or a weight, and no byte twice.
        var covered = skeleton.Pieces.Sum(piece => piece.Bytes);
        Assert.Equal(new FileInfo(model.Path).Length, covered);
        Assert.True(skeleton.WeightMemoryBytes - skeleton.Weights.Sum(weight => weight.Bytes) < 64 * skeleton.Weights.Length);
    }

    private static void AssertSame(NodeMetadata runtime, OnnxValue header)
    {
        Assert.Equal(runtime.ElementDataType, TensorType.Of(header.Type)!.Runtime);
        Assert.Equal(runtime.Dimensions, header.Dimensions!.Value.Select(axis => (int)(axis.Length ?? -1)));
        Assert.Equal(runtime.SymbolicDimensions, header.Dimensions!.Value.Select(axis => axis.Name ?? ""));
    }
}
