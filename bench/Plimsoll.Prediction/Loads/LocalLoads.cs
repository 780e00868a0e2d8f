using Plimsoll.Cli.Load;

namespace Plimsoll.Prediction.Loads;

/// <summary>Real loads on this machine: cold, warm, and as it comes, all of them in turn, so that whatever else runs meets all alike.</summary>
internal sealed record LocalLoads(LoadStream[] Cold, LoadStream[] Warm, LoadStream[] Mixed, double NominalBytesPerSecond, double UnloadBytesPerSecond, (int Loads, double Measured, double Shared)[] Contended)
{
    private const int Rounds = 34;
    private const int ContendedMegabytes = 256;
    private const int ContendedRounds = 9;

    public static LocalLoads Measure()
    {
        var sizes = LocalModels.Megabytes;
        using var models = new LocalModels(sizes);
        List<double>[] Empty() => [.. sizes.Select(_ => new List<double>())];
        var (cold, warm, mixed) = (Empty(), Empty(), Empty());
        var unloads = new List<double>();
        var random = new SeededRandom(SyntheticStreams.JudgedWith);
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 0; i < sizes.Length; i++)
            {
                models.Drop(sizes[i]);
                cold[i].Add(models.Load(sizes[i]).Load);
                var (load, unload) = models.Load(sizes[i]);
                warm[i].Add(load);
                if (sizes[i] >= 256) unloads.Add(sizes[i] * 1e6 / unload);
                if (random.NextUnit() < 0.5) models.Drop(sizes[i]);
                mixed[i].Add(models.Load(sizes[i]).Load);
            }
        }

        // Nobody states this disk's bandwidth: its best load from the disk is as nominal as it gets.
        var best = Enumerable.Range(0, sizes.Length).Max(i => sizes[i] * 1e6 / cold[i].Min());
        LoadStream[] Streams(List<double>[] times) =>
            [.. sizes.Select((size, i) => new LoadStream($"{size} MB", new Bytes(size * 1_000_000L), [.. times[i]]))];
        return new LocalLoads(Streams(cold), Streams(warm), Streams(mixed), best, StreamJudge.Quantile(unloads, 0.5), Contend());
    }

    // Several processes' worth of cold loads at once, of copies of one size; what is reported is the slowest of them.
    private static (int, double, double)[] Contend()
    {
        var copies = Enumerable.Range(0, 4).Select(_ => new LocalModels(ContendedMegabytes)).ToArray();
        try
        {
            double Median(int loads) => StreamJudge.Quantile(Enumerable.Range(0, ContendedRounds).Select(_ =>
            {
                foreach (var copy in copies[..loads]) copy.Drop(ContendedMegabytes);
                var start = TimeProvider.System.GetTimestamp();
                var threads = copies[..loads].Select(copy => new Thread(() => copy.Load(ContendedMegabytes))).ToArray();
                foreach (var thread in threads) thread.Start();
                foreach (var thread in threads) thread.Join();
                return TimeProvider.System.GetElapsedTime(start).TotalSeconds;
            }), 0.5);

            var alone = Median(1);
            return [(1, alone, alone), (2, Median(2), 2 * alone), (4, Median(4), 4 * alone)];
        }
        finally
        {
            foreach (var copy in copies) copy.Dispose();
        }
    }
}
