using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Simulation.Runs;

namespace Plimsoll.Cli.Tests.Scenarios;

/// <summary>The case that Plimsoll began with: the same traffic on a model of 100 MB, one of 15 GB and one of 400 GB, whose weights alone make
/// the difference. Whole runs of the examples of the README, read as they were recorded.</summary>
public sealed partial class SameTrafficTests
{
    // The silences of the traffic, each twice in the run.
    private static readonly TimeSpan ShortSilence = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongSilence = TimeSpan.FromMinutes(12);
    private static readonly TimeSpan LongestSilence = TimeSpan.FromHours(1);

    [Fact]
    public void Horizons_holds_and_starts_differ_as_the_weights_do_and_each_is_explained_in_words()
    {
        var (run, explained) = RunOf("same-traffic-three-weights.yaml", "encoder", "text", "large", "encoder@145min", "text@145min", "large@145min");
        var (encoder, large, text) = (run.Verdicts[0], run.Verdicts[1], run.Verdicts[2]);
        Assert.Equal(["encoder", "large", "text"], run.Verdicts.Select(verdict => verdict.Model.Value));
        Assert.Equal([7_194, 7_099, 7_101], run.Models.Select(model => model.Requests));

        // A second or two, a minute, several minutes.
        Assert.InRange(encoder.LoadTime, TimeSpan.FromSeconds(0.3), TimeSpan.FromSeconds(3));
        Assert.InRange(text.LoadTime, TimeSpan.FromSeconds(30), TimeSpan.FromMinutes(2));
        Assert.InRange(large.LoadTime, TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(12));

        // Held for seconds; through the silence of half a minute; through that of twelve minutes.
        Assert.InRange(encoder.Hold!.Value, TimeSpan.Zero, ShortSilence);
        Assert.InRange(text.Hold!.Value, ShortSilence, large.Hold!.Value);
        Assert.InRange(large.Hold!.Value, LongSilence, TimeSpan.FromDays(1));

        // There are eight bursts. The light one comes anew for each and within them, the heavy one not even for every second one.
        var starts = run.Models.ToDictionary(model => model.Model.Value, model => model.Starts);
        Assert.InRange(starts["encoder"], 8, 1000);
        Assert.InRange(starts["text"], 2, 8);
        Assert.InRange(starts["large"], 1, 3);
        Assert.True(starts["encoder"] > starts["text"] && starts["text"] > starts["large"]);

        foreach (var (name, verdict, weight) in (ReadOnlySpan<(string, ModelVerdict, string)>)[("encoder", encoder, "95.4 MiB"), ("text", text, "15.0 GiB"), ("large", large, "382 GiB")])
        {
            var words = Words(explained, name);
            Assert.Contains($"weight {weight} (", words, StringComparison.Ordinal);
            Assert.Contains($"load {Durations.Show(verdict.LoadTime)} (9 in 10 loads are faster", words, StringComparison.Ordinal);
            Assert.Contains($"an idle replica is held {Durations.Show(verdict.Hold!.Value)}", words, StringComparison.Ordinal);
        }

        // Why each was let go, or not: what coming back takes.
        Assert.Matches(@"drain encoder-\d+: idle for [\d.]+ s; holding has cost as much as coming back would \([\d.]+ s: [\d.]+ m?s to load", Words(explained, "encoder"));
        Assert.Matches(@"drain text-\d+: idle for \d+ min( \d+ s)?; holding has cost as much as coming back would \(.+ min .*: 1 min( \d+ s)? to load", Words(explained, "text"));
        Assert.Matches(@"large, at 03:59:59: idle for \d+ min( \d+ s)?; held until 1 h( \d+ min)?, because coming back takes \d min( \d+ s)?", Words(explained, "large"));

        // In the middle of a burst: how far ahead each looks, a little more than it loads.
        Assert.Matches(@"encoder, at 02:2[45]:\d\d: [\d.]+/s expected over \d(\.\d)? s \(.+ demand [\d.]+/s, forecast [\d.]+/s \([\d.]+ % quantile of the most within \d(\.\d)? s", Words(explained, "encoder", at: 1));
        Assert.Matches(@"text, at 02:2[45]:\d\d: [\d.]+/s expected over 1 min( \d+ s)? \(.+ quantile of the most within 1 min( \d+ s)?", Words(explained, "text", at: 1));
        Assert.Matches(@"large, at 02:2[45]:\d\d: [\d.]+/s expected over \d min( \d+ s)? \(.+ quantile of the most within \d min( \d+ s)?", Words(explained, "large", at: 1));

        // How long each had been idle when it was let go, as its reason says it.
        Assert.NotEmpty(Silences(run, "encoder"));
        Assert.NotEmpty(Silences(run, "text"));
        Assert.NotEmpty(Silences(run, "large"));
        Assert.All(Silences(run, "encoder"), silence => Assert.InRange(silence, TimeSpan.FromSeconds(1), ShortSilence));
        Assert.All(Silences(run, "text"), silence => Assert.InRange(silence, TimeSpan.FromMinutes(1), LongestSilence));
        Assert.All(Silences(run, "large"), silence => Assert.InRange(silence, TimeSpan.FromMinutes(5), LongestSilence));
    }

