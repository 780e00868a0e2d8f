namespace Plimsoll.Tests.Performance;

/// <summary>Steps of one second each, so that every time can be counted on the fingers.</summary>
public sealed class ReplicaGroupTests
{
    private static readonly ReplicaLimits Roomy = new() { Blocks = 10_000, SchedulesAhead = false };

    private static RequestLog Run(ReplicaLimits limits, int replicas, params (double Arrival, int Prompt, int Answer)[] requests)
    {
        var log = new RequestLog(
            [.. requests.Select(one => one.Arrival)], [.. requests.Select(one => one.Prompt)], [.. requests.Select(one => one.Answer)]);
        new ReplicaGroup(limits, new StepTimes(_ => 1, limits.Sequences), replicas).Run(log);
        return log;
    }

    [Fact]
    public void A_request_alone_has_its_first_token_after_its_prompt_and_one_more_after_each_step()
    {
        var log = Run(Roomy, 1, (5, 10, 3));

        Assert.Equal((6, 8), (log.FirstTokens[0], log.Ends[0]));
        Assert.Equal((1, 1, 3), (log.Ttft(0), log.Tpot(0), log.EndToEnd(0)));
    }

    [Fact]
    public void A_prompt_longer_than_a_step_takes_several()
    {
        var log = Run(Roomy, 1, (0, 5000, 1));

        // 2048, 2048 and 904 tokens.
        Assert.Equal((3, 3), (log.FirstTokens[0], log.Ends[0]));
    }

    [Fact]
    public void A_request_waits_for_the_step_under_way_and_where_steps_are_put_together_ahead_for_the_next_one_too()
    {
        var requests = new[] { (0.0, 10, 9), (0.5, 10, 1) };

        Assert.Equal(2, Run(Roomy, 1, requests).FirstTokens[1]);
        Assert.Equal(3, Run(Roomy with { SchedulesAhead = true }, 1, requests).FirstTokens[1]);
    }

    [Fact]
    public void No_more_sequences_run_than_are_allowed()
    {
        var log = Run(Roomy with { Sequences = 1 }, 1, (0, 10, 3), (0, 10, 3));

        Assert.Equal((3, 4, 6), (log.Ends[0], log.FirstTokens[1], log.Ends[1]));
    }

    [Fact]
    public void Where_no_block_is_free_the_youngest_begins_again_after_the_others()
    {
        // Two blocks each for the prompts; the fifth goes to the first's fifth token, and the second, a step later, has
        // none. It comes back when the first has ended after four steps, computes its five tokens at once, and two more.
        var limits = Roomy with { Blocks = 5, BlockTokens = 2 };
        var log = Run(limits, 1, (0, 4, 4), (0, 4, 4));

        Assert.Equal((1, 4), (log.FirstTokens[0], log.Ends[0]));
        Assert.Equal((2, 7), (log.FirstTokens[1], log.Ends[1]));
        Assert.Equal([0, 1], log.Preemptions);
    }

    [Fact]
    public void A_preempted_request_computes_only_what_it_does_not_find_again()
    {
        // Steps take a second for each token. The second gives its blocks up after 8 tokens; with them kept it computes
        // only the 9th and what the first has taken meanwhile.
        static double End(bool keeps)
        {
            var limits = new ReplicaLimits { Blocks = 5, BlockTokens = 4, SchedulesAhead = false, KeepsFreedBlocks = keeps };
            var log = new RequestLog([0, 0], [8, 8], [4, 4]);
            new ReplicaGroup(limits, new StepTimes(batch => batch.Tokens, limits.Sequences), 1).Run(log);
            Assert.Equal([0, 1], log.Preemptions);
            return log.Ends[1];
        }

        // 16 tokens; three of the first; then 9 again and two more, or 1 and two more.
        Assert.Equal(16 + 3 + 9 + 2, End(keeps: false));
        Assert.Equal(16 + 3 + 1 + 2, End(keeps: true));
    }

    [Fact]
    public void Requests_go_to_the_replica_with_the_fewest_unanswered()
    {
        var log = Run(Roomy with { Sequences = 1 }, 2, (0, 1, 9), (0, 1, 2), (2.5, 1, 1), (2.5, 1, 1));

        // The first replica is busy until 9; the second takes both later ones.
        Assert.Equal([9, 2, 3.5, 4.5], [log.Ends[0], log.Ends[1], log.Ends[2], Math.Min(log.Ends[3], 4.5)]);
    }

    [Fact]
    public void A_request_that_no_replica_can_hold_is_refused()
    {
        var log = Run(Roomy with { Blocks = 2 }, 1, (0, 33, 1), (0, 10, 2));

        Assert.Equal(1, log.Refused);
        Assert.True(double.IsNaN(log.Ends[0]));
        Assert.Equal(2, log.Ends[1]);
    }

    [Fact]
    public void Prompts_that_are_cached_in_part_compute_the_rest()
    {
        var log = new RequestLog([0], [100], [1], [64]);
        new ReplicaGroup(Roomy, new StepTimes(batch => batch.Tokens, Roomy.Sequences), 1).Run(log);

        Assert.Equal(36, log.Ends[0]);
    }

    [Fact]
    public void A_step_is_told_its_sequences_their_context_and_the_pairs_of_its_prompts()
    {
        var seen = new List<StepBatch>();
        var log = new RequestLog([0, 0.5], [10, 4], [3, 1]);
        new ReplicaGroup(Roomy, new StepTimes(batch => { seen.Add(batch); return 1; }, Roomy.Sequences), 1).Run(log);

        // The second step: the first request attends to its 10 tokens and the new one; the second's 4 see 1, 2, 3 and 4.
        var mixed = Assert.Single(seen, batch => batch.Prompts > 0 && batch.Sequences > 0);
        Assert.Equal((1, 11, 1, 4), (mixed.Sequences, mixed.Context, mixed.Prompts, mixed.PromptTokens));
        Assert.Equal(10, mixed.Pairs(null));
    }
}
