namespace Plimsoll.Artifacts.Tests;

public sealed class FuzzTests
{
    private const int Cases = 3000;

    public static TheoryData<string> Targets => [.. FuzzTarget.All.Select(target => target.Name)];

    /// <summary>The same cases each time; bench/Plimsoll.Fuzz runs as many as one likes.</summary>
    [Theory]
    [MemberData(nameof(Targets))]
    public void Damaged_files_are_read_or_refused_in_one_sentence_and_cheaply(string name)
    {
        var target = FuzzTarget.All.Single(one => one.Name == name);
        var refused = Enumerable.Range(0, Cases).Count(number => FuzzCase.Run(target, seed: 1, number).Outcome == FuzzCase.Outcome.Refused);

        // A mutator that breaks nothing, or a reader that refuses all, would prove nothing.
        Assert.InRange(refused, 1, Cases - 1);
    }
}
