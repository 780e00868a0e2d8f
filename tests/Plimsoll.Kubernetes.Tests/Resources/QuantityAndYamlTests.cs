using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Import;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class QuantityAndYamlTests
{
    [Theory]
    [InlineData("2", 2000)]
    [InlineData("500m", 500)]
    [InlineData("1.5", 1500)]
    [InlineData("0.1m", 1)]
    [InlineData("2e3", 2_000_000)]
    [InlineData("1Ki", 1_024_000)]
    [InlineData("1k", 1_000_000)]
    public void An_amount_is_read_in_thousandths(string text, long milli)
    {
        Assert.True(KubernetesQuantity.TryParseMilli(text, out var read));
        Assert.Equal(milli, (long)read);
    }

    [Theory]
    [InlineData("9999999999999E")]
    [InlineData("99999999999999999999999999")]
    [InlineData("8Ei")]
    public void More_than_can_be_is_the_most_that_can(string text)
    {
        Assert.True(KubernetesQuantity.TryParse(text, out var read));
        Assert.Equal(long.MaxValue, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1e999999999")]
    [InlineData("1 Gi")]
    [InlineData("Gi")]
    [InlineData("1e")]
    [InlineData("٣")]
    public void What_is_no_amount_is_refused(string text) => Assert.False(KubernetesQuantity.TryParse(text, out _));

    [Fact]
    public void What_is_written_as_YAML_reads_back_as_it_was()
    {
        var text = Gen.OneOf(
            Gen.String, Gen.String[Gen.Char["aZ0 :#-{}[]'\"\\\n\t%@&*!|>?,~"], 0, 12],
            Gen.Const("yes"), Gen.Const("null"), Gen.Const("1e3"), Gen.Const("0x1f"), Gen.Const("1:30"), Gen.Const(""), Gen.Const("a\n  b\n"), Gen.Const("- a"));
        var leaf = Gen.OneOf<JsonNode?>(text.Select(one => (JsonNode?)JsonValue.Create(Valid(one))), Gen.Int.Select(one => (JsonNode?)JsonValue.Create(one)), Gen.Bool.Select(one => (JsonNode?)JsonValue.Create(one)), Gen.Const((JsonNode?)null));
        var map = Gen.Select(text, leaf, leaf, leaf).Select(one => (JsonNode)new JsonObject { ["k" + Valid(one.Item1)] = one.Item2, ["list"] = new JsonArray(one.Item3, new JsonObject { ["a"] = one.Item4 }), ["empty"] = new JsonArray(), ["none"] = new JsonObject() });
        map.Sample(node =>
        {
            var yaml = YamlText.Write(node);
            Assert.Equal(node.ToJsonString(), JsonSerializer.Serialize(Assert.Single(YamlDocuments.Read(yaml))));
        }, iter: 3000);
    }

    [Theory]
    [InlineData("a: [", "line")]
    [InlineData("a: &x 1\nb: *x", "anchor")]
    [InlineData("a: 1\na: 2", "line 2: a is written twice")]
    [InlineData("{{ .Values.x }}: {{ include }}", "line 1")]
    public void What_is_not_read_is_told_in_a_sentence(string yaml, string part) =>
        Assert.Contains(part, Assert.Throws<YamlUnreadableException>(() => YamlDocuments.Read(yaml)).Message, StringComparison.Ordinal);

    [Fact]
    public void Depth_is_bounded() =>
        Assert.Contains("deep", Assert.Throws<YamlUnreadableException>(() => YamlDocuments.Read(new string('[', 100_000))).Message, StringComparison.Ordinal);

    // Half a surrogate pair is no text, in JSON or YAML.
    private static string Valid(string text) => new([.. text.Where(c => !char.IsSurrogate(c) && c is not ('\uFFFE' or '\uFFFF'))]);
}
