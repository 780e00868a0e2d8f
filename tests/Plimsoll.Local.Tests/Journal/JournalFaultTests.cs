using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Plimsoll.Local.StoreHost;

namespace Plimsoll.Local.Tests;

public sealed class JournalFaultTests : IDisposable
{
    private readonly JournalFixture _journal = new();

    public void Dispose() => _journal.Dispose();

    [Fact]
    public async Task It_survives_a_kill_at_any_moment()
    {
        // Seeded, so that a failure can be run again; what the kill meets varies all the same.
        const int seed = 20260;
        var random = new Random(seed);
        var reached = 0L;
        for (var round = 0; round < 20; round++)
        {
            long said;
            using (var host = JournalFixture.StartHost("journal", _journal.Folder))
            {
                said = await KillAfterAsync(host, random.Next(1, 60), TimeSpan.FromMilliseconds(random.Next(0, 8)));
            }

            Assert.Equal("ok", _journal.Scalar("PRAGMA integrity_check"));
            using var reader = JournalReader.Open(_journal.JournalFile);
            var latest = reader.Latest()!;
            Assert.True(latest.Tick >= said, $"round {round}: tick {said} was acknowledged, {latest.Tick} is the last kept");
            Assert.True(latest.Tick > reached);
            Assert.Equal(latest.Tick, reader.Range()!.Value.Last);
            var report = _journal.Replayed(reached + 1, latest.Tick);
            Assert.True(report.AllEqual, $"round {round}, seed {seed}: {string.Join('\n', report.Differences)}");
            Assert.Equal(latest.Tick - reached, report.Compared);
            reached = latest.Tick;
        }

        Assert.True(_journal.Replayed(1, reached).AllEqual);
    }

    [Fact]
    public async Task A_full_disk_stops_no_tick_and_recording_resumes_when_there_is_space()
    {
        using var disk = SmallDisk.Mount(Bytes.MiB(4));
        var filler = Path.Combine(disk.Folder, "filler");
        await using (var journal = Journal.Open(disk.Folder, new JournalOptions(), TimeProvider.System, NullLogger.Instance))
        {
            var known = await JournalFixture.TurnAsync(journal, 10);
            SmallDisk.Fill(filler);
            var loop = JournalFixture.Loop(journal, 11);
            var number = 11L;
            for (; journal.Health.Writing; number++)
            {
                Assert.True(number < 5000, "the disk never filled");
                known = await TurnAsync(number);
                SmallDisk.Fill(filler);
            }

            for (var more = 0; more < 5; more++) known = await TurnAsync(number++);
            Assert.Equal(6, journal.Health.LostTicks);
            Assert.Contains("not recorded", journal.Health.Trouble, StringComparison.Ordinal);

            File.Delete(filler);
            for (var more = 0; more < 5; more++) known = await TurnAsync(number++);
            Assert.Equal(new JournalHealth(true, 6, null), journal.Health);

            using var reader = JournalReader.Open(Journal.PathIn(disk.Folder));
            Assert.Equal(number - 1, reader.Latest()!.Tick);
            var report = new Replay(reader, _ => new Planner(new WeightAllocator()))
                .Range(1, number - 1, TestContext.Current.CancellationToken);
            Assert.True(report.AllEqual, string.Join('\n', report.Differences));
            Assert.Equal(6, report.Lost);
            foreach (var query in new[] { new HistoryQuery(), new HistoryQuery { Model = ModelId.Of("large") } })
                Assert.StartsWith("6 ticks before this one", Assert.Single(reader.History(query), entry => entry.Kind == "lost").Text, StringComparison.Ordinal);
            Assert.DoesNotContain(reader.History(new HistoryQuery { Kinds = ["start"] }), entry => entry.Kind == "lost");
            Assert.Equal(number - 1 - 6, report.Compared);

            async Task<Knowledge> TurnAsync(long at) => (await loop.TurnAsync(
                at, ScriptedFleet.Spec, known, TestContext.Current.CancellationToken)).Plan.Next;
        }
    }

    // However little room there is: a tick may find it, and making the file smaller after it may not.
    [Fact]
    public async Task Lost_are_the_ticks_that_are_not_there_whatever_fits()
    {
        using var disk = SmallDisk.Mount(Bytes.MiB(4));
        var filler = Path.Combine(disk.Folder, "filler");
        await using var journal = Journal.Open(disk.Folder, new JournalOptions { MaxSize = Bytes.KiB(64), CheckpointEvery = 3 }, TimeProvider.System, NullLogger.Instance);
        var known = await JournalFixture.TurnAsync(journal, 30);
        var loop = JournalFixture.Loop(journal, 31);
        var (number, written) = (31L, new HashSet<long>());
        for (var pages = 0; pages < 40; pages++)
        {
            SmallDisk.Fill(filler);
            using (var file = File.OpenWrite(filler)) file.SetLength(Math.Max(0, file.Length - (pages * 4096L)));
            var lost = journal.Health.LostTicks;
            known = (await loop.TurnAsync(number, ScriptedFleet.Spec, known, TestContext.Current.CancellationToken)).Plan.Next;
            File.Delete(filler);
            using var reader = JournalReader.Open(Journal.PathIn(disk.Folder));
            Assert.Equal(reader.Latest()!.Tick == number ? lost : lost + 1, journal.Health.LostTicks);
            if (reader.Latest()!.Tick == number) written.Add(number);
            number++;
        }

        // Else it did not look at both sides of what fits.
        Assert.InRange(written.Count, 1, 39);
    }

    // Reads what it says until it has said so many ticks, waits a little and kills it; the last tick it said.
    private static async Task<long> KillAfterAsync(Process host, int ticks, TimeSpan more)
    {
        var said = 0L;
        try
        {
            for (var n = 0; n < ticks; n++)
            {
                var line = await host.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)
                    ?? throw new InvalidOperationException("the host ended by itself");
                said = long.Parse(line, System.Globalization.CultureInfo.InvariantCulture);
            }

            await Task.Delay(more, TimeProvider.System, TestContext.Current.CancellationToken);
        }
        finally
        {
            host.Kill();
            await host.WaitForExitAsync(CancellationToken.None);
        }

        // What it had said before the kill and nobody read yet counts as well.
        while (await host.StandardOutput.ReadLineAsync(CancellationToken.None) is { } line)
        {
            if (long.TryParse(line, out var number) && number == said + 1) said = number;
        }

        return said;
    }
}
