namespace Plimsoll.Tests.Planning;

public class ReasonTests
{
    [Fact]
    public void Every_rule_has_a_sentence()
    {
        foreach (var rule in Enum.GetValues<Rule>()) Assert.NotEmpty(new Reason(rule, []).ToString());
    }

    [Fact]
    public void A_missing_number_shows_itself_and_the_alternative_is_told()
    {
        var reason = new Reason(Rule.DrainIdleLimit, [Fact.Of("idle", TimeSpan.FromSeconds(250))],
            new Rejected("keeping it", [Fact.Of("memory held", Bytes.MiB(100))]));
        Assert.Equal(
            "idle for 4 min 10 s, past the stated limit of <limit?>; rather than keeping it (memory held 100 MiB)", reason.ToString());
    }

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(0.0042, "4.2 ms")]
    [InlineData(0.25, "250 ms")]
    [InlineData(3.25, "3.3 s")]
    [InlineData(60, "1 min")]
    [InlineData(250, "4 min 10 s")]
    [InlineData(7500, "2 h 5 min")]
    [InlineData(273600, "3 d 4 h")]
    public void Durations_read_as_people_say_them(double seconds, string shown) => Assert.Equal(shown, Durations.Show(seconds));
}
