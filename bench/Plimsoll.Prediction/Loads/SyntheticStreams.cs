using Plimsoll.Cli.Load;

namespace Plimsoll.Prediction.Loads;

/// <summary>Drawn streams that drift, jump, or alternate between two states; the seed of the page is not the one the rule was chosen with.</summary>
internal static class SyntheticStreams
{
    public const ulong ChosenWith = 1;
    public const ulong JudgedWith = 20261126;

    private const int Streams = 40;
    private const int Loads = 120;

    public static readonly (string Name, Func<SeededRandom, IEnumerable<double>> Logs)[] Kinds =
    [
        ("drift: 0.5 % a load and a walk of 2 %, spread 10 %", Drift),
        ("jumps: one load in fifty begins another level, spread 10 %", Jumps),
        ("page cache warm or cold, three times as long, staying with four in five, spread 8 %", TwoStates),
        ("page cache warm or cold at random, three times as long, spread 8 %", Mixed),
        ("steady, spread 10 %", random => Steady(random, 0.1)),
        ("steady, spread 30 %", random => Steady(random, 0.3)),
    ];

    public static LoadStream[] Draw(int kind, ulong seed)
    {
        var streams = new LoadStream[Streams];
        for (var i = 0; i < Streams; i++)
        {
            var random = new SeededRandom(SeededRandom.Mix(SeededRandom.Derive(seed, Kinds[kind].Name), (ulong)i));
            var scale = 5 * random.NextUnit();
            streams[i] = new LoadStream($"{kind}/{i}", Bytes.Zero, [.. Kinds[kind].Logs(random).Take(Loads).Select(log => Math.Exp(scale + log))]);
        }

        return streams;
    }

    private static IEnumerable<double> Drift(SeededRandom random)
    {
        for (var level = 0.0; ;)
        {
            level += 0.005 + (0.02 * random.NextNormal());
            yield return level + (0.1 * random.NextNormal());
        }
    }

    private static IEnumerable<double> Jumps(SeededRandom random)
    {
        for (var level = 0.0; ;)
        {
            if (random.NextUnit() < 0.02) level = 0.5 * random.NextNormal();
            yield return level + (0.1 * random.NextNormal());
        }
    }

    private static IEnumerable<double> TwoStates(SeededRandom random)
    {
        for (var cold = true; ;)
        {
            if (random.NextUnit() < 0.2) cold = !cold;
            yield return (cold ? Math.Log(3) : 0) + (0.08 * random.NextNormal());
        }
    }

    private static IEnumerable<double> Mixed(SeededRandom random)
    {
        while (true) yield return (random.NextUnit() < 0.5 ? Math.Log(3) : 0) + (0.08 * random.NextNormal());
    }

    private static IEnumerable<double> Steady(SeededRandom random, double spread)
    {
        while (true) yield return spread * random.NextNormal();
    }
}
