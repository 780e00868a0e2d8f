using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Aibrix;

/// <param name="Output">Mean of its members' log2 of answer tokens.</param>
public readonly record struct AibrixCentre(double Output, double Input, int Members);

/// <summary>
/// DBSCAN (Ester et al. 1996) over request sizes. AIBrix adds points one by one and takes them away by sub-window; clusters are the
/// same, but for points that border on two.
/// </summary>
public static class AibrixClusters
{
    public static ImmutableArray<AibrixCentre> Centres(IReadOnlyList<(double Output, double Input)> points, double distance, int least)
    {
        ArgumentNullException.ThrowIfNull(points);
        // Sizes are whole tokens, so many points coincide: each place is looked at once, with its weight.
        var places = points.GroupBy(point => point).Select(group => (Point: group.Key, Weight: group.Count()))
            .OrderBy(place => place.Point).ToArray();
        var neighbours = Neighbours(places, distance);
        var core = neighbours.Select(near => near.Sum(place => places[place].Weight) >= least).ToArray();
        var cluster = new int[places.Length];
        var centres = ImmutableArray.CreateBuilder<AibrixCentre>();
        for (var seed = 0; seed < places.Length; seed++)
        {
            if (!core[seed] || cluster[seed] != 0) continue;
            var members = Grow(seed, centres.Count + 1, neighbours, core, cluster);
            double weight = members.Sum(place => places[place].Weight);
            centres.Add(new(
                members.Sum(place => places[place].Point.Output * places[place].Weight) / weight,
                members.Sum(place => places[place].Point.Input * places[place].Weight) / weight, (int)weight));
        }

        return centres.ToImmutable();
    }

    private static List<int> Grow(int seed, int name, int[][] neighbours, bool[] core, int[] cluster)
    {
        List<int> members = [seed];
        cluster[seed] = name;
        for (var i = 0; i < members.Count; i++)
        {
            if (!core[members[i]]) continue;
            foreach (var near in neighbours[members[i]].Where(near => cluster[near] == 0))
            {
                cluster[near] = name;
                members.Add(near);
            }
        }

        return members;
    }

    /// <summary>By squares of the distance's width, so that only the nine around a place are looked at.</summary>
    private static int[][] Neighbours(((double Output, double Input) Point, int Weight)[] places, double distance)
    {
        var squares = Enumerable.Range(0, places.Length).ToLookup(i => Square(places[i].Point));
        return [.. places.Select(place =>
        {
            var (row, column) = Square(place.Point);
            return (from r in Enumerable.Range(row - 1, 3)
                    from c in Enumerable.Range(column - 1, 3)
                    from other in squares[(r, c)]
                    where Near(place.Point, places[other].Point)
                    select other).ToArray();
        })];

        (int, int) Square((double Output, double Input) point) =>
            ((int)Math.Floor(point.Output / distance), (int)Math.Floor(point.Input / distance));

        bool Near((double Output, double Input) a, (double Output, double Input) b) =>
            (a.Output - b.Output) * (a.Output - b.Output) + (a.Input - b.Input) * (a.Input - b.Input) <= distance * distance;
    }
}
