using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Tests.Load;

namespace Plimsoll.Cli.Tests.Demo;

public sealed class DemoDriveTests
{
    [Fact]
    public async Task A_driven_fleet_gets_every_request_and_a_verdict_of_what_was_seen()
    {
        await using var server = await FakeModelServer.StartAsync((_, _) => Task.CompletedTask);
        var arguments = new DemoArguments { Minutes = 0.02, SpeedUp = 15 };
        var ids = DemoModel.All.Select(model => model.Id).ToImmutableArray();
        var calls = 0;
        var fleet = new DemoFleet(
            server.Address, Bytes.GiB(2), ids.ToImmutableSortedDictionary(id => id, _ => Bytes.GiB(1)),
            () => new MemorySoFar(100 * ++calls, Bytes.GiB(1), ids.ToImmutableSortedDictionary(id => id, _ => calls * (double)Bytes.GiB(3).Value)),
            new FleetTimeline(ids));
        var requests = ids.Select((id, n) => new ScheduledRequest(TimeSpan.FromMilliseconds(100 * n), id, 4));

        var report = await new DemoDrive(arguments, DemoModel.All, fleet, TimeProvider.System).RunAsync(
            new DemoTraffic(requests, []), ["a setting"], null, TestContext.Current.CancellationToken);

        Assert.Equal((3, 3, 200L), (server.Arrived, report.All.Succeeded, report.MemorySamples));
        Assert.True(report.Seconds >= 1.2, $"ended after {report.Seconds} s of 1.2 s");
        // Between the two looks each model held 3 GiB s more.
        Assert.All(report.Models, model => Assert.Equal(3, model.GibSeconds));
        Assert.Equal(Bytes.GiB(3).Value, report.AllLoadedBytes);
        Assert.All(report.Models, model => Assert.Equal(DemoTable.SparklineWidth, model.Replicas.Length));
        Assert.Contains("\"policy\": \"plimsoll\"", JsonSerializer.Serialize(report, DemoJson.Default.DemoReport), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_hands_on_what_was_asked_for()
    {
        using var code = new TemporaryFile("");
        DemoArguments? seen = null;
        ImmutableSortedDictionary<ModelId, string>? files = null;
        var command = DemoCommand.Create((arguments, traces, _, _, _) =>
        {
            (seen, files) = (arguments, traces);
            return Task.FromResult(7);
        }, (_, _, _, _, _, _) => Task.FromResult(8));

        var exit = await command.Parse(["--policy", "size-blind", "--trace", $"large={code.Path}", "--minutes", "2.5", "--seed", "9", "--json"])
            .InvokeAsync(new InvocationConfiguration(), TestContext.Current.CancellationToken);

        Assert.Equal(7, exit);
        Assert.Equal(("size-blind", 2.5, 15.0, 9UL, true, true), (seen!.Policy, seen.Minutes, seen.SpeedUp, seen.Seed, seen.Json, seen.PlaysTraces));
        Assert.Equal(code.Path, files![ModelId.Of("large")]);
    }

    [Theory]
    [InlineData("--policy", "clairvoyant")]
    [InlineData("--minutes", "-1")]
    [InlineData("--trace", "nonsense")]
    [InlineData("--sequence-length", "513")]
    public void A_value_out_of_bounds_is_refused(params string[] arguments)
    {
        Assert.NotEmpty(DemoCommand.Create((_, _, _, _, _) => Task.FromResult(0), (_, _, _, _, _, _) => Task.FromResult(0)).Parse(arguments).Errors);
    }

    [Fact]
    public void Every_time_constant_of_the_rival_is_stated_as_it_is_here()
    {
        // 15 s, 300 s and 300 s over 15.
        var sentence = DemoSetting.SizeBlind(15);

        foreach (var part in new[] { "15 s, here 1 s", "300 s is 20 s; KEDA", "cooldown of 300 s is 20 s.", "divided by 15" })
            Assert.Contains(part, sentence, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_trace_is_one_sentence_and_nothing_is_started()
    {
        using var error = new StringWriter();

        var exit = await CommandLine.RunAsync(["demo", "--trace", "large=/no/such.csv"], TextWriter.Null, error, TimeProvider.System);

        Assert.Equal(2, exit);
        Assert.StartsWith("plimsoll: there is no trace file /no/such.csv; ", error.ToString(), StringComparison.Ordinal);
    }
}
