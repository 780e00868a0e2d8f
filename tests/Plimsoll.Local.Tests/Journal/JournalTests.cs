using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Plimsoll.Json;
using Plimsoll.Local.StoreHost;

namespace Plimsoll.Local.Tests;

public sealed class JournalTests : IDisposable
{
    private readonly JournalFixture _journal = new();

    public void Dispose() => _journal.Dispose();

    [Fact]
    public void Every_kind_of_outcome_has_a_row_or_the_loop_would_end_at_its_first()
    {
        var kinds = typeof(Outcome).GetCustomAttributes<JsonDerivedTypeAttribute>().Select(one => one.DerivedType).ToList();

        Assert.Equal(typeof(Outcome).GetNestedTypes().Where(type => type.IsSubclassOf(typeof(Outcome))).OrderBy(type => type.Name), kinds.OrderBy(type => type.Name));
        Assert.All(kinds, kind => Assert.NotEmpty(JournalFlattening.Row((Outcome)RuntimeHelpers.GetUninitializedObject(kind)).Kind));
    }

    [Fact]
    public async Task A_restarted_controller_finds_what_the_last_one_knew()
    {
        var known = await _journal.RunAsync(90);

        await using var journal = _journal.Open();

        Assert.Equal(90, journal.Latest!.Tick);
        Assert.Equal(Hash(known), Hash(journal.Latest.Knowledge));
        Assert.Equal(ScriptedFleet.Epoch.AddSeconds(90), journal.Latest.At);
        Assert.Equal(91, journal.StartRun(
            new JournalRun(ScriptedFleet.Epoch, "v", "plimsoll", "test"), journal.Latest.Knowledge));
    }

    [Fact]
    public async Task Every_tick_replays_to_the_same_bytes_across_runs()
    {
        await _journal.RunAsync(100);
        await _journal.RunAsync(50);

        var whole = _journal.Replayed(1, 150);
        var middle = _journal.Replayed(70, 80);

        Assert.True(whole.AllEqual, string.Join('\n', whole.Differences));
        Assert.Equal((150, 0, 0), (whole.Compared, whole.Lost, whole.Unreachable));
        Assert.Empty(whole.OtherVersions);
        Assert.Equal((61, 11), (middle.StartedAt, middle.Compared));
        Assert.True(middle.AllEqual);
    }

    [Fact]
    public async Task Another_allocator_shows_as_a_difference_with_its_path()
    {
        await _journal.RunAsync(40);

        var report = _journal.Replayed(1, 40, new SizeBlindAllocator(SizeBlindSettings.Defaults(60)));

        Assert.False(report.AllEqual);
        Assert.True(report.Differing > 0);
        Assert.StartsWith("$.", report.Differences[0].Path, StringComparison.Ordinal);
        Assert.NotEqual(report.Differences[0].Recorded, report.Differences[0].Derived);
    }

    [Fact]
    public async Task A_tampered_knowledge_hash_is_found_at_its_tick()
    {
        await _journal.RunAsync(30);
        _journal.Scalar("UPDATE ticks SET next_sha256 = zeroblob(32) WHERE number = 12");

        var report = _journal.Replayed(1, 30);

        var difference = Assert.Single(report.Differences);
        Assert.Equal((12, "$.next"), (difference.Tick, difference.Path));
    }

    [Fact]
    public async Task A_changed_planner_version_is_named()
    {
        await _journal.RunAsync(5, version: "0.0.9+abc");

        Assert.Equal(["0.0.9+abc"], _journal.Replayed(1, 5).OtherVersions);
    }

