using CsCheck;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Requests.Fluid;
using Plimsoll.Simulation.Tests.Runs;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Requests;

public sealed class FluidPoolTests
{
    private static readonly Slo Any = new(TimeSpan.FromHours(1), 0.99);

    [Fact]
    public void Whatever_is_sent_to_a_pool_is_answered_or_given_back_once()
    {
        var gen = from seed in Gen.Int[1, 1_000_000]
                  from text in Gen.Bool
                  from replicas in Gen.Int[1, 6]
                  select (seed, text, replicas);
        gen.Sample(one =>
        {
            var random = new Random(one.seed);
            var ledger = new FluidLedger(Any);
            var blocks = random.Next(2) == 0 ? 200 : 100_000;
            FluidPool pool = one.text ? Text(ledger, 16, blocks) : new BatchPool(new BatchTimes(0.1, 0.02), 16, ledger);
            for (var i = 0; i < one.replicas; i++) pool.Add(new FluidReplica());
            var (pools, now, sent) = (new List<FluidPool> { pool }, 0.0, 0L);
            for (var i = 0; i < 300; i++)
            {
                now += random.NextDouble() * 0.2;
                foreach (var each in pools) each.AdvanceTo(now);
                Assert.Equal(sent, ledger.Ended + pools.Sum(each => (long)each.InFlight));
                foreach (var each in pools)
                {
                    Assert.InRange(each.InFlight, 0, each.Replicas.Count * 16);
                    Assert.Equal(each.InFlight, each.Replicas.Sum(replica => replica.Outstanding));
                    Assert.Equal(each.Waiting, each.Replicas.Sum(replica => replica.Waiting));
                }

                var group = new RequestGroup(now, 1 + random.Next(random.Next(2) == 0 ? 1 : 8), 1 + random.Next(800), 1 + random.Next(200));
                if (group.Count <= pool.Free)
                {
                    pool.Take(group, now);
                    sent += group.Count;
                }

                if (random.Next(60) == 0 && pool.Replicas.Count > 1)
                {
                    var leaving = pool.Replicas[random.Next(pool.Replicas.Count)];
                    var before = pool.InFlight;
                    pool.Leave(leaving);
                    pools.Add(leaving.Pool!);
                    Assert.Equal(before, pool.InFlight + leaving.Pool!.InFlight);
                    Assert.InRange(leaving.Outstanding, 0, 16);
                }
            }

            var (begun, waiting) = (new List<RequestGroup>(), new List<RequestGroup>());
            if (random.Next(2) == 0) pool.Abandon(begun, waiting);
            foreach (var each in pools)
            {
                each.AdvanceTo(1e7);
                Assert.Equal(0, each.InFlight);
                Assert.Equal(double.PositiveInfinity, each.NextEvent);
            }

            Assert.Equal(sent, ledger.Ended + begun.Concat(waiting).Sum(group => (long)group.Count));
        }, iter: 200);
    }

    [Fact]
    public void A_request_alone_takes_what_the_steps_of_its_prompt_and_answer_take()
    {
        var ledger = new FluidLedger(Any);
        var pool = Text(ledger);
        pool.Add(new FluidReplica());
        pool.AdvanceTo(10);
        pool.Take(new RequestGroup(10, 1, 400, 101), 10);
        pool.AdvanceTo(1000);
        var log = Detailed([10], [400], [101], 1);
        var seconds = ledger.Totals(1).Seconds!.P50;

        // The levels of prompts and of answer times are a fiftieth apart.
        Assert.InRange(seconds / log.EndToEnd(0), 0.97, 1.03);
    }

    [Theory]
    [InlineData(1, 1.5, 0.02, 0.03)]
    [InlineData(4, 1.5, 0.06, 0.09)]
    public void A_pool_answers_as_many_in_time_as_replicas_step_by_step(int replicas, double perSecond, double ofFirst, double ofEach)
    {
        // Step by step replicas differ in their contexts, which the pool's sequences share: more so the more there are.
        var trace = SyntheticTraffic.Of(RateCurve.Constant(perSecond * replicas, 6000.0 / replicas), new TokenLengths.LogNormal(1200, 0.9, 220, 0.9), 1, new Random(11));
        var log = Detailed(trace.Arrivals, trace.Prompts, trace.Answers, replicas);
        double Within(double ttft, double tpot)
        {
            var ledger = new FluidLedger(new Slo(TimeSpan.FromHours(1), 0.99) { TimeToFirstToken = TimeSpan.FromSeconds(ttft), TimePerOutputToken = TimeSpan.FromSeconds(tpot) });
            var pool = Text(ledger, 256, 100_000);
            for (var i = 0; i < replicas; i++) pool.Add(new FluidReplica());
            for (var request = 0; request < trace.Count; request++)
            {
                pool.AdvanceTo(trace.Arrivals[request]);
                pool.Take(new RequestGroup(trace.Arrivals[request], 1, trace.Prompts[request], trace.Answers[request]), trace.Arrivals[request]);
            }

            pool.AdvanceTo(1e6);
            return ledger.Totals(log.Count).Within / (double)log.Count;
        }

        var (firsts, each) = (Enumerable.Range(0, log.Count).Select(log.Ttft).Order().ToList(), Enumerable.Range(0, log.Count).Select(log.Tpot).Order().ToList());
        foreach (var share in (double[])[0.25, 0.5, 0.75, 0.9, 0.95, 0.98])
        {
            var at = (int)(share * log.Count);
            Assert.InRange(Within(firsts[at], 3600), share - ofFirst, share + ofFirst);
            Assert.InRange(Within(3600, each[at]), share - ofEach, share + ofEach);
        }
    }

    private static TextPool Text(FluidLedger ledger, int concurrency = 64, int blocks = 4000)
    {
        var limits = TextWorlds.Limits with { Blocks = blocks };
        var times = new StepTimes(TextWorlds.Seconds, limits.Sequences);
        return new TextPool(limits, times, new PromptSteps(limits, times), concurrency, ledger);
    }

    private static RequestLog Detailed(double[] arrivals, int[] prompts, int[] answers, int replicas)
    {
        var limits = TextWorlds.Limits with { Blocks = 100_000 };
        var log = new RequestLog(arrivals, prompts, answers);
        new ReplicaGroup(limits, new StepTimes(TextWorlds.Seconds, limits.Sequences), replicas).Run(log);
        return log;
    }
}
