namespace Plimsoll.Tests.Units;

public class MomentTextTests
{
    [Theory]
    [InlineData("2026-12-01T12:00:00Z", "2026-12-01 12:00 UTC")]
    [InlineData("2026-12-01T12:00Z", "2026-12-01 12:00 UTC")]
    [InlineData("2026-12-01t12:00:30z", "2026-12-01 12:00:30 UTC")]
    [InlineData("2026-12-01T12:00:00.5+01:00", "2026-12-01 11:00 UTC")]
    [InlineData("2026-12-01T00:30-08:00", "2026-12-01 08:30 UTC")]
    public void A_moment_is_read_with_its_offset(string text, string shown)
    {
        Assert.True(MomentText.TryParse(text, out var moment));
        Assert.Equal(shown, MomentText.Show(moment));
        Assert.Matches(MomentText.Pattern, text);
    }

    [Theory]
    [InlineData("2026-12-01T12:00:00")]
    [InlineData("2026-12-01")]
    [InlineData("2026-02-31T12:00:00Z")]
    [InlineData("1026-12-01T12:00:00Z")]
    [InlineData("2026-12-01 12:00Z")]
    [InlineData("12:00")]
    [InlineData("")]
    public void What_could_be_anywhere_or_is_none_is_refused(string text) => Assert.False(MomentText.TryParse(text, out _));

    [Fact]
    public void Near_at_hand_the_time_alone_is_said()
    {
        var noon = new DateTimeOffset(2026, 12, 1, 12, 0, 0, TimeSpan.Zero);
        Assert.Equal("12:00 UTC", MomentText.Show(noon, noon.AddHours(-11)));
        Assert.Equal("2026-12-01 12:00 UTC", MomentText.Show(noon, noon.AddHours(-13)));
    }
}
