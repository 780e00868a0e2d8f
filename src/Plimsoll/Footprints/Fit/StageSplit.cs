using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>The layers of one pipeline stage, as runs of the shape cut to it.</summary>
internal sealed record StageLayers(int Stage, int Stages, ImmutableArray<LayerRun> Runs)
{
    public bool IsFirst => Stage == 0;

    public bool IsLast => Stage == Stages - 1;

    public int Count => Runs.Sum(run => run.Count);

    /// <summary>
    /// Layers over stages as vLLM and SGLang share them out: evenly, what is left over to the stages before the last,
    /// from the back (7 over 3 is 2, 3, 2).
    /// </summary>
    public static ImmutableArray<StageLayers> Of(ModelShape shape, int stages)
    {
        var (each, left) = Math.DivRem(shape.LayerCount, stages);
        var result = ImmutableArray.CreateBuilder<StageLayers>(stages);
        var first = 0;
        for (var stage = 0; stage < stages; stage++)
        {
            var fromBack = stages - stage;
            var count = each + (fromBack >= 2 && fromBack < left + 2 ? 1 : 0);
            result.Add(new StageLayers(stage, stages, Cut(shape.Layers, first, first + count)));
            first += count;
        }

        return result.MoveToImmutable();
    }

    private static ImmutableArray<LayerRun> Cut(ImmutableArray<LayerRun> runs, int from, int to)
    {
        var cut = ImmutableArray.CreateBuilder<LayerRun>();
        var first = 0;
        foreach (var run in runs)
        {
            var start = Math.Max(from, first);
            var end = Math.Min(to, first + run.Count);
            if (start < end) cut.Add(run with { First = start, Count = end - start });
            first += run.Count;
        }

        return cut.ToImmutable();
    }
}
