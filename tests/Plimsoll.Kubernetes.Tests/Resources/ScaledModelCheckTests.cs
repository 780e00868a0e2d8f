using CsCheck;
using k8s;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class ScaledModelCheckTests
{
    private static ScaledModel Model(string spec, string name = "llama") => Written.Model(spec, name);

    [Theory]
    [InlineData("target: {name: llama}")]
    [InlineData("target: {apiVersion: example.org/v1, kind: Fancy, name: llama}")]
    [InlineData("target: {kind: LeaderWorkerSet, name: llama}\nmode: act\nmaxReplicas: 1000")]
    [InlineData("variants:\n- {name: a, target: {name: a}}\n- {name: b, target: {name: b}, device: h100-80gb}")]
    [InlineData("target: {name: llama}\nsource: hf://org/name@v1.0\nrevision: v1.0\nslo: {latency: 30s, ttft: 300ms, attainment: 0.999}")]
    [InlineData("target: {name: llama}\nevents: [{from: '2026-12-01T12:00+01:00', to: '2026-12-01T13:00:00Z', factor: 3, addedPerSecond: 2, every: 1d}]")]
    [InlineData("variants:\n- {name: a, target: {name: a}, device: l4-24gb, profile: [{batch: 1, latency: 8ms}, {batch: 32, latency: 52ms}]}\n- {name: b, target: {name: b}}\nprofile: [{batch: 1, latency: 0.5ms}]")]
    public void What_is_right_has_no_problem(string spec) => Assert.Empty(ScaledModelCheck.Of(Model(spec)));

    [Theory]
    [InlineData("priority: 3", "spec: found none; exactly one of target, variants and template would do")]
    [InlineData("target: {name: a}\nvariants: [{name: b, target: {name: b}}]", "spec: found target and variants; exactly one of target, variants and template would do")]
    [InlineData("target: {kind: Deployment}", "spec.target.name: missing; the target's name would do")]
    [InlineData("target: {name: Llama}", "spec.target.name: found \"Llama\"; the name of an object would do, of at most 253 characters")]
    [InlineData("target: {kind: Fancy, name: a}", "spec.target.apiVersion: missing; the group and version of Fancy would do, such as apps/v1")]
    [InlineData("target: {name: a}\nmode: fast", "spec.mode: found \"fast\"; observe, recommend or act would do")]
    [InlineData("target: {name: a}\nminReplicas: 1001", "spec.minReplicas: found 1001; it must be from 0 to 1000")]
    [InlineData("target: {name: a}\nminReplicas: -1", "spec.minReplicas: found -1; it must be from 0 to 1000")]
    [InlineData("target: {name: a}\nevents: [{to: '2026-12-01T12:00:00Z', factor: 2}]", "spec.events[0].from: missing; a moment with its offset such as 2026-12-01T12:00:00Z or 2026-12-01T12:00+01:00 would do")]
    [InlineData("target: {name: a}\nevents: [{from: noon, to: '2026-12-01T12:00:00Z', factor: 2}]", "spec.events[0].from: found \"noon\"; a moment with its offset such as 2026-12-01T12:00:00Z or 2026-12-01T12:00+01:00 would do, of at most 40 characters")]
    [InlineData("target: {name: a}\nevents: [{from: '2026-02-31T12:00:00Z', to: '2026-12-01T12:00:00Z', factor: 2}]", "spec.events[0].from: found \"2026-02-31T12:00:00Z\"; a moment with its offset such as 2026-12-01T12:00:00Z or 2026-12-01T12:00+01:00 would do")]
    [InlineData("target: {name: a}\nevents: [{from: '2026-12-01T12:00:00Z', to: '2026-12-01T13:00:00Z', factor: 5000}]", "spec.events[0].factor: found 5000; it must be from 0 to 1000")]
    [InlineData("target: {name: a}\nevents: [{from: '2026-12-01T12:00:00Z', to: '2026-12-01T11:00:00Z', factor: 2}]", "spec.events[0].to: found 2026-12-01 11:00 UTC, which is not after from (2026-12-01 12:00 UTC); the moment at which it ends would do")]
    [InlineData("target: {name: a}\nprofile: [{batch: 1, latency: 8ms}, {batch: 1, latency: 9ms}]", "spec.profile: found two times for a batch of 1; one would do")]
    [InlineData("target: {name: a}\nprofile: [{batch: 1, latency: fast}]", "spec.profile[0].latency: found \"fast\"; a duration such as 200ms, 2s or 1min would do")]
    [InlineData("variants: [{name: b, target: {name: b}, profile: [{latency: 8ms}]}]", "spec.variants[0].profile[0].batch: missing; a number of requests, 1 or more, would do")]
    [InlineData("target: {name: a}\nminReplicas: 5\nmaxReplicas: 3", "spec.minReplicas: found 5, above maxReplicas (3); at most that would do")]
    [InlineData("target: {name: a}\nidleLimit: '300'", "spec.idleLimit: found \"300\"; a duration such as 200ms, 2s or 1min would do")]
    [InlineData("target: {name: a}\nidleLimit: 2000d", "spec.idleLimit: found \"2000d\"; it must be from 1 s to 365 d")]
    [InlineData("target: {name: a}\nweights: heavy", "spec.weights: found \"heavy\"; a size such as 250MB or 6GiB would do")]
    [InlineData("target: {name: a}\nslo: {latency: 1s, ttft: 2s}", "spec.slo.ttft: found \"2s\", above latency (1s); the first token comes before the last")]
    [InlineData("target: {name: a}\nslo: {attainment: 1}", "spec.slo.attainment: found 1; it must be from 0.01 to 0.99999")]
    [InlineData("target: {name: a}\nsource: /models/llama", "spec.source: found \"/models/llama\"; an address with hf://, s3://, gs://, https:// or pvc:// would do")]
    [InlineData("target: {name: a}\nsource: 'https://me:secret@example.org/m?sig=x'\nrevision: v1", "spec.revision: only a source with hf:// has revisions; leave it out")]
    [InlineData("target: {name: a}\nsource: 'ftp://me:secret@example.org/m'", "spec.source: found \"ftp://…\"; an address with hf://, s3://, gs://, https:// or pvc:// would do")]
    [InlineData("target: {name: a}\nsource: hf://org/name@v1\nrevision: v2", "spec.revision: found \"v2\", and the source says \"v1\"; one of the two would do")]
    [InlineData("target: {name: a}\nrevision: v2", "spec.revision: found without a source; spec.source with an address would do, or leave it to the pods' arguments")]
    [InlineData("variants: []", "spec.variants: it is empty; a list with at least 1 would do")]
    [InlineData("variants: [{name: a, target: {name: a}}, {name: a, target: {name: b}}]", "spec.variants[1].name: found \"a\" a second time, first in [0]; names must differ")]
    [InlineData("variants: [{name: a, target: {name: x}}, {name: b, target: {name: x}}]", "spec.variants[1].target: found Deployment x a second time, first in [0]; targets must differ")]
    [InlineData("variants: [{name: a, target: {kind: InferenceService, name: x}}, {name: b, target: {name: x-predictor}}]", "spec.variants[1].target: found Deployment x-predictor a second time, first in [0]; targets must differ")]
    [InlineData("variants: [null]", "spec.variants[0]: found nothing; an entry with its fields would do")]
    [InlineData("target: {name: a}\ngateway: {model: 'a b'}", "spec.gateway.model: found \"a b\"; a name such as llama-8b would do, of at most 128 characters")]
    public void What_is_wrong_is_told_with_its_place_and_what_would_do(string spec, string problems) =>
        Assert.Equal(problems.Split('|'), ScaledModelCheck.Of(Model(spec)).Select(problem => problem.ToString()));

    private const string Template = """
        template:
          kind: KIND
          podTemplate:
            spec:
              containers:
              - name: vllm
                args: ["--tensor-parallel-size={tp}"]
                resources: {limits: {"nvidia.com/gpu": "AMOUNT"}}
          variants:
          - {name: tp2, tp: 2}
        """;

    [Theory]
    [InlineData("{devices}", "")]
    [InlineData("2", "")]
    [InlineData("1e999999999", "found \"1e999999999\"; an amount such as 2, 500m or 6Gi would do, or {devices}")]
    [InlineData("{TP}", "found \"{TP}\"; an amount such as 2, 500m or 6Gi would do, or {devices}")]
    public void A_templates_amounts_are_amounts_before_anybody_computes_them(string amount, string problem)
    {
        var problems = ScaledModelCheck.Of(Model(Template.Replace("AMOUNT", amount, StringComparison.Ordinal).Replace("KIND", "Deployment", StringComparison.Ordinal)));
        if (problem.Length == 0) Assert.Empty(problems);
        else Assert.Equal($"spec.template.podTemplate.spec.containers[0].resources.limits[nvidia.com/gpu]: {problem}", problems[0].ToString());
    }

    [Fact]
    public void A_placeholder_in_other_capitals_is_told_and_a_scripts_braces_are_not()
    {
        var spec = Template.Replace("AMOUNT", "1", StringComparison.Ordinal).Replace("KIND", "Deployment", StringComparison.Ordinal);
        Assert.Equal("spec.template.podTemplate: found \"{Tp}\"; {tp} would do",
            Assert.Single(ScaledModelCheck.Of(Model(spec.Replace("{tp}", "{Tp}", StringComparison.Ordinal)))).ToString());
        Assert.Empty(ScaledModelCheck.Of(Model(spec.Replace("{tp}", "${TP} {name} {}", StringComparison.Ordinal))));
    }

    [Fact]
    public void A_name_that_leaves_no_room_for_the_pods_is_told()
    {
        var spec = Template.Replace("AMOUNT", "1", StringComparison.Ordinal).Replace("KIND", "LeaderWorkerSet", StringComparison.Ordinal);
        Assert.Empty(ScaledModelCheck.Of(Model(spec, new string('a', 48))));
        Assert.Equal("spec.template.variants[0].name: the workload's name, the ScaledModel's with \"-tp2\", has 53 characters; 52 together would do",
            Assert.Single(ScaledModelCheck.Of(Model(spec, new string('a', 49)))).ToString());
    }

    [Fact]
    public void Hostile_objects_are_read_and_refused_in_bounded_words()
    {
        // Whatever an API server without our schema lets through: texts of a megabyte, numbers without sense, deep pods.
        ResourceJson.Prepare();
        var text = Gen.OneOf(
            Gen.String, Gen.Const(new string('界', 30_000)), Gen.Const("\u202E\u0000\u001b[2J"), Gen.Const("{tp}"), Gen.Const("a"), Gen.Const("1e999999999"), Gen.Const("hf://../.."), Gen.Const("99999999999999999999d"));
        var number = Gen.OneOf(Gen.Int, Gen.Const(int.MinValue), Gen.Const(int.MaxValue), Gen.Const(0));
        var list = Gen.OneOf(Gen.Const(0), Gen.Const(1), Gen.Const(40), Gen.Const(2000));
        var depth = Gen.OneOf(Gen.Const(1), Gen.Const(30), Gen.Const(9000));
        Gen.Select(text, text, number, list, depth).Sample((a, b, n, count, deep) =>
        {
            string Quoted(string value) => System.Text.Json.JsonSerializer.Serialize(value);
            var target = $$$$"""{"name":{{{{Quoted(a)}}}},"kind":{{{{Quoted(b)}}}},"apiVersion":{{{{Quoted(a)}}}}}""";
            var pod = string.Concat(Enumerable.Repeat("{\"spec\":", deep)) + "[]" + new string('}', deep);
            var variants = string.Join(',', Enumerable.Repeat($$$$"""{"name":{{{{Quoted(b.Length > 100 ? "b" : b)}}}},"tp":{{{{n}}}}}""", count));
            var json = $$$$"""
                {"metadata":{"name":"x"},"spec":{"target":{{{{target}}}},"source":{{{{Quoted(b)}}}},"revision":{{{{Quoted(a)}}}},"weights":{{{{Quoted(a)}}}},"idleLimit":{{{{Quoted(b)}}}},
                "minReplicas":{{{{n}}}},"maxReplicas":{{{{n}}}},"concurrency":{{{{n}}}},"slo":{"latency":{{{{Quoted(a)}}}},"attainment":1e300},"metrics":{"path":{{{{Quoted(a)}}}},"port":{{{{n}}}}},
                "template":{"podTemplate":{{{{pod}}}},"variants":[{{{{variants}}}}]}}}
                """;
            var model = KubernetesJson.Deserialize<ScaledModel>(json);
            var problems = ScaledModelCheck.Of(model);
            Assert.InRange(problems.Length, 1, 20);
            Assert.All(problems, problem => Assert.True(problem.ToString().Length < 600 && !problem.ToString().Any(char.IsControl), problem.ToString()));
            _ = ScaledModelSettings.Of(model);
        }, iter: 60);
    }
}
