namespace Plimsoll.Tests.Units;

public sealed class DurationTextTests
{
    [Theory]
    [InlineData("200ms", 0.2)]
    [InlineData("2s", 2)]
    [InlineData("1.5min", 90)]
    [InlineData("5m", 300)]
    [InlineData(" 2 h ", 7200)]
    [InlineData("1d", 86_400)]
    public void A_duration_has_a_number_and_a_unit(string text, double seconds)
    {
        Assert.True(DurationText.TryParse(text, out var time));
        Assert.Equal(seconds, time.TotalSeconds);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("-5s")]
    [InlineData("1.2.3s")]
    [InlineData("3 parsecs")]
    [InlineData("99999999999d")]
    public void Anything_else_is_none(string? text) => Assert.False(DurationText.TryParse(text, out _));
}
