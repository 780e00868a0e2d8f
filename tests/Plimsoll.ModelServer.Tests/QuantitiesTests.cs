namespace Plimsoll.ModelServer.Tests;

public sealed class QuantitiesTests
{
    [Theory]
    [InlineData("1048576", 1_048_576)]
    [InlineData("200MB/s", 200_000_000)]
    [InlineData("1GiB/s", 1_073_741_824)]
    [InlineData("1.5 GB", 1_500_000_000)]
    [InlineData("64KiB", 65_536)]
    public void Sizes_and_rates_are_read_as_people_write_them(string text, long bytes)
    {
        Assert.True(Quantities.TryBytes(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("2ms", 0.002)]
    [InlineData("1.5s", 1.5)]
    [InlineData("10m", 600)]
    [InlineData("0", 0)]
    public void Durations_are_read_with_their_unit(string text, double seconds)
    {
        Assert.True(Quantities.TryDuration(text, out var read));
        Assert.Equal(seconds, read.TotalSeconds, 6);
    }

    [Theory]
    [InlineData("")]
    [InlineData("MB")]
    [InlineData("-1MB")]
    [InlineData("1e30")]
    [InlineData("ten")]
    public void What_is_no_size_is_refused(string text) => Assert.False(Quantities.TryBytes(text, out _));
}
