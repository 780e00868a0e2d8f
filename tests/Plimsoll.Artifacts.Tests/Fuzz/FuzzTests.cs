namespace Plimsoll.Artifacts.Tests;

public sealed class FuzzTests
{
    private const int Cases = 600;

    public static TheoryData<string> Targets => [.. FuzzTarget.All.Select(target => target.Name)];

    public static TheoryData<string> Types => [.. SmallConfigs.Decoders.Concat(SmallConfigs.Others).Concat(SmallConfigs.WithVision).Where(type => type != "no_such_model")];

    [Theory]
    [MemberData(nameof(Types))]
    public void Every_familys_small_configuration_is_weighed_before_it_is_damaged(string type)
    {
        var header = ArtifactReader.Read(new MemoryFolder().With("config.json", SmallConfigs.Bytes(SmallConfigs.Of(type))).Open("config.json")!);
        WeighingCase.Run(header, new SplitMix(1));
        Assert.True(Architecture.FootprintOf(header, "").Parameters > 10_000);
    }

    /// <summary>The same cases each time; bench/Plimsoll.Fuzz runs as many as one likes.</summary>
    [Theory]
    [MemberData(nameof(Targets))]
    public void Damaged_files_are_weighed_or_refused_in_one_sentence_and_cheaply(string name)
    {
        var target = FuzzTarget.All.Single(one => one.Name == name);
        var refused = Enumerable.Range(0, Cases).Count(number => FuzzCase.Run(target, seed: 1, number).Outcome != FuzzCase.Outcome.Weighed);

        // A mutator that breaks nothing, or a reader that refuses all, would prove nothing.
        Assert.InRange(refused, 1, Cases - 1);
    }
}
