using System.Text;
using CsCheck;
using Plimsoll.Kubernetes.Metrics;
using static Plimsoll.Kubernetes.Tests.Metrics.MeterScene;

namespace Plimsoll.Kubernetes.Tests.Metrics;

public sealed class TrafficMeterTests
{
    private readonly MeterScene _scene = new();

    [Fact]
    public void Arrivals_are_what_ended_and_what_more_is_in_flight()
    {
        Assert.Equal("prod/a was read once so far; arrivals are counted between two looks", _scene.Why(0, Read("a", Sample(0, 10, 2, 1))));
        var row = _scene.Row(10, Read("a", Sample(10, 16, 5, 0) with { Failed = 1 }));

        // 6 completed, 1 failed, and 5 in flight where 3 were.
        Assert.Equal((9, 6, 1), (row.Arrivals, row.Completed, row.Failed));
        Assert.Equal((At(0), At(10), 0, false), (row.From, row.To, row.HeldNow, row.Censored));
    }

    [Fact]
    public void Tokens_are_counted_by_histograms_of_requests_that_ended_and_else_by_the_counters()
    {
        static HistogramSample Lengths(double count, double sum, double below100) => new(count, sum, [new(100, below100), new(400, count), new(double.PositiveInfinity, count)]);
        var before = Sample(0, 10) with { PromptTokens = 1000, GenerationTokens = 500 };
        _scene.Look(0, Read("a", before), Read("b", before with { PromptLengths = Lengths(10, 1000, 10), AnswerLengths = Lengths(10, 500, 10) }));
        var now = Sample(10, 14) with { PromptTokens = 1900, GenerationTokens = 620 };
        var counted = _scene.Row(10, Read("a", now), Read("b", now with { PromptLengths = Lengths(13, 1700, 11), AnswerLengths = Lengths(13, 590, 13) })).Tokens!;

        Assert.Equal((4 + 3, 900 + 700, 120 + 90), (counted.Requests, counted.PromptTokens, counted.AnswerTokens));
        Assert.Null(counted.PromptSquares); // of one pod only

        _scene.Look(20, Read("b", now with { At = At(20), PromptLengths = Lengths(13, 1700, 11), AnswerLengths = Lengths(13, 590, 13) }));
        var squared = _scene.Row(30, Read("b", now with { At = At(30), Completed = 16, PromptLengths = Lengths(15, 2000, 12), AnswerLengths = Lengths(15, 690, 15) })).Tokens!;

        // One below 100, taken as 50; one between 100 and 400, taken as 200.
        Assert.Equal((50 * 50) + (200 * 200), squared.PromptSquares!.Value, 1e-6);
        Assert.Equal(2 * 50 * 50, squared.AnswerSquares!.Value, 1e-6);
    }

    [Fact]
    public void A_server_that_counts_no_tokens_says_nothing_of_lengths()
    {
        _scene.Look(0, Read("a", Sample(0, 10)));
        Assert.Null(_scene.Row(10, Read("a", Sample(10, 16))).Tokens);
    }

    [Fact]
    public void The_pods_of_a_model_add_up()
    {
        _scene.Look(0, Read("a", Sample(0, 10)), Read("b", Sample(0, 20)));
        Assert.Equal(12, _scene.Row(5, Read("a", Sample(5, 15)), Read("b", Sample(5, 25, 2))).Arrivals);
    }

    [Fact]
    public void A_request_that_leaves_before_it_is_counted_is_not_counted_twice()
    {
        _scene.Look(0, Read("a", Sample(0, 0, 1)));
        Assert.Equal(0, _scene.Row(1, Read("a", Sample(1, 0, 0))).Arrivals);
        Assert.Equal(0, _scene.Row(2, Read("a", Sample(2, 1, 0))).Arrivals);
        Assert.Equal(1, _scene.Row(3, Read("a", Sample(3, 2, 0))).Arrivals);
    }

