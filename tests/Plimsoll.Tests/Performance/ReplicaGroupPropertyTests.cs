using CsCheck;

namespace Plimsoll.Tests.Performance;

public sealed class ReplicaGroupPropertyTests
{
    private static readonly Gen<(double Gap, int Prompt, int Answer, int Cached)[]> Requests =
        Gen.Select(Gen.Double[0, 3], Gen.Int[1, 90], Gen.Int[1, 40], Gen.Int[0, 50]).Array[1, 60];

    private static readonly Gen<(ReplicaLimits Limits, int Replicas)> Groups =
        Gen.Select(Gen.Int[3, 40], Gen.Int[1, 8], Gen.Int[1, 6], Gen.Int[8, 100], Gen.Bool, Gen.Bool, Gen.Int[1, 4]).Select(
            (blocks, block, sequences, tokens, ahead, keeps, replicas) => (new ReplicaLimits
            {
                Blocks = blocks,
                BlockTokens = block,
                Sequences = sequences,
                StepTokens = tokens,
                SchedulesAhead = ahead,
                KeepsFreedBlocks = keeps,
            }, replicas));

    private static double Seconds(StepBatch batch) => 0.01 + (0.01 * batch.Tokens) + (0.0001 * batch.Sequences * batch.Context);

    private static (RequestLog Log, GroupRun Run) Simulate((double Gap, int Prompt, int Answer, int Cached)[] requests, (ReplicaLimits Limits, int Replicas) group)
    {
        var now = 0.0;
        var log = new RequestLog([.. requests.Select(one => now += one.Gap)], [.. requests.Select(one => one.Prompt)],
            [.. requests.Select(one => one.Answer)], [.. requests.Select(one => one.Cached)]);
        return (log, new ReplicaGroup(group.Limits, new StepTimes(Seconds, group.Limits.Sequences), group.Replicas).Run(log));
    }

    [Fact]
    public void Every_request_is_answered_once_or_refused_and_all_blocks_come_back() =>
        Gen.Select(Requests, Groups).Sample((requests, group) =>
        {
            var (log, run) = Simulate(requests, group);
            var refused = 0;
            for (var i = 0; i < log.Count; i++)
            {
                if (group.Limits.BlocksOf(log.Prompts[i] + log.Answers[i] - 1) > group.Limits.Blocks)
                {
                    refused++;
                    Assert.True(double.IsNaN(log.Ends[i]));
                    continue;
                }

                Assert.True(log.Arrivals[i] < log.FirstTokens[i] && log.FirstTokens[i] <= log.Ends[i]);

                // No token is given faster than a step that computes it alone.
                Assert.True(log.Tpot(i) >= (log.Answers[i] > 1 ? 0.0199 : 0));
            }

            Assert.Equal(refused, log.Refused);
            Assert.Equal(0, run.BlocksLeft);
            Assert.InRange(run.BlocksMost, 0, group.Limits.Blocks);
        });

    [Fact]
    public void The_same_requests_give_the_same_times() =>
        Gen.Select(Requests, Groups).Sample((requests, group) =>
        {
            var (once, again) = (Simulate(requests, group).Log, Simulate(requests, group).Log);
            Assert.Equal(once.FirstTokens, again.FirstTokens);
            Assert.Equal(once.Ends, again.Ends);
        }, iter: 20);

    [Fact]
    public void With_room_for_all_nobody_is_preempted() =>
        Gen.Select(Requests, Groups).Sample((requests, group) =>
        {
            var most = group.Limits.Sequences * group.Limits.BlocksOf(130);
            var (log, _) = Simulate(requests, (group.Limits with { Blocks = most }, group.Replicas));
            Assert.All(log.Preemptions, count => Assert.Equal(0, count));
        });
}
