using Plimsoll.Kubernetes.Metrics;
using static Plimsoll.Kubernetes.Tests.Metrics.MeterScene;

namespace Plimsoll.Kubernetes.Tests.Metrics;

/// <summary>Which windows bound demand from below, what they teach of service times, and what was within the objective.</summary>
public sealed class CensoredTrafficTests
{
    private readonly MeterScene _scene = new();

    [Theory]
    [InlineData(3, 2, true)] // requests waited all the time
    [InlineData(0, 2, false)]
    [InlineData(2, 0, false)]
    public void A_window_is_censored_when_requests_waited_at_both_of_its_ends(double before, double after, bool censored)
    {
        _scene.Look(0, Read("a", Sample(0, 0, 8, before)));
        Assert.Equal(censored, _scene.Row(1, Read("a", Sample(1, 5, 8, after))).Censored);
    }

    [Theory]
    [InlineData(8, 8, true)]
    [InlineData(8, 7, false)]
    public void A_window_is_censored_when_the_pod_was_full_at_both_of_its_ends(double before, double after, bool censored)
    {
        var pod = Pod("a", concurrency: 8);
        _scene.Look(0, Read(pod, Sample(0, 0, before)));
        Assert.Equal(censored, _scene.Row(1, Read(pod, Sample(1, 5, after))).Censored);
    }

    [Fact]
    public void While_one_pod_has_room_the_demand_is_all_seen()
    {
        _scene.Look(0, Read("a", Sample(0, 0, 8, 3)), Read("b", Sample(0, 0, 1)));
        Assert.False(_scene.Row(1, Read("a", Sample(1, 5, 8, 3)), Read("b", Sample(1, 5, 1))).Censored);
    }

    [Fact]
    public void A_sleeping_pod_has_no_room()
    {
        var asleep = Sample(0) with { Asleep = true };
        _scene.Look(0, Read("a", Sample(0, 0, 8, 3)), Read("b", asleep));
        Assert.True(_scene.Row(1, Read("a", Sample(1, 5, 8, 3)), Read("b", asleep with { At = At(1) })).Censored);
    }

    [Fact]
    public void Service_times_leave_the_servers_queue_out_and_count_what_it_works_on()
    {
        var before = Sample(0, 0, 4, 9) with { Latency = Times(0, 0, (1, 0), (4, 0)), QueueTime = Times(0, 0) };
        var after = Sample(10, 10, 6, 9) with { Latency = Times(10, 20, (1, 2), (4, 10)), QueueTime = Times(10, 5) };
        _scene.Look(0, Read("a", before));
        var row = _scene.Row(10, Read("a", after));

        // 20 s over 10 requests, half a second of each in the queue: 1.5 s with (4 + 6) / 2 = 5 worked on.
        Assert.Equal(new ServiceSample(10, 50, 15, 250, 75, 6, 4), row.Service);
        Assert.True(row.Censored);
    }

    [Fact]
    public void Where_no_queue_time_is_told_a_full_server_works_on_what_runs_in_it()
    {
        var before = Sample(0, 0, 4, 9) with { Latency = Times(0, 0) };
        var after = Sample(10, 10, 4, 9) with { Latency = Times(10, 100) };
        _scene.Look(0, Read("a", before));

        // Ten seconds each with their wait; four worked on for ten seconds to end ten: 4 s each.
        Assert.Equal(new ServiceSample(10, 40, 40, 160, 160, 4, 10), _scene.Row(10, Read("a", after)).Service);

        // With room: 2 s with all that was in the pod, (13 + 2) / 2 = 7.5.
        Assert.Equal(new ServiceSample(10, 75, 20, 562.5, 150, 13, 2),
            _scene.Row(20, Read("a", Sample(20, 20, 2) with { Latency = Times(20, 120) })).Service);
    }

    [Fact]
    public void Where_neither_a_queue_time_nor_what_runs_is_told_an_overloaded_window_teaches_nothing()
    {
        var before = Sample(0, 0, 4, 2) with { Running = null, Latency = Times(0, 0) };
        var after = Sample(10, 10, 4, 2) with { Running = null, Latency = Times(10, 20) };
        _scene.Look(0, Read("a", before));
        Assert.Null(_scene.Row(10, Read("a", after)).Service);
    }

    [Fact]
    public void Where_nothing_running_is_told_littles_law_says_how_many_there_were()
    {
        var before = Sample(0) with { Server = ServerKind.Triton, Running = null, Latency = Times(0, 0), QueueTime = Times(0, 0) };
        var after = before with { At = At(1), Completed = 10, Latency = Times(10, 2.5), QueueTime = Times(10, 0.5) };
        _scene.Look(0, Read("a", before));

        // 0.2 s each beside the queue, ten in a second: two at a time.
        var service = _scene.Row(1, Read("a", after)).Service!;
        Assert.Equal((10, 20.0, 2.0, 40.0, 4.0, 2, 0.25),
            (service.Count, service.SumN, service.SumL, service.SumNN, service.SumNL, service.MaxN, service.MaxLatencySeconds));
    }

    [Fact]
    public void Of_two_pods_the_one_with_room_teaches_the_service_times()
    {
        ServerSample Of(double at, double ended, double waiting, double seconds) => Sample(at, ended, 2, waiting) with
        {
            Latency = Times(ended, seconds),
            QueueTime = Times(ended, 0),
        };
        _scene.Look(0, Read("a", Of(0, 0, 5, 0)), Read("b", Of(0, 0, 0, 0)));
        var row = _scene.Row(1, Read("a", Of(1, 4, 5, 40)), Read("b", Of(1, 3, 0, 3)));
        Assert.Equal(new ServiceSample(3, 6, 3, 12, 6, 2, 1), row.Service);
    }

    [Fact]
    public void A_restarted_server_teaches_no_service_time()
    {
        _scene.Look(0, Read("a", Sample(0, 100, 4) with { Latency = Times(100, 200), QueueTime = Times(100, 0) }));
        Assert.Null(_scene.Row(1, Read("a", Sample(1, 3, 1) with { Latency = Times(3, 3), QueueTime = Times(3, 0) })).Service);
    }

    [Fact]
    public void The_share_within_the_objective_is_read_off_the_histogram()
    {
        _scene.Look(0, Read("a", Sample(0) with { Latency = Times(0, 0, (0.5, 0), (1.5, 0), (double.PositiveInfinity, 0)) }));
        var row = _scene.Row(1, Read("a", Sample(1, 100) with { Latency = Times(100, 90, (0.5, 40), (1.5, 80), (double.PositiveInfinity, 100)) }));

        // The objective of one second stands in the middle of the bucket from 0.5 to 1.5: 40 + 40 / 2.
        Assert.Equal((60, false), (row.WithinSlo, row.WithinSloUnknown));
    }

    [Fact]
    public void Without_buckets_nobody_knows_what_was_within_the_objective()
    {
        _scene.Look(0, Read("a", Sample(0) with { Latency = Times(0, 0) }));
        var row = _scene.Row(1, Read("a", Sample(1, 100) with { Latency = Times(100, 90) }));
        Assert.Equal((0, true), (row.WithinSlo, row.WithinSloUnknown));
        Assert.False(_scene.Row(2, Read("a", Sample(2, 100) with { Latency = Times(100, 90) })).WithinSloUnknown);
    }
}