    [Fact]
    public void Requests_that_left_uncounted_long_ago_are_forgotten()
    {
        _scene.Look(0, Read("a", Sample(0, 0, 5)));
        Assert.Equal(0, _scene.Row(1, Read("a", Sample(1, 0, 0))).Arrivals);
        Assert.Equal(0, _scene.Row(179, Read("a", Sample(179, 0, 0))).Arrivals);
        Assert.Equal(3, _scene.Row(182, Read("a", Sample(182, 3, 0))).Arrivals);
    }

    [Fact]
    public void A_server_that_began_anew_counts_from_zero_and_bounds_the_demand_from_below()
    {
        _scene.Look(0, Read("a", Sample(0, 100, 4)));
        var row = _scene.Row(5, Read("a", Sample(5, 3, 1)));
        Assert.Equal((4, 3, true), (row.Arrivals, row.Completed, row.Censored));
        Assert.Equal(2, _scene.Row(10, Read("a", Sample(10, 6, 0))).Arrivals);
    }

    [Fact]
    public void A_later_start_of_its_process_shows_a_restart_that_the_counters_hide()
    {
        _scene.Look(0, Read("a", Sample(0, 10) with { ProcessStartSeconds = 1000 }));
        var row = _scene.Row(100, Read("a", Sample(100, 12) with { ProcessStartSeconds = 2000 }));
        Assert.Equal((12, true), (row.Arrivals, row.Censored));
    }

    [Theory]
    [InlineData("", 4)] // the second version was unloaded: three more of the first and one more in flight
    [InlineData("nv_inference_request_success{model=\"m\",version=\"2\"} 2\n", 6)] // unloaded and loaded anew, and two were served
    [InlineData("nv_inference_request_success{model=\"m\",version=\"2\"} 9005\n", 9)] // there all the time, and five were served
    public void A_counter_that_goes_with_its_model_makes_no_arrivals_of_what_the_others_counted_before(string second, int arrivals)
    {
        static ServerSample Triton(double at, string text) => ServerMetrics.Read(
            Exposition.Read(Encoding.UTF8.GetBytes(text), MetricNames.Series, ExpositionLimits.Default), At(at), null);
        const string first = "nv_inference_pending_request_count{model=\"m\"} ";
        _scene.Look(0, Read("a", Triton(0, first + "0\nnv_inference_request_success{model=\"m\",version=\"1\"} 70000\n"
            + "nv_inference_request_success{model=\"m\",version=\"2\"} 9000\n")));
        var row = _scene.Row(10, Read("a", Triton(10, first + "1\nnv_inference_request_success{model=\"m\",version=\"1\"} 70003\n" + second)));
        Assert.Equal((arrivals, arrivals < 9), (row.Arrivals, row.Censored));
        Assert.Null(row.Service);
    }

    [Fact]
    public void A_process_that_says_it_runs_on_did_not_begin_anew_whatever_its_counters_do()
    {
        _scene.Look(0, Read("a", Sample(0, 79_000, 2) with { ProcessStartSeconds = 1000 }));
        Assert.Equal(1, _scene.Row(10, Read("a", Sample(10, 70_000, 3) with { ProcessStartSeconds = 1000 })).Arrivals);
    }

    [Theory]
    [InlineData(null)] // no process says when it started
    [InlineData(1000.0)]
    public void Counters_of_an_older_scrape_than_the_one_counted_are_no_arrivals_and_none_counts_twice(double? started)
    {
        ServerSample Told(double at, double completed) => Sample(at, completed, 4) with
        {
            ProcessStartSeconds = started,
            Failed = 1,
            Series = [new(MetricField.Completed, "engine=0", completed), new(MetricField.Failed, "", completed > 1_000_000 ? 1 : 0)],
        };
        _scene.Look(0, Read("a", Told(0, 1_000_001)));
        var back = _scene.Row(5, Read("a", Told(5, 999_990)));
        Assert.Equal((0, 0, true), (back.Arrivals, back.Completed, back.Censored));
        var on = _scene.Row(10, Read("a", Told(10, 1_000_011)));
        Assert.Equal((10, 10, false, At(0)), (on.Arrivals, on.Completed, on.Censored, on.From));
    }