    [Fact]
    public async Task The_oldest_ticks_go_by_size_and_what_remains_replays()
    {
        var options = new JournalOptions { MaxSize = Bytes.KiB(300), CheckpointEvery = 10 };
        await _journal.RunAsync(600, options);

        using var reader = JournalReader.Open(_journal.JournalFile);
        var (first, last) = reader.Range()!.Value;

        Assert.Equal(600, last);
        Assert.InRange(first, 2, 590);
        Assert.Equal(0, (first - 1) % 10);
        Assert.True(new FileInfo(_journal.JournalFile).Length < 450 * 1024);
        Assert.True(_journal.Replayed(first, last).AllEqual);
        Assert.Equal(first, _journal.Scalar("SELECT min(before) FROM checkpoints"));
        Assert.True((long)_journal.Scalar("SELECT min(tick) FROM decisions")! >= first);
        Assert.Contains($"ticks {first} to 600 are kept",
            Assert.Throws<JournalException>(() => _journal.Replayed(1, 20)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_oldest_ticks_go_by_age()
    {
        await _journal.RunAsync(200, new JournalOptions { MaxAge = TimeSpan.FromSeconds(50), CheckpointEvery = 10 });

        // Tick 200 is at second 200; the segment 141 to 150 ends at second 150, which is not older than 50 s.
        using var reader = JournalReader.Open(_journal.JournalFile);
        Assert.Equal((141, 200), reader.Range());
    }

    [Fact]
    public async Task History_names_each_new_decision_once_and_whether_it_was_started()
    {
        await _journal.RunAsync(120);
        using var reader = JournalReader.Open(_journal.JournalFile);

        var starts = reader.History(new HistoryQuery { Model = ModelId.Of("large"), Kinds = ["start"] });
        var loads = reader.History(new HistoryQuery { Model = ModelId.Of("large"), Kinds = ["loaded"], To = ScriptedFleet.Epoch.AddSeconds(119) });
        var newest = reader.History(new HistoryQuery { Limit = 3 });

        Assert.NotEmpty(starts);
        Assert.Equal(starts.Length, starts.Select(entry => (entry.Tick, entry.Subject)).Distinct().Count());
        Assert.All(starts, entry => Assert.NotNull(entry.Rule));
        Assert.Contains(starts, entry => entry.StartedTick is not null);
        Assert.NotEmpty(loads);
        Assert.Contains("was ready after 2 s", loads[0].Text, StringComparison.Ordinal);
        Assert.Equal(3, newest.Length);
        Assert.True(newest.SequenceEqual(newest.OrderBy(entry => entry.At)));
    }

    [Fact]
    public async Task A_clock_that_went_back_hides_nothing_of_what_happened_since()
    {
        await _journal.RunAsync(100);
        await using (var journal = _journal.Open())
        {
            var known = journal.Latest!.Knowledge;
            var first = journal.StartRun(new JournalRun(ScriptedFleet.Epoch, Replay.PlannerVersion, "plimsoll", "test"), known);

            // Its seconds begin anew: an hour's change of the clock, in small.
            var loop = JournalFixture.Loop(journal, first, fleetFrom: 1);
            for (var number = first; number < first + 60; number++)
                known = (await loop.TurnAsync(number, ScriptedFleet.Spec, known, TestContext.Current.CancellationToken)).Plan.Next;
        }

        using var reader = JournalReader.Open(_journal.JournalFile);
        var newest = reader.History(new HistoryQuery { Limit = 5 });

        Assert.All(newest, entry => Assert.InRange(entry.Tick, 101, 160));
        Assert.Equal(newest.OrderBy(entry => entry.Tick), newest);
        Assert.True(_journal.Replayed(1, 160).AllEqual);
    }

    [Theory]
    [InlineData(5_000)]
    [InlineData(40_000)]
    public async Task Reading_a_damaged_journal_ends_in_a_sentence(int offset)
    {
        await _journal.RunAsync(200);
        await using (var file = new FileStream(_journal.JournalFile, FileMode.Open))
        {
            file.Position = offset;
            file.Write(Enumerable.Repeat((byte)0xA5, 60_000).ToArray());
        }

        using var reader = JournalReader.Open(_journal.JournalFile);
        foreach (var read in (Action[])[() => reader.Range(), () => reader.History(new HistoryQuery()), () => _journal.Replayed(1, 200)])
        {
            var trouble = Assert.Throws<JournalException>(read);
            Assert.Contains("the journal cannot be read: its pages are damaged", trouble.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_journal_that_is_deleted_under_its_writer_begins_again()
    {
        await using var journal = _journal.Open();
        var known = await JournalFixture.TurnAsync(journal, 10);
        foreach (var file in Directory.GetFiles(_journal.Folder, "journal.db*")) File.Delete(file);
        var loop = JournalFixture.Loop(journal, 11);
        for (var number = 11L; number < 30; number++)
            known = (await loop.TurnAsync(number, ScriptedFleet.Spec, known, TestContext.Current.CancellationToken)).Plan.Next;

        Assert.True(journal.Health.Writing);
        var report = _journal.Replayed(11, 29);
        Assert.True(report.AllEqual, string.Join('\n', report.Differences));
        Assert.Equal(19, report.Compared);
    }

    [Fact]
    public async Task Demand_is_summed_by_minute()
    {
        await _journal.RunAsync(119);
        using var reader = JournalReader.Open(_journal.JournalFile);

        var minutes = reader.Traffic(DateTimeOffset.MinValue, DateTimeOffset.MaxValue, ModelId.Of("large"));

        // Busy for seconds 0–16 and 34–50 of the first minute, 3 completed in each; tick 1 is second 1.
        Assert.Equal(2, minutes.Length);
        Assert.Equal((ScriptedFleet.Epoch, 16 * 3 + 17 * 3L), (minutes[0].Minute, minutes[0].Completed));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5000)]
    public async Task A_damaged_file_is_kept_aside_and_a_new_journal_begins(int offset)
    {
        await _journal.RunAsync(80);
        await using (var file = new FileStream(_journal.JournalFile, FileMode.Open))
        {
            file.Position = offset;
            file.Write(Enumerable.Repeat((byte)0xA5, 20_000).ToArray());
        }

        await using (var journal = _journal.Open())
        {
            Assert.Null(journal.Latest);
            Assert.True(File.Exists(journal.DamagedFile));
            Assert.True(new FileInfo(journal.DamagedFile!).Length > 20_000);
            await JournalFixture.TurnAsync(journal, 3);
        }

        Assert.True(_journal.Replayed(1, 3).AllEqual);
    }

    [Fact]
    public void A_journal_of_a_newer_version_is_refused_and_left_as_it_is()
    {
        _journal.Scalar("PRAGMA user_version = 99");

        var refusal = Assert.Throws<JournalException>(() => _journal.Open());

        Assert.Contains("schema 99", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(99L, _journal.Scalar("PRAGMA user_version"));
    }

    [Fact]
    public async Task It_is_read_while_it_is_written()
    {
        await using var journal = _journal.Open();
        await JournalFixture.TurnAsync(journal, 5);

        using var reader = JournalReader.Open(_journal.JournalFile);
        var tick = reader.Tick(3)!;

        Assert.Equal(5, reader.Latest()!.Tick);
        Assert.Equal(Hash(tick.Snapshot), tick.Plan.Inputs.Snapshot);
        Assert.Null(reader.Tick(6));
        Assert.Throws<JournalException>(() => JournalReader.Open(_journal.JournalFile + "x"));
    }

    private static string Hash(Knowledge known) => PlimsollJson.Hash(known, PlimsollJson.Default.Knowledge);

    private static string Hash(FleetSnapshot snapshot) => PlimsollJson.Hash(snapshot, PlimsollJson.Default.FleetSnapshot);
}
