using System.Text;
using Plimsoll.Tests;

namespace Plimsoll.Artifacts.Tests;

public sealed class RemoteArtifactReaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Shards_and_split_files_of_a_web_server_are_read_by_ranges()
    {
        // A gigabyte of which only the header was written.
        var (header, length) = SafetensorsBytes.Sparse(("b", "F16", [500, 1_000_000], 1_000_000_000));
        _folder.Write("model-00001-of-00002.safetensors", SafetensorsBytes.File(("a", "F32", [4], 16)));
        using (var file = File.OpenWrite(_folder.Write("model-00002-of-00002.safetensors", header)))
            file.SetLength(length);
        _folder.Write("model.safetensors.index.json", Encoding.UTF8.GetBytes(
            """{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"""));
        await using var server = await FileServer.StartAsync(_folder.Path);
        using var source = ArtifactSource.Open(
            SourceAddress.Parse($"{server.Address}/model.safetensors.index.json"), SourceSettings.OfProcess, TimeProvider.System, TestContext.Current.CancellationToken);

        var read = ArtifactReader.Read(source.OpenFile());

        Assert.Equal([16L, 1_000_000_000], read.Tensors.Select(tensor => tensor.Bytes));
        Assert.Equal(length, read.Files[2].Bytes);
        Assert.InRange(server.Requests.Count, 3, 6);
    }
}