    [Fact]
    public void Where_room_is_short_the_light_ones_make_it_and_the_heavy_one_stays()
    {
        var (run, explained) = RunOf("three-weights-too-little-room.yaml", "encoder-0", "text", "large");
        var claimed = run.Decisions.Where(done => done.Why.Contains("letting this go loses least", StringComparison.Ordinal)).ToList();
        Assert.InRange(claimed.Count, 100, 2000);
        Assert.All(claimed, done => Assert.StartsWith("encoder-", done.Model!.Value.Value, StringComparison.Ordinal));
        foreach (var model in run.Models)
        {
            if (model.Weights >= Bytes.GiB(10)) Assert.Equal(1, model.Starts);
            else Assert.InRange(model.Starts, 2, 100);
        }

        // Those that make room are back within seconds, so that nobody is worse off for it.
        Assert.InRange(run.Attainment, 0.97, 1);
        Assert.Equal(0, run.OutOfMemory);
        Assert.Matches(@"drain encoder-0-\d+: encoder-\d+ needs [\d.]+ MiB and [\d.]+ (MiB|B) is free; letting this go loses least", Words(explained, "encoder-0"));
        Assert.DoesNotContain("drain", Words(explained, "text") + Words(explained, "large"), StringComparison.Ordinal);
        Assert.Matches(@"load \d min( \d+ s)? \(9 in 10 loads are faster.*; idle memory is held until another model needs it", Words(explained, "large"));
    }

    [Fact]
    public async Task The_README_shows_what_the_command_prints()
    {
        using var output = new StringWriter { NewLine = "\n" };
        Assert.Equal(0, await CommandLine.RunAsync(
            ["simulate", Path.Combine(Examples(), "same-traffic-three-weights.yaml"), "--by-weight", "--explain", "large@4h"], output, TextWriter.Null, TimeProvider.System));
        var readme = await File.ReadAllTextAsync(Path.Combine(Examples(), "..", "..", "README.md"), TestContext.Current.CancellationToken);

        var shown = readme.Split("<!-- by-weight output -->\n```\n")[1].Split("```")[0];
        Assert.Contains(shown, output.ToString(), StringComparison.Ordinal);
        var words = string.Join(' ', output.ToString().Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("large, at 03:59:59: " + readme.Split("`--explain large@4h` says it in words: *")[1].Split('*')[0], words, StringComparison.Ordinal);
    }

    private static (RunResult Run, ImmutableArray<ExplainedListing> Explained) RunOf(string scenario, params string[] explain)
    {
        var file = ScenarioFile.Read(Path.Combine(Examples(), scenario));
        var world = new ScenarioResolver(file).Of(1, CancellationToken.None) ?? throw new InvalidOperationException(string.Join('\n', file.Problems.Lines()));
        var moments = new ExplainedMoments(world, AskedMoment.Read(explain));
        var run = SimulationRun.Plimsoll(world, 1, seen: moments.See);
        return (run, moments.Of(run));
    }

    /// <summary>How long each replica that was let go had been idle, by the reason that was given.</summary>
    private static IEnumerable<TimeSpan> Silences(RunResult run, string model) => run.Decisions
        .Where(done => done.Model?.Value == model && done.What.StartsWith("drain", StringComparison.Ordinal))
        .Select(done => IdleFor().Match(done.Why)).Where(match => match.Success)
        .Select(match => TimeSpan.FromSeconds((Number(match.Groups["h"]) * 3600) + (Number(match.Groups["min"]) * 60) + Number(match.Groups["s"])));

    private static double Number(Group found) => found.Success ? double.Parse(found.Value, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"^idle for ((?<h>\d+) h ?)?((?<min>\d+) min ?)?((?<s>[\d.]+) s)?")]
    private static partial Regex IdleFor();

    private static string Words(ImmutableArray<ExplainedListing> explained, string model, int at = 0) =>
        string.Join(' ', string.Join(' ', explained.Where(one => one.Model == model).ElementAt(at).Lines).Split(' ', StringSplitOptions.RemoveEmptyEntries));

    private static string Examples()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "Plimsoll.slnx"))) return Path.Combine(folder, "examples", "scenarios");
        throw new InvalidOperationException("the repository was not found above the tests");
    }
}
