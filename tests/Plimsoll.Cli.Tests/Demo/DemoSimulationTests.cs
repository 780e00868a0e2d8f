using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.Demo;
using Plimsoll.Cli.Scenarios;

namespace Plimsoll.Cli.Tests.Demo;

/// <summary>The demo on a virtual clock.</summary>
public sealed class DemoSimulationTests
{
    [Fact]
    public async Task Both_policies_get_the_requests_of_the_demo_and_the_same_seed_gives_the_same_figures()
    {
        var (first, again) = (await Simulated("--minutes", "2", "--seeds", "2"), await Simulated("--minutes", "2", "--seeds", "2"));
        Assert.Equal(["plimsoll", "size-blind"], first.Controllers.Select(one => one.Controller));
        var arguments = new DemoArguments { Minutes = 2 };
        foreach (var seed in new[] { 1, 2 })
        {
            var due = DemoTraffic.Synthetic(arguments with { Seed = (ulong)seed }, DemoModel.All, MachineSpeed.Assumed).Schedule.Count(request => request.At < arguments.Duration);
            Assert.All(first.Controllers, one => Assert.Equal(due, one.Runs[seed - 1].Requests));
        }

        Assert.All(first.Controllers, one => Assert.Equal(["large", "medium", "small"], one.Models.Select(model => model.Model)));
        Assert.Equal(first.Controllers.Select(one => one.Attainment), again.Controllers.Select(one => one.Attainment));
        Assert.All(first.Controllers, one => Assert.InRange(one.Attainment, 0.3, 1));
        Assert.All(first.Controllers.SelectMany(one => one.Runs), run => Assert.Equal(0, run.OutOfMemory));
    }

    [Fact]
    public async Task Under_the_budget_the_two_heavier_models_take_turns_and_the_light_one_stays()
    {
        var own = (await Simulated()).Controllers[0];
        var starts = own.Models.ToDictionary(model => model.Model, model => model.Starts);
        Assert.InRange(starts["large"], 2, 12);
        Assert.InRange(starts["medium"], 2, 12);
        Assert.Equal(1, starts["small"]);
    }

    /// <summary>
    /// By the journal of the demo of 2026-11-28 on the machine of docs/benchmarks/demo.md: the middle one of the three loads of medium and the
    /// four of large, and requests that were alone in their replica, at the median.
    /// </summary>
    [Theory]
    [InlineData("small", 0.614, 0.0076)]
    [InlineData("medium", 2.27, 0.042)]
    [InlineData("large", 10.95, 0.225)]
    public void Loads_and_answers_take_what_they_took_on_the_machine(string model, double loadSeconds, double aloneSeconds)
    {
        var needs = DemoModel.All.ToImmutableSortedDictionary(one => one.Id, one => new MemoryNeed(new Bytes(one.WeightBytes), new Bytes(one.WeightBytes)));
        var world = DemoSimulation.Of(
            new DemoArguments(), ImmutableSortedDictionary<ModelId, string>.Empty, needs, DemoBudget.Of([.. needs.Values])!);
        var truth = world.Models.Single(one => one.Spec.Id.Value == model).Truth.Values.Single();
        Assert.InRange(truth.Load.Estimate().Median.TotalSeconds, loadSeconds * 0.95, loadSeconds * 1.06);
        Assert.InRange(truth.Batch.Seconds(1), aloneSeconds * 0.9, aloneSeconds * 1.1);
    }

    [Theory]
    [InlineData("--seeds is 0; 1 to 100 would do", "--simulate", "--seeds", "0")]
    [InlineData("--seeds is 3; on the machine the demo runs once, with --seed; add --simulate for more", "--seeds", "3")]
    public async Task What_cannot_be_run_is_said(string sentence, params string[] arguments)
    {
        var (exit, _, error) = await RunAsync(arguments);
        Assert.Equal(ExitCode.BadInput, exit);
        Assert.Contains(sentence, error, StringComparison.Ordinal);
    }

    private static async Task<SimulationListing> Simulated(params string[] arguments)
    {
        var (exit, output, error) = await RunAsync(["--simulate", "--json", .. arguments]);
        Assert.True(exit == ExitCode.Ok, error);
        return JsonSerializer.Deserialize(output, CommandJson.Default.SimulationListing)!;
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var code = await CommandLine.RunAsync(["demo", .. arguments], output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