    [Fact]
    public void A_sum_that_fell_a_little_and_stays_there_is_counted_from_anew_after_a_while()
    {
        _scene.Look(0, Read("a", Sample(0, 1000)));
        for (var at = 60; at <= 180; at += 60) Assert.Equal((0, true), _scene.Row(at, Read("a", Sample(at, 700 + at))) is var row ? (row.Arrivals, row.Censored) : default);
        _scene.Why(190, Read("a", Sample(190, 900)));
        Assert.Equal((5, false), _scene.Row(200, Read("a", Sample(200, 905))) is var anew ? (anew.Arrivals, anew.Censored) : default);
    }

    [Fact]
    public void A_pod_that_went_takes_nothing_back()
    {
        _scene.Look(0, Read("a", Sample(0, 10)), Read("b", Sample(0, 500, 8)));
        var row = _scene.Row(5, Read("a", Sample(5, 12)));
        Assert.Equal((2, false), (row.Arrivals, row.Censored));
    }

    [Fact]
    public void A_pod_that_became_ready_under_our_eyes_is_counted_from_nothing()
    {
        _scene.Look(0, Read("a", Sample(0, 10)), Lost("b", readySince: null));
        var row = _scene.Row(10, Read("a", Sample(10, 12)), Read(Pod("b", readySince: 4), Sample(10, 7, 1)));
        Assert.Equal((10, At(0), false), (row.Arrivals, row.From, row.Censored));
    }

    [Fact]
    public void A_pod_that_was_ready_before_is_counted_from_now_on()
    {
        _scene.Look(0, Read("a", Sample(0, 10)));
        var row = _scene.Row(10, Read("a", Sample(10, 12)), Read("b", Sample(10, 70_000, 1)));
        Assert.Equal((2, true), (row.Arrivals, row.Censored));
        var next = _scene.Row(20, Read("a", Sample(20, 12)), Read("b", Sample(20, 70_003, 1)));
        Assert.Equal((3, false), (next.Arrivals, next.Censored));
    }

    [Fact]
    public void A_missed_scrape_bounds_from_below_and_is_made_up_for()
    {
        var b = Sample(0, 20);
        _scene.Look(0, Read("a", Sample(0, 10)), Read("b", b));
        var missed = _scene.Row(5, Read("a", Sample(5, 11)), Lost("b", b));
        Assert.Equal((1, true), (missed.Arrivals, missed.Censored));
        var back = _scene.Row(10, Read("a", Sample(10, 12)), Read("b", Sample(10, 28)));
        Assert.Equal((9, false, At(0), At(10)), (back.Arrivals, back.Censored, back.From, back.To));
    }

    [Fact]
    public void A_model_none_of_whose_pods_can_be_read_has_no_row_and_says_why()
    {
        _scene.Look(0, Read("a", Sample(0, 10)));
        Assert.Equal("a hangs", _scene.Why(5, Lost("a", Sample(0, 10))));
        Assert.Equal("a hangs", _scene.Why(6, Lost("a")));
        Assert.Equal("no pod of prod/m is ready", _scene.Why(7, Lost("a", readySince: null)));
        Assert.Equal("no pod of prod/m runs, and only a gateway or a query for arrivals can see requests then", _scene.Why(8));
    }

    [Fact]
    public void A_doubled_scrape_says_nothing_new_and_is_not_stale()
    {
        _scene.Look(0, Read("a", Sample(0, 10)));
        _scene.Row(15, Read("a", Sample(15, 14, 0, 1)));
        var doubled = _scene.Row(16, Read("a", Sample(15, 14, 0, 1)));
        Assert.Equal((0, At(15), At(15), 1), (doubled.Arrivals, doubled.From, doubled.To, doubled.HeldNow));
        var next = _scene.Row(30, Read("a", Sample(30, 15)));
        Assert.Equal((0, At(15), At(30)), (next.Arrivals, next.From, next.To));
    }

