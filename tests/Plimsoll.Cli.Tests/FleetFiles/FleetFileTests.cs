using CsCheck;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Tests.FleetFiles;

public sealed class FleetFileTests
{
    private const string Good = """
        name: shop
        mode: recommend
        machine: {memory: 6GiB, cores: 4}
        gateway:
          listen: 127.0.0.1:9000
          queue: {requests: 10, wait: 30s}
        models:
        - name: small
          source: small.onnx
          slo: {latency: 200ms, attainment: 99%}
        - name: other
          source: other.bin
          weights: 250MB
          memory: {loadPeak: 600MiB, steady: 300MiB}
          command: [serve, --port, "{port}"]
          env: {A: b, EMPTY: }
        """;

    [Fact]
    public void A_whole_file_is_bound_without_a_problem()
    {
        var file = FleetFile.Parse(Good, "fleet.yaml");

        Assert.Equal([], file.Problems.Lines());
        Assert.Equal("shop", file.Document.Name);
        Assert.Equal(FleetMode.Recommend, file.Document.Mode);
        Assert.Equal(6_442_450_944, file.Document.Machine!.Memory!.Value.Value);
        Assert.Equal(TimeSpan.FromMilliseconds(200), file.Document.Models[0].Slo!.Latency);
        Assert.Equal(0.99, file.Document.Models[0].Slo!.Attainment!.Value.Value);
        Assert.Equal(250_000_000, file.Document.Models[1].Weights!.Value.Value);
        Assert.Equal(["serve", "--port", "{port}"], file.Document.Models[1].Command);
        Assert.Equal("", file.Document.Models[1].Env!["EMPTY"]);
    }

