using System.Collections.Immutable;

namespace Plimsoll.Simulation.Runs.Curves;

/// <summary>One setting of a controller's dial, and what it came to; means over seeds.</summary>
/// <param name="Dial">"target 0.5".</param>
/// <param name="Cost">In the unit of its world (<see cref="CostUnit"/>).</param>
public sealed record CurvePoint(string Dial, double Attainment, double Cost);

/// <summary>What a controller answers in time for what it costs, from one end of its dial to the other.</summary>
public sealed record AttainmentCurve(string Controller, ImmutableArray<CurvePoint> Points)
{
    /// <summary>Points that no other beats in both, the cheapest first.</summary>
    public ImmutableArray<CurvePoint> Front
    {
        get
        {
            var front = ImmutableArray.CreateBuilder<CurvePoint>();
            foreach (var point in Points.OrderBy(point => point.Cost).ThenByDescending(point => point.Attainment))
                if (front.Count == 0 || point.Attainment > front[^1].Attainment) front.Add(point);
            return front.ToImmutable();
        }
    }

    /// <summary>What an attainment costs, straight between the two points of the front around it; null outside of the front, where nothing was seen.</summary>
    public double? CostAt(double attainment) => Between(attainment, point => point.Attainment, point => point.Cost);

    /// <summary>What is attained for a cost; null outside of the front.</summary>
    public double? AttainmentAt(double cost) => Between(cost, point => point.Cost, point => point.Attainment);

    /// <summary>The cheapest point that was run and attains so much or more; null where none does. Nothing is read between points.</summary>
    public CurvePoint? CheapestFor(double attainment) => Points.Where(point => point.Attainment >= attainment).OrderBy(point => point.Cost).ThenByDescending(point => point.Attainment).FirstOrDefault();

    /// <summary>The point that was run and attains most for so much money or less; null where all are dearer.</summary>
    public CurvePoint? BestFor(double cost) => Points.Where(point => point.Cost <= cost).OrderByDescending(point => point.Attainment).ThenBy(point => point.Cost).FirstOrDefault();

    private double? Between(double at, Func<CurvePoint, double> of, Func<CurvePoint, double> asked)
    {
        var front = Front;
        for (var i = 0; i < front.Length; i++)
        {
            if (of(front[i]) == at) return asked(front[i]);
            if (i == 0 || of(front[i - 1]) > at || of(front[i]) < at) continue;
            var share = (at - of(front[i - 1])) / (of(front[i]) - of(front[i - 1]));
            return asked(front[i - 1]) + (share * (asked(front[i]) - asked(front[i - 1])));
        }

        return null;
    }
}