    [Fact]
    public void Pods_scraped_at_different_moments_are_counted_together()
    {
        _scene.Look(0, Read("a", Sample(0, 10)), Read("b", Sample(0, 10)));
        var early = _scene.Look(8, Read("a", Sample(7, 13)), Read("b", Sample(0, 10)));
        Assert.Empty(early.Traffic);
        Assert.Equal("the metrics of prod/m are no newer than at the look before", early.Unobserved[Model]);
        var row = _scene.Row(14, Read("a", Sample(7, 13)), Read("b", Sample(14, 12)));

        // 3 in the one, 2 in the other.
        Assert.Equal((5, At(0), At(14)), (row.Arrivals, row.From, row.To));
    }

    [Fact]
    public void A_pod_whose_metrics_stand_still_is_waited_for_only_so_long()
    {
        var still = Sample(0, 10);
        _scene.Look(0, Read("a", Sample(0, 10)), Read("b", still));
        Assert.Empty(_scene.Look(60, Read("a", Sample(60, 13)), Read("b", still)).Traffic);
        var row = _scene.Row(100, Read("a", Sample(100, 15)), Read("b", still));
        Assert.Equal((5, true, At(0), At(100)), (row.Arrivals, row.Censored, row.From, row.To));
    }

    [Theory]
    [InlineData(-3600)] // set back an hour
    [InlineData(3600)] // set forward an hour
    public void A_clock_that_jumps_costs_an_interval_and_invents_nothing(double jump)
    {
        _scene.Look(0, Read("a", Sample(0, 10)));
        Assert.Equal("prod/a was not read for too long, or a clock jumped; it is counted from now on",
            _scene.Why(5 + jump, Read("a", Sample(5 + jump, 14))));
        Assert.Equal(2, _scene.Row(10 + jump, Read("a", Sample(10 + jump, 16))).Arrivals);
    }

    [Fact]
    public void Counters_of_two_scrape_jobs_are_not_compared()
    {
        _scene.Look(0, Read("a", Sample(0, 10) with { Target = "pods 10.0.0.1:8000" }));
        Assert.Equal("prod/a is read from another scrape job than before; it is counted from now on",
            _scene.Why(5, Read("a", Sample(5, 14) with { Target = "podmonitor 10.0.0.1:8000" })));
        Assert.Equal(2, _scene.Row(10, Read("a", Sample(10, 16) with { Target = "podmonitor 10.0.0.1:8000" })).Arrivals);
    }

    [Fact]
    public void A_counter_that_leaps_beyond_belief_is_not_believed()
    {
        _scene.Look(0, Read("a", Sample(0, 10)));
        Assert.Equal("prod/a counted more than a million requests a second, which is not believed", _scene.Why(5, Read("a", Sample(5, 9e15))));
        Assert.Equal(1, _scene.Row(6, Read("a", Sample(6, 9e15 + 1))).Arrivals);
    }

    [Fact]
    public void A_gauge_that_vanished_is_waited_for()
    {
        _scene.Look(0, Read("a", Sample(0, 10, 3)));
        Assert.Equal("prod/a does not say how many requests it holds", _scene.Why(1, Read("a", Sample(1, 10, 3) with { Running = null })));
        Assert.Equal(2, _scene.Row(2, Read("a", Sample(2, 14, 1))).Arrivals);
    }

    [Fact]
    public void A_server_that_counts_arrivals_itself_is_taken_at_its_word()
    {
        _scene.Look(0, Read("a", Sample(0, 10, 1) with { Arrived = 50, Rejected = 0 }));
        var row = _scene.Row(1, Read("a", Sample(1, 12, 9) with { Arrived = 62, Rejected = 1 }));
        Assert.Equal((12, 1, true), (row.Arrivals, row.Rejected, row.Censored));
    }

    [Fact]
    public void A_server_that_counts_no_ends_bounds_from_below_while_it_is_busy()
    {
        var idle = Sample(0) with { Completed = null, GenerationTokens = 100 };
        _scene.Look(0, Read("a", idle));
        var silent = _scene.Row(1, Read("a", idle with { At = At(1) }));
        Assert.Equal((0, false), (silent.Arrivals, silent.Censored));
        var quick = _scene.Row(2, Read("a", idle with { At = At(2), GenerationTokens = 130 }));
        Assert.Equal((1, true), (quick.Arrivals, quick.Censored));
        var busy = _scene.Row(3, Read("a", idle with { At = At(3), GenerationTokens = 130, Running = 2 }));
        Assert.Equal((2, true), (busy.Arrivals, busy.Censored));
    }

