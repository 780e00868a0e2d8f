using CsCheck;

namespace Plimsoll.Tests.Planning;

/// <summary>How what is no longer listed gives way to what took its place in the list.</summary>
public sealed class ReplacementTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [Theory]
    [InlineData(8, 8, 0, 0, 8)]
    [InlineData(8, 8, 3, 0, 5)]
    [InlineData(8, 8, 8, 0, 0)]
    [InlineData(8, 2, 0, 0, 2)]
    [InlineData(8, 0, 0, 0, 0)]
    public void As_many_stay_as_are_wanted_and_do_not_serve_elsewhere(int there, int wanted, int serving, int coming, int stay) =>
        Assert.Equal(stay, new Replacement(there, there, 0, there).Stay(wanted, serving, coming, null, Patience));

    [Theory]
    [InlineData(8, 6)]
    [InlineData(4, 3)]
    [InlineData(3, 2)]
    [InlineData(1, 0)]
    public void Where_the_others_find_no_room_a_quarter_goes_first_once_that_has_lasted(int there, int stay)
    {
        var old = new Replacement(there, there, 0, there);
        Assert.Equal(there, old.Stay(there, 0, 0, Patience - TimeSpan.FromSeconds(1), Patience));
        Assert.Equal(stay, old.Stay(there, 0, 0, Patience, Patience));
        // Somebody is on the way, in or out.
        Assert.Equal(there, old.Stay(there, 0, 1, Patience, Patience));
        Assert.Equal(there, (old with { Ending = 1 }).Stay(there, 0, 0, Patience, Patience));
    }

    [Fact]
    public void A_place_that_somebody_else_took_costs_no_second_one()
    {
        // Two of eight went, and others have their places.
        Assert.Equal(6, new Replacement(6, 6, 0, 8).Stay(8, 0, 0, Patience, Patience));
        // Two successors serve in theirs: two more go.
        Assert.Equal(4, new Replacement(6, 6, 0, 8).Stay(8, 2, 0, Patience, Patience));
    }

    [Fact]
    public void Whatever_happens_all_are_replaced_where_places_stay_the_models_and_never_more_than_a_quarter_is_gone_meanwhile() =>
        (from wanted in Gen.Int[1, 40] from began in Gen.Int[1, 40] select (wanted, began)).Sample((wanted, began) =>
        {
            var (old, now, places, turns) = (began, 0, began, 0);
            var whole = Math.Min(wanted, began);
            while (old > 0)
            {
                Assert.True(++turns < 200, $"{old} of {began} stay, {now} of {wanted} serve");
                var room = places - old - now;
                now += Math.Min(room, Math.Max(0, wanted - now));
                old = new Replacement(old, old, 0, began).Stay(wanted, now, 0, now < wanted ? Patience : null, Patience);
                Assert.InRange(old + now, whole - Math.Max(1, whole / 4), int.MaxValue);
            }
        });
}
