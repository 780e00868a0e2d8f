using Microsoft.AspNetCore.Http;

namespace Plimsoll.Gateway.Tests;

public sealed class StormTests : GatewayScene
{
    private const int Requests = 600;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Every_arrival_of_a_random_storm_ends_once_and_as_its_client_saw_it(int seed)
    {
        var gateway = await GatewayAsync(new GatewayOptions
        {
            HeldRequestsPerModel = 24,
            BufferedBody = Bytes.KiB(8),
            HoldTime = TimeSpan.FromMilliseconds(400),
            Attempts = 2,
        });
        var replicas = new List<ReplicaRoute>();
        var upstreams = new List<Upstream>();
        var over4 = 0;
        for (var i = 1; i <= 3; i++)
        {
            upstreams.Add(await UpstreamAsync(async context =>
            {
                foreach (var replica in replicas.ToArray())
                {
                    if (Router.Outstanding(replica.Replica) > replica.Concurrency) Interlocked.Increment(ref over4);
                }

                await AnswerAsync(context);
            }));
            replicas.Add(Replica(i, upstreams[^1].Address, concurrency: 4));
        }

        replicas.Add(Replica(4, Nowhere(), concurrency: 4));
        Router.Publish(new RouteTable([Route(Bert, [.. replicas])]));
        using var over = new CancellationTokenSource();
        var tables = TablesAsync(new Random(seed), replicas, over.Token);
        var random = new Random(1000 + seed);
        var plans = Enumerable.Range(0, Requests).Select(i => new Plan(
            i, Leaves: random.Next(5) == 0 ? random.Next(40) : null, Wish: random.Next(6), Large: random.Next(8) == 0, Pause: random.Next(3))).ToArray();
        var seen = await Task.WhenAll(Enumerable.Range(0, 48).Select(client => ClientAsync(gateway, plans.Where(plan => plan.Number % 48 == client))));
        await over.CancelAsync();
        await tables;

        var sum = await TrafficAsync(row => row.Arrivals == row.Completed + row.Failed + row.Abandoned + row.Rejected && row.HeldNow == 0);
        var all = seen.SelectMany(one => one).ToArray();
        var left = all.Count(status => status == 0);
        Assert.InRange(sum.Arrivals, Requests - left, Requests);
        Assert.Equal(0, replicas.Sum(replica => Router.Outstanding(replica.Replica)));
        Assert.Equal(0, Router.HeldCount);
        Assert.Equal(0, over4);

        // One whose client left, or that broke, is out of the gateway's count a moment before its handler has ended.
        Assert.All(upstreams, upstream => Assert.InRange(upstream.MostAtOnce, 1, 8));

        // Whoever stayed knows how it ended; one who left may have done so just before or after the end.
        AssertEnds(all.Count(status => status is > 0 and < 500), sum.Completed);
        AssertEnds(all.Count(status => status == 503), sum.Rejected);
        AssertEnds(all.Count(status => status is 500 or 502 or -1), sum.Failed);
        AssertEnds(0, sum.Abandoned);
        Assert.True(sum.Completed > 0 && sum.Rejected > 0 && sum.Failed > 0 && sum.Abandoned > 0, $"seed {seed} makes no storm: {sum}");

        void AssertEnds(int known, long counted) => Assert.InRange(counted, known, known + left);
    }

    private sealed record Plan(int Number, int? Leaves, int Wish, bool Large, int Pause);

    // A replica does as it is wished: answers, fails, breaks before or in the middle of its answer.
    private static async Task AnswerAsync(HttpContext context)
    {
        var wish = int.Parse(context.Request.Headers["x-wish"].ToString(), System.Globalization.CultureInfo.InvariantCulture);
        await Task.Delay(TimeSpan.FromMilliseconds(2 + 3 * wish), TimeProvider.System, context.RequestAborted);
        if (wish == 1) context.Response.StatusCode = 500;
        if (wish == 2) context.Abort();
        if (wish == 3)
        {
            context.Response.ContentLength = 100;
            await context.Response.WriteAsync("half");
            await context.Response.Body.FlushAsync();
            context.Abort();
        }
    }

    // Models lose and regain their replicas, drain them, and have none at all for a while.
    private async Task TablesAsync(Random random, List<ReplicaRoute> replicas, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(1, 30)), TimeProvider.System, Patience);
            var some = random.Next(6) == 0 ? [] : replicas.Where(_ => random.Next(3) > 0)
                .Select(replica => replica with { Draining = random.Next(4) == 0 }).ToArray();
            Router.Publish(new RouteTable([Route(Bert, some)]));
        }
    }

    // The status of each request in turn; 0 for one that was left, -1 for one that broke.
    private async Task<List<int>> ClientAsync(Uri gateway, IEnumerable<Plan> plans)
    {
        var seen = new List<int>();
        foreach (var plan in plans)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(plan.Pause), TimeProvider.System, Patience);
            using var leaving = plan.Leaves is { } after
                ? new CancellationTokenSource(TimeSpan.FromMilliseconds(after), TimeProvider.System) : new CancellationTokenSource();
            using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway, "/v2/models/bert/infer"))
            {
                Content = new ByteArrayContent(new byte[plan.Large ? 20_000 : 10]),
            };
            request.Headers.Add("x-wish", $"{plan.Wish}");
            try
            {
                using var response = await Client.SendAsync(request, leaving.Token);
                seen.Add((int)response.StatusCode);
            }
            catch (OperationCanceledException)
            {
                seen.Add(0);
            }
            catch (HttpRequestException)
            {
                seen.Add(plan.Leaves is null ? -1 : 0);
            }
        }

        return seen;
    }
}
