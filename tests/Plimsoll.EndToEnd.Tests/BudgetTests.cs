namespace Plimsoll.EndToEnd.Tests;

public sealed class BudgetTests
{
    [Fact]
    public async Task Models_that_do_not_fit_together_are_all_served_within_the_budget()
    {
        var (verdict, error) = await ShortSoak.RunAsync(ShortSoak.Budget, turns: 2);

        Assert.True(verdict.IsGood, string.Join('\n', verdict.Lines()) + error);
        // They took turns, or the budget was none.
        Assert.True(verdict.Models.Sum(model => model.Stopped) > 0, string.Join('\n', verdict.Lines()));
    }
}
