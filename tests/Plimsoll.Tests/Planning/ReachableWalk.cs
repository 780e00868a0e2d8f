namespace Plimsoll.Tests.Planning;

/// <summary>
/// Every state a node can reach under a plan, tried one by one: each step not started, in progress, done or failed, in
/// all combinations that its After allows (4^8 at the most). Shares nothing with the planner's own check.
/// </summary>
internal static class ReachableWalk
{
    public const int NotStarted = 0;
    public const int InProgress = 1;
    public const int Done = 2;
    public const int Failed = 3;

    public const int StepsMax = 8;

    /// <summary>What one resource of a node holds now, may hold, and how each step in each state changes it.</summary>
    public sealed record Resource(string Name, long Limit, long Used, Func<Step, int, long> Change);

    /// <summary>The first resource some reachable state overfills; null when none is, or the plan has too many steps.</summary>
    public static string? FindOverfull(Step[] steps, IReadOnlyList<Resource> resources)
    {
        if (steps.Length > StepsMax) return null;
        var after = steps.Select(step => Enumerable.Range(0, steps.Length)
            .Where(i => step.After.Contains(steps[i].Id)).ToArray()).ToArray();
        var changes = resources.Select(resource => steps.Select(step => Enumerable.Range(0, 4)
            .Select(state => resource.Change(step, state)).ToArray()).ToArray()).ToArray();
        var states = new int[steps.Length];
        return Try(0);

        string? Try(int at)
        {
            if (at == steps.Length) return Overfull();
            for (var state = NotStarted; state <= Failed; state++)
            {
                states[at] = state;
                if (Consistent(at) && Try(at + 1) is { } found) return found;
            }

            return null;
        }

        // Checked once both ends of an edge are assigned.
        bool Consistent(int at)
        {
            for (var i = 0; i <= at; i++)
            {
                if (states[i] == NotStarted) continue;
                foreach (var j in after[i])
                {
                    if (j <= at && states[j] != Done) return false;
                }
            }

            return true;
        }

        string? Overfull()
        {
            for (var r = 0; r < resources.Count; r++)
            {
                var used = resources[r].Used;
                for (var i = 0; i < steps.Length; i++) used += changes[r][i][states[i]];
                if (used > Math.Max(resources[r].Limit, resources[r].Used)) return $"{resources[r].Name}: {used} of {resources[r].Limit}";
            }

            return null;
        }
    }
}