    [Fact]
    public void A_counter_that_appears_with_its_first_request_counts_it()
    {
        _scene.Look(0, Read("a", Sample(0) with { Completed = null }));
        var row = _scene.Row(1, Read("a", Sample(1, 1)));
        Assert.Equal((1, 1, false), (row.Arrivals, row.Completed, row.Censored));
    }

    [Fact]
    public void Waiting_requests_are_held_and_their_time_adds_up()
    {
        _scene.Look(0, Read("a", Sample(0)));
        _scene.Row(2, Read("a", Sample(2, 0, 1, 4)));
        var row = _scene.Row(4, Read("a", Sample(4, 2, 1, 2)));

        // Between 4 and 2 waited for two seconds.
        Assert.Equal((2, 6.0), (row.HeldNow, row.HeldRequestSeconds));
    }

    [Fact]
    public void Pods_show_what_is_in_them()
    {
        var look = _scene.Look(0, Read(Pod("a", concurrency: 16), Sample(0, 1, 3, 2) with { StartupSeconds = 92.5 }),
            Lost("b", Sample(-9, 1, 4)), Lost("c"), Read("d", Sample(0) with { Running = null, Waiting = null, Asleep = true }));
        Assert.Equal(Signal.Known(5, At(0)), look.Pods["uid-a"].Outstanding);
        Assert.Equal((16, TimeSpan.FromSeconds(92.5), false),
            (look.Pods["uid-a"].Concurrency!.Value, look.Pods["uid-a"].LoadTime!.Value, look.Pods["uid-a"].Asleep));
        Assert.Equal(Signal.Stale(4, At(-9), "b hangs"), look.Pods["uid-b"].Outstanding);
        Assert.Equal(Signal.Missing<int>("c hangs"), look.Pods["uid-c"].Outstanding);
        Assert.Equal((SignalState.Missing, true), (look.Pods["uid-d"].Outstanding.State, look.Pods["uid-d"].Asleep));
    }

    private static readonly string[] ThreePods = ["a", "b", "c"];

    /// <summary>In each step a pod takes in some requests, ends some of those in it, and is or is not read.</summary>
    private static readonly Gen<(int In, int Out, int Reading)[]> Steps =
        Gen.Select(Gen.Int[0, 20], Gen.Int[0, 20], Gen.Int[0, 3]).Array[3];

    [Fact]
    public void Whatever_is_missed_or_doubled_the_rows_add_up_to_what_arrived() =>
        Steps.Array[1, 30].Sample(steps =>
        {
            var scene = new MeterScene();
            long[] taken = [0, 0, 0], ended = [0, 0, 0], read = [0, 0, 0];
            var last = ThreePods.Select(_ => Sample(0)).ToArray();
            scene.Look(0, [.. ThreePods.Select((pod, i) => Read(pod, last[i]))]);
            long counted = 0;

            // The last step reads all pods, so that nothing is outstanding.
            foreach (var (step, moment) in steps.Append([(0, 0, 0), (0, 0, 0), (0, 0, 0)]).Select((step, i) => (step, i + 1)))
            {
                var readings = ThreePods.Select((pod, i) =>
                {
                    taken[i] += step[i].In;
                    ended[i] += Math.Min(step[i].Out, taken[i] - ended[i]);
                    if (step[i].Reading == 3) return Lost(pod, last[i]);
                    if (step[i].Reading == 2) return Read(pod, last[i]);
                    last[i] = Sample(moment, ended[i], taken[i] - ended[i]);
                    return Read(pod, last[i]);
                }).ToArray();
                foreach (var row in scene.Look(moment, readings).Traffic)
                {
                    Assert.True(row.Arrivals >= 0 && row.From <= row.To);
                    counted += row.Arrivals;
                }
            }

            return counted == taken.Sum();
        });
}
