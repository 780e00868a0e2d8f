using Microsoft.Data.Sqlite;
using Plimsoll.Control;

namespace Plimsoll.Local;

/// <summary>What a person asks for, as rows: decisions, outcomes and demand.</summary>
internal static class JournalFlattening
{
    /// <summary>Steps and verdicts that are new: a step that waits or runs is proposed again at every tick.</summary>
    public static void Decisions(SqliteConnection connection, Tick tick, Plan? before, long at)
    {
        var steps = before?.Steps.ToDictionary(step => step.Id, step => step.Reason.Rule) ?? [];
        var verdicts = before?.Models.ToDictionary(verdict => verdict.Model, verdict => verdict.Reason.Rule) ?? [];
        using var insert = connection.Command(
            "INSERT INTO decisions (tick, at_ms, model, step, kind, rule, reason) VALUES ($tick, $at, $model, $step, $kind, $rule, $reason)",
            ("$tick", tick.Number), ("$at", at), ("$model", null), ("$step", null), ("$kind", ""), ("$rule", ""), ("$reason", ""));
        foreach (var step in tick.Plan.Steps)
        {
            if (steps.TryGetValue(step.Id, out var rule) && rule == step.Reason.Rule) continue;
            Insert(Step.ModelOf(step)?.Value, step.Id.Value, step.Id.Value.Split('/')[0], step.Reason);
        }

        foreach (var verdict in tick.Plan.Models)
        {
            if (verdicts.TryGetValue(verdict.Model, out var rule) && rule == verdict.Reason.Rule) continue;
            Insert(verdict.Model.Value, null, "verdict", verdict.Reason);
        }

        void Insert(string? model, string? step, string kind, Reason reason)
        {
            insert.Parameters["$model"].Value = (object?)model ?? DBNull.Value;
            insert.Parameters["$step"].Value = (object?)step ?? DBNull.Value;
            insert.Parameters["$kind"].Value = kind;
            insert.Parameters["$rule"].Value = reason.Rule.ToString();
            insert.Parameters["$reason"].Value = reason.ToString();
            insert.ExecuteNonQuery();
        }
    }

    public static void Outcomes(SqliteConnection connection, Tick tick)
    {
        foreach (var outcome in tick.Snapshot.Outcomes)
        {
            var (kind, model, subject, bytes, took, text) = Row(outcome);
            connection.Run(
                """
                INSERT INTO outcomes (tick, at_ms, kind, model, replica, bytes, took_ms, text)
                VALUES ($tick, $at, $kind, $model, $replica, $bytes, $took, $text)
                """,
                ("$tick", tick.Number), ("$at", outcome.At.ToUnixTimeMilliseconds()), ("$kind", kind), ("$model", model?.Value),
                ("$replica", subject), ("$bytes", bytes?.Value), ("$took", (long?)took?.TotalMilliseconds), ("$text", text));
        }
    }

    public static void Traffic(SqliteConnection connection, Tick tick)
    {
        if (tick.Snapshot.Traffic.IsEmpty) return;
        using var upsert = connection.Command(
            """
            INSERT INTO traffic VALUES ($minute, $model, $arrivals, $completed, $failed, $rejected, $within, $bytes, $held)
            ON CONFLICT DO UPDATE SET arrivals = arrivals + $arrivals, completed = completed + $completed,
                failed = failed + $failed, rejected = rejected + $rejected, within_slo = within_slo + $within,
                request_bytes = request_bytes + $bytes, most_held = max(most_held, $held)
            """,
            ("$minute", 0L), ("$model", ""), ("$arrivals", 0L), ("$completed", 0L), ("$failed", 0L), ("$rejected", 0L),
            ("$within", 0L), ("$bytes", 0L), ("$held", 0L));
        foreach (var row in tick.Snapshot.Traffic)
        {
            // A silent minute has no row; the model's being there is in the snapshot.
            if (row is { Arrivals: 0, Completed: 0, Failed: 0, Rejected: 0, HeldNow: 0 }) continue;
            var to = row.To.ToUnixTimeMilliseconds();
            upsert.Parameters["$minute"].Value = to - (to % 60_000);
            upsert.Parameters["$model"].Value = row.Model.Value;
            upsert.Parameters["$arrivals"].Value = row.Arrivals;
            upsert.Parameters["$completed"].Value = row.Completed;
            upsert.Parameters["$failed"].Value = row.Failed;
            upsert.Parameters["$rejected"].Value = row.Rejected;
            upsert.Parameters["$within"].Value = row.WithinSlo;
            upsert.Parameters["$bytes"].Value = row.RequestBytes;
            upsert.Parameters["$held"].Value = (long)row.HeldNow;
            upsert.ExecuteNonQuery();
        }
    }

    internal static (string Kind, ModelId? Model, string? Subject, Bytes? Bytes, TimeSpan? Took, string Text) Row(
        Outcome outcome) => outcome switch
        {
            Outcome.Loaded loaded => ("loaded", loaded.Model, loaded.Replica.Value, loaded.Size, loaded.Took,
                $"{loaded.Replica} was ready after {Durations.Show(loaded.Took)}, {loaded.Size} of weights"),
            Outcome.MemoryMeasured measured => ("memory", measured.Model, measured.Replica.Value, measured.Steady, null,
                $"{measured.Replica} took {measured.Steady}"
                + (measured.LoadPeak is { } peak ? $", {peak} at its peak while loading" : "")),
            Outcome.Exited exited => ("exited", exited.Model, exited.Replica.Value, null, null,
                $"{exited.Replica} ended{(exited.Asked ? " as asked" : "")}: {exited.Why}"),
            Outcome.Fetched fetched => ("fetched", fetched.Model, null, fetched.Moved, fetched.Took,
                $"{fetched.Moved} of {fetched.Model}@{fetched.Version} fetched to {fetched.Node} in {Durations.Show(fetched.Took)}"),
            Outcome.StepFailed failed => ("failed", failed.Model, null, null, null, $"{failed.Step} failed: {failed.Why}"),
            Outcome.Woken woken => ("woken", woken.Model, woken.Replica.Value, woken.Size, woken.Took,
                $"{woken.Replica} woke in {Durations.Show(woken.Took)}, {woken.Size} of weights"),
            Outcome.NodeAdded added => ("node", null, null, null, added.Took, $"{added.Node} of {added.Pool} came after {Durations.Show(added.Took)}"),
            Outcome.CheckpointWritten written => ("checkpoint", null, written.Job.Value, written.Size, written.Took,
                $"{written.Job} wrote its checkpoint of {written.Size} in {Durations.Show(written.Took)}"),
            Outcome.GangStarted started => ("trains", null, started.Job.Value, started.Size, started.Took,
                $"{started.Job} trained {Durations.Show(started.Took)} after it was told to"),
            Outcome.GangFailed failed => ("failed", null, failed.Job.Value, null, null, $"{failed.Job} failed: {failed.Why}"),
            _ => throw new InvalidOperationException($"an outcome of kind {outcome.GetType().Name} has no row"),
        };
}
