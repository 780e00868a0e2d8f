namespace Plimsoll.Simulation.Traces;

/// <summary>Traffic that is drawn as a run goes: as <see cref="SyntheticTraffic"/> does, but kept nowhere.</summary>
/// <param name="Curve">Requests a second over time.</param>
/// <param name="Lengths">How long they are, by the second of their arrival.</param>
/// <param name="Variation">Standard deviation of gaps over their mean, above 0.</param>
/// <param name="Seed">Of the run.</param>
/// <param name="Use">What its generator is for (<see cref="Seeds.Of"/>): the same draws in each run.</param>
public sealed record DrawnTraffic(RateCurve Curve, Func<double, TokenLengths> Lengths, double Variation, int Seed, string Use)
{
    internal IRequestStream Stream(int groupsPerSecond) => new DrawnStream(this, groupsPerSecond);
}

/// <summary>
/// In seconds of which few requests are expected each is drawn by itself. Of the others their number is drawn, normal with the
/// variance that a renewal process of these gaps comes to (the square of their variation times the mean), and they come in groups,
/// evenly, each with lengths of its own.
/// </summary>
internal sealed class DrawnStream : IRequestStream
{
    private readonly DrawnTraffic _traffic;
    private readonly int _groupsPerSecond;
    private readonly Random _random;
    private readonly double _shape;
    private double _second = -1;
    private double _expected;
    private double _sum;
    private double _from;
    private double _to;
    private long _count;
    private int _groups;
    private int _group;

    public DrawnStream(DrawnTraffic traffic, int groupsPerSecond)
    {
        (_traffic, _groupsPerSecond, _random) = (traffic, groupsPerSecond, Seeds.Of(traffic.Seed, traffic.Use));
        _shape = 1 / (traffic.Variation * traffic.Variation);
        _sum = SyntheticTraffic.Gap(_shape, _random) * _random.NextDouble();
    }

    public bool TryNext(out RequestGroup group)
    {
        while (_group >= _groups)
        {
            var time = _traffic.Curve.TimeOf(_sum);
            if (!(time < _traffic.Curve.Length))
            {
                group = default;
                return false;
            }

            if (Math.Floor(time) is var second && second != _second)
            {
                _second = second;
                _expected = _traffic.Curve.ExpectedBy(second + 1) - _traffic.Curve.ExpectedBy(second);
            }

            if (_expected <= _groupsPerSecond || second < _to)
            {
                group = Drawn(Math.Max(time, _to), 1);
                _sum += SyntheticTraffic.Gap(_shape, _random);
                return true;
            }

            (_from, _to) = (second, Math.Min(second + 1, _traffic.Curve.Length));
            _count = (long)Math.Max(0, Math.Round(_expected + (_traffic.Variation * Math.Sqrt(_expected) * _random.Normal())));
            (_group, _groups) = (0, (int)Math.Min(_groupsPerSecond, _count));
            _sum = _traffic.Curve.ExpectedBy(_to) + (SyntheticTraffic.Gap(_shape, _random) * _random.NextDouble());
        }

        var count = (_count * (_group + 1) / _groups) - (_count * _group / _groups);
        group = Drawn(_from + ((_to - _from) * (_group + 0.5) / _groups), (int)Math.Min(count, int.MaxValue));
        _group++;
        return true;
    }

    private RequestGroup Drawn(double at, int count)
    {
        var (prompt, answer) = _traffic.Lengths(at).Draw(_random);
        return new RequestGroup(at, count, prompt, answer);
    }
}
