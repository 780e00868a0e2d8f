using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Soak;

/// <summary>What one model got and did in a soak.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Due">Requests sent to it.</param>
/// <param name="Answered">Those answered with success.</param>
/// <param name="Started">Replicas that became ready.</param>
/// <param name="Stopped">Replicas that were let go.</param>
/// <param name="Died">Replicas that ended unasked.</param>
public sealed record SoakedModel(string Model, long Due, long Answered, int Started, int Stopped, int Died);

/// <summary>Whether a fleet kept to its memory budget while it served every model, by what was seen from outside.</summary>
public sealed record SoakVerdict(Bytes Budget, OutsideUse Use, ImmutableArray<SoakedModel> Models)
{
    public bool IsBudgetHeld => Use.Largest <= Budget;

    /// <summary>A run in which nothing was looked at, or nothing ran, proves nothing.</summary>
    public bool IsSeen => Use is { Samples: > 0, MostProcesses: > 0 };

    public bool AreAllServed => Models.Length > 0 && Models.All(model => model.Answered > 0);

    public bool IsGood => IsBudgetHeld && IsSeen && AreAllServed;

    public IEnumerable<string> Lines()
    {
        yield return $"{"model",-16}{"requests",10}{"answered",10}{"started",9}{"stopped",9}{"died",6}";
        foreach (var model in Models)
        {
            yield return string.Create(CultureInfo.InvariantCulture,
                $"{model.Model,-16}{model.Due,10}{model.Answered,10}{model.Started,9}{model.Stopped,9}{model.Died,6}");
        }

        yield return "";
        yield return string.Create(CultureInfo.InvariantCulture,
            $"{Use.Samples} samples from outside, the longest gap between two {Use.LongestGap.TotalMilliseconds:0} ms; at most {Use.MostProcesses} processes.");
        yield return $"Largest sample: {Use.Largest} of {Budget} ({string.Join(", ", Use.LargestParts.Select(part => $"{part.Key} {part.Value}"))}).";
        yield return $"The kernel's own marks of the processes came to {Use.LargestMarks} at the most: a peak between two samples "
            + (Use.LargestMarks <= Budget ? "did not pass the budget either." : "is not ruled out by them.");
        if (Use.LargestProportional > Bytes.Zero) yield return $"With shared pages counted once, every five seconds: {Use.LargestProportional} at the most.";
        yield return Use.CgroupPeak is { } peak
            ? $"Their common cgroup's mark, page cache included: {peak}." : "There is no cgroup of theirs to ask.";
        yield return !IsSeen ? "NOTHING WAS SEEN: no process of the fleet, or no look at it."
            : IsBudgetHeld ? "The memory budget held." : $"THE MEMORY BUDGET WAS PASSED by {Use.Largest - Budget}.";
        yield return AreAllServed ? "Every model was served." : "NOT EVERY MODEL WAS SERVED.";
    }
}
