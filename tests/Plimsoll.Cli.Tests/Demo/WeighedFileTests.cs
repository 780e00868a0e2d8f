using System.Collections.Immutable;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.Tests.Load;

namespace Plimsoll.Cli.Tests.Demo;

public sealed class WeighedFileTests
{
    private static readonly ImmutableSortedDictionary<ModelId, MemoryNeed> Needs =
        ImmutableSortedDictionary<ModelId, MemoryNeed>.Empty.Add(ModelId.Of("small"), new MemoryNeed(Bytes.MiB(130), Bytes.MiB(122)));

    [Fact]
    public void What_was_weighed_is_read_back_under_the_same_key_only()
    {
        using var place = new TemporaryFile("");
        var folder = Path.GetDirectoryName(place.Path)!;
        new WeighedFile("key", Needs).Write(folder);

        Assert.Equal(Needs, WeighedFile.Read(folder, "key")!.Needs);
        Assert.Null(WeighedFile.Read(folder, "another"));
    }

    [Theory]
    [InlineData(122, true)]
    [InlineData(122.5, true)]
    [InlineData(123.5, false)]
    public void It_is_weighed_on_while_a_model_grows(double steadyMiB, bool still)
    {
        Assert.Equal(still, Weigh.IsStill(Needs, Needs.SetItem(ModelId.Of("small"), new MemoryNeed(Bytes.MiB(130), Bytes.MiB(steadyMiB)))));
        Assert.False(Weigh.IsStill(Needs, Needs.Add(ModelId.Of("large"), new MemoryNeed(Bytes.MiB(1), Bytes.MiB(1)))));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("""{"key":"key"}""")]
    public void A_file_that_is_damaged_is_as_good_as_none(string content)
    {
        using var file = new TemporaryFile(content, "weighed.json");

        Assert.Null(WeighedFile.Read(Path.GetDirectoryName(file.Path)!, "key"));
    }
}