    [Theory]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  slo: {latency: 3 parsecs}",
        "f:4:18: models[0].slo.latency: found \"3 parsecs\"; a duration such as 200ms, 2s or 1min would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  slo: {latency: 200}",
        "f:4:18: models[0].slo.latency: found \"200\"; a duration such as 200ms, 2s or 1min would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  prioritty: 3",
        "f:4:3: models[0].prioritty: there is no such field; did you mean \"priority\"?")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n- name: a\n  source: b.onnx",
        "f:4:9: models[1].name: found \"a\" a second time, first in models[0]; names must differ")]
    [InlineData("models:\n- source: a.onnx",
        "f:2:3: models[0].name: missing; the name requests use would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  events: [{from: 2026-12-01T12:00:00, to: 2026-12-01T13:00:00Z, factor: 3}]",
        "f:4:19: models[0].events[0].from: found \"2026-12-01T12:00:00\"; a moment with its offset such as 2026-12-01T12:00:00Z or 2026-12-01T12:00+01:00 would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  events: [{from: 2026-12-01T12:00Z, to: 2026-12-01T12:00+01:00, factor: 3}]",
        "f:4:42: models[0].events[0].to: found 2026-12-01 11:00 UTC, which is not after from (2026-12-01 12:00 UTC); the moment at which it ends would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  events: [{from: 2026-12-01T12:00Z, to: 2026-12-03T12:00Z, factor: 3, every: 1d}]",
        "f:4:79: models[0].events[0].every: found 1 d, which is before one that lasts 2 d is over; so long or longer would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  events: [{from: 2026-12-01T12:00Z, to: 2026-12-03T12:00Z}]",
        "f:4:12: models[0].events[0].factor: it changes nothing; a factor other than 1 or addedPerSecond would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  profile: [{batch: 8}]",
        "f:4:13: models[0].profile[0].latency: missing; a duration such as 12ms would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  profile: [{batch: 8, latency: 20ms}, {batch: 8, latency: 21ms}]",
        "f:4:12: models[0].profile: found two times for a batch of 8; one would do")]
    [InlineData("models: []",
        "f:1:9: models: found an empty list; a list with at least one model, each with name and source, would do")]
    [InlineData("models: 3",
        "f:1:9: models: found \"3\"; a list, each element starting with \"- \", would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  slo: {attainment: 1.5}",
        "f:4:21: models[0].slo.attainment: found \"1.5\"; it must be from 0.01 to 0.99999")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  cores: many",
        "f:4:10: models[0].cores: found \"many\"; a number of cores such as 0.5 or 4 would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  server: triton",
        "f:4:11: models[0].server: found \"triton\"; plimsoll-model-server, llama-server or vllm would do")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  minReplicas: 3\n  maxReplicas: 2",
        "f:5:16: models[0].maxReplicas: found \"2\", below minReplicas (3)")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  slo: {latency: 1s, ttft: 2s}",
        "f:4:28: models[0].slo.ttft: found 2 s, above latency (1 s); the first token comes before the last")]
    [InlineData("models:\n- name: a\n  source: a.onnx\n  command: [serve]",
        "f:4:12: models[0].command: no argument holds {port}; without it the server cannot know where to listen")]
    [InlineData("models:\n- name: a\n  source: ftp://h/a.onnx",
        "f:3:11: models[0].source: \"ftp://h/a.onnx\" is no source that can be read; a path, or https://, s3://, gs://, hf:// or pvc:// would do.")]
    [InlineData("models:\n- name: a\n  source: ftp://me:s3cret@h/a.onnx?token=s3cret",
        "f:3:11: models[0].source: \"h/a.onnx\" is no source that can be read; a path, or https://, s3://, gs://, hf:// or pvc:// would do.")]
    [InlineData("models:\n- name: a\n  source: hf://name",
        "f:3:11: models[0].source: \"hf://name\" is no source that can be read; hf://ORG/NAME@REVISION/FILE would do.")]
    [InlineData("models:\n- name: a\n  source: file://host/a.onnx",
        "f:3:11: models[0].source: \"file://host/a.onnx\" is no source that can be read; file:///FOLDER would do.")]
    [InlineData("models:\n- name: a\n  source: my models://me:s3cret@h/a.onnx",
        "f:3:11: models[0].source: found \"my models://h/a.onnx\"; a path, or an address with https://, s3://, gs://, hf:// or pvc://, would do")]
    [InlineData("models:\n- name: a\n  source: https://h/a.onnx\n  dataSha256: {w.bin: 12}",
        "f:4:15: models[0].dataSha256.w.bin: found \"12\"; 64 hexadecimal digits would do")]
    [InlineData("models:\n- name: a\n  source: https://h/a.onnx\n  cache: false",
        "f:4:10: models[0].cache: found \"false\"; a source behind an address is always fetched into the cache, leave it out")]
    [InlineData("name: a/b\nmodels:\n- name: a\n  source: a.onnx",
        "f:1:7: name: found \"a/b\"; letters, digits, '.', '_' and '-', at most 64, would do")]
    [InlineData("a: &x 1\nmodels: *x", "f:1:4: found an anchor (&name); write the value out at each place")]
    [InlineData("name: a\nname: b\nmodels:\n- name: a\n  source: a.onnx",
        "f:2:1: name: written twice, first on line 1; once would do")]
    [InlineData("", "f:1:1: the file is empty; it takes at least \"models:\" with one model")]
    [InlineData("models:\n- name: a\n  source: a.onnx\ngateway: {apiKey: {}}",
        "f:4:19: gateway.apiKey: either env or file would do")]
    public void A_mistake_is_named_with_its_place_and_what_would_do(string yaml, string problem) =>
        Assert.Equal([problem], FleetFile.Parse(yaml, "f").Problems.Lines());

    [Fact]
    public void The_example_of_the_model_caches_page_is_a_fleet_file()
    {
        var page = File.ReadAllText(Path.Combine(FleetSchemaTests.Repository(), "docs", "model-cache.md"));
        var start = page.IndexOf("```yaml\n", StringComparison.Ordinal) + 8;

        var file = FleetFile.Parse(page[start..page.IndexOf("```", start, StringComparison.Ordinal)], "f");

        Assert.Equal([], file.Problems.Lines());
        Assert.Equal([null, null, true], file.Document.Models.Select(model => model.Cache));
        Assert.Equal(42_949_672_960, file.Document.Machine!.Cache!.Size!.Value.Value);
    }

    [Fact]
    public void All_mistakes_are_told_at_once_in_the_order_of_the_file()
    {
        var lines = FleetFile.Parse("mode: fly\nmachine: {memory: lots}\nmodels:\n- name: a\n  sourze: a.onnx", "f").Problems.Lines();

        Assert.Equal(
            [
                "f:1:7: mode: found \"fly\"; observe, recommend or act would do",
                "f:2:19: machine.memory: found \"lots\"; a size such as 250MB or 6GiB would do",
                "f:4:3: models[0].source: missing; a path or an address would do",
                "f:5:3: models[0].sourze: there is no such field; did you mean \"source\"?",
            ],
            lines);
    }

    [Fact]
    public void An_address_that_others_can_reach_wants_tls_and_a_key()
    {
        var lines = FleetFile.Parse("gateway: {listen: 0.0.0.0:80}\nmodels:\n- {name: a, source: a.onnx}", "f").Problems.Lines();

        Assert.Equal(2, lines.Length);
        Assert.All(lines, line => Assert.StartsWith("f:1:19: gateway.listen: found 0.0.0.0:80, which others can reach; add ", line, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("models:\n- name: [a", "not readable as YAML")]
    [InlineData("models: {a: b", "not readable as YAML")]
    [InlineData("a: 1\n---\nb: 2", "a second document starts here")]
    [InlineData("models: !!python/object:os.system []", "values are written without tags")]
    public void Broken_yaml_is_one_sentence_with_a_place(string yaml, string part)
    {
        var line = FleetFile.Parse(yaml, "f").Problems.Lines()[0];

        Assert.Matches(@"^f:[0-9]+:[0-9]+: ", line);
        Assert.Contains(part, line, StringComparison.Ordinal);
        Assert.DoesNotContain("\n", line, StringComparison.Ordinal);
    }

    [Fact]
    public void A_value_cannot_write_to_the_terminal()
    {
        var line = Assert.Single(FleetFile.Parse("mode: \"\\e[2J\\a\"\nmodels:\n- {name: a, source: a.onnx}", "f").Problems.Lines());

        Assert.Equal("f:1:7: mode: found \"\\u{1B}[2J\\u{7}\"; observe, recommend or act would do", line);
    }

    [Fact]
    public void Depth_is_bounded() =>
        Assert.Contains("nested more than 16 deep", FleetFile.Parse("models: " + new string('[', 100_000), "f").Problems.Lines()[0], StringComparison.Ordinal);

    [Fact]
    public void Ten_thousand_mistakes_are_shown_fifty_at_a_time()
    {
        var lines = FleetFile.Parse("models:\n" + string.Concat(Enumerable.Repeat("- {a: 1}\n", 4000)), "f").Problems.Lines();

        Assert.Equal(51, lines.Length);
        Assert.Equal("f: and 11950 problems more", lines[50]);
    }

    [Fact]
    public void A_file_above_a_mebibyte_is_refused_and_a_missing_one_is_named()
    {
        var path = Path.Combine(Path.GetTempPath(), $"plimsoll-{Environment.ProcessId}-large.yaml");
        try
        {
            File.WriteAllText(path, new string('#', (1 << 20) + 1));
            Assert.Equal([$"{path}:1:1: larger than 1 MiB, the most a fleet file may have"], FleetFile.Read(path).Problems.Lines());
        }
        finally
        {
            File.Delete(path);
        }

        Assert.Equal(["none.yaml:1:1: there is no such file"], FleetFile.Read("none.yaml").Problems.Lines());
    }

    [Fact]
    public void Mutilated_files_never_throw() =>
        Gen.Select(Gen.Int[0, Good.Length - 1], Gen.Int[0, 20], Gen.String[Gen.Char["{}[]:-,&*!|>'\"#%@` \n\t~0aZ\u0000\u00e9"], 0, 12])
            .Array[1, 6]
            .Sample(
                cuts =>
                {
                    var text = Good;
                    foreach (var (at, length, put) in cuts)
                    {
                        var start = Math.Min(at, text.Length);
                        text = text[..start] + put + text[Math.Min(text.Length, start + length)..];
                    }

                    foreach (var line in FleetFile.Parse(text, "f").Problems.Lines())
                        Assert.DoesNotContain("   at ", line, StringComparison.Ordinal);
                },
                iter: 3000);

    [Fact]
    public void Random_text_never_throws() =>
        Gen.String.Sample(text => FleetFile.Parse(text, "f").Problems.Lines(), iter: 3000);
}
