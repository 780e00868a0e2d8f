namespace Plimsoll.EndToEnd.Tests;

/// <summary>The seeded bug of <see cref="BudgetTests"/>; a class of its own, so that the two run side by side.</summary>
public sealed class BudgetBugTests
{
    [Fact]
    public async Task A_planner_that_passes_the_budget_is_found_out()
    {
        // The seeded bug: the planner counts with ten times the budget that it is judged by.
        var (verdict, error) = await ShortSoak.RunAsync(ShortSoak.Budget.Scale(10), turns: 1);

        Assert.True(verdict is { IsSeen: true, AreAllServed: true }, string.Join('\n', verdict.Lines()) + error);
        Assert.False(verdict.IsBudgetHeld, string.Join('\n', verdict.Lines()));
        Assert.False(verdict.IsGood);
    }
}
