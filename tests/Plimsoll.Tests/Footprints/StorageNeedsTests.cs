namespace Plimsoll.Tests.Footprints;

public class StorageNeedsTests
{
    private static readonly Footprint Model = HandShapes.Llama31() with { OnDisk = Bytes.GiB(16) };

    private static readonly StorageOptions Options = new()
    {
        ImageCompressed = Bytes.GiB(9),
        ImageUnpacked = Bytes.GiB(20),
        EngineCaches = Bytes.GiB(1),
        Adapters = Bytes.GiB(2),
        LoadWithin = TimeSpan.FromSeconds(60),
    };

    [Theory]
    [InlineData("download", 16 + 2 + 9 + 20)]
    [InlineData("unpack", 16 + 2 + 20)]
    [InlineData("serve", 16 + 2 + 1 + 20)]
    [InlineData("update", 2 * (16 + 2 + 1) + 20)]
    [InlineData("update with image", 2 * (16 + 2 + 1 + 20) + 9)]
    public void Each_moment_holds_what_is_there_at_once(string moment, int gib)
    {
        var needs = StorageNeeds.Of(Model, Options);
        Assert.Equal(Bytes.GiB(gib), needs.Moments.Single(one => one.Moment == moment).Disk);
    }

    [Fact]
    public void The_peak_is_an_update_with_its_image() =>
        Assert.Equal(Bytes.GiB(87), StorageNeeds.Of(Model, Options).Peak);

    [Fact]
    public void An_archive_lies_beside_what_it_unpacks_to() =>
        Assert.Equal(
            Bytes.GiB(16 + 2 + 16 + 20),
            StorageNeeds.Of(Model, Options with { Unpacks = true }).Moments.Single(one => one.Moment == "unpack").Disk);

    [Fact]
    public void Bandwidth_is_what_the_time_asked_for_takes()
    {
        // 18 GiB in 60 s from disk; 27 GiB over the network.
        var needs = StorageNeeds.Of(Model, Options);
        Assert.Equal(322_122_548, needs.DiskBandwidth.Value);
        Assert.Equal(483_183_821, needs.NetworkBandwidth.Value);
    }
}
