using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using CsCheck;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Metrics;

public sealed class ExpositionTests
{
    private static readonly FrozenSet<string> Names = new[] { "a", "a_total", "x:y" }.ToFrozenSet();

    private static ImmutableArray<ExpositionSample> Read(string text, ExpositionLimits? limits = null) =>
        Exposition.Read(Encoding.UTF8.GetBytes(text), Names, limits ?? ExpositionLimits.Default);

    private static string Problem(string text, ExpositionLimits? limits = null) =>
        Assert.Throws<MetricsException>(() => Read(text, limits)).Message;

    [Theory]
    [InlineData("a 1\n", 1)]
    [InlineData("a 1.5e3\n", 1500)]
    [InlineData("a\t-2\n", -2)]
    [InlineData("a +Inf\n", double.PositiveInfinity)]
    [InlineData("a -inf\n", double.NegativeInfinity)]
    [InlineData("a NaN\n", double.NaN)]
    [InlineData("a nan\n", double.NaN)]
    [InlineData("  a 7\r\n", 7)]
    [InlineData("a{} 7 1700000000123\n", 7)]
    [InlineData("a 7 1700000000.123\n", 7)]
    [InlineData("# HELP a about a\n# TYPE a gauge\na 7\n# EOF\n", 7)]
    [InlineData("a{l=\"v\"} 7 # {trace_id=\"x\"} 0.67 1520879607.789\n", 7)]
    [InlineData("a 7 1.5 # {} 1\n", 7)]
    public void A_line_is_a_name_labels_a_value_and_perhaps_a_time_and_an_exemplar(string text, double value) =>
        Assert.Equal(value, Assert.Single(Read(text)).Value);

    [Fact]
    public void Labels_are_unescaped_and_keep_their_order()
    {
        var sample = Assert.Single(Read("a{ z = \"1\" , path=\"C:\\\\x\\n\\\"q\\\"\\t\", é=\"\" } 1\n".Replace("é", "e_1", StringComparison.Ordinal)));
        Assert.Equal([new("z", "1"), new("path", "C:\\x\n\"q\"\\t"), new("e_1", "")], sample.Labels);
        Assert.Equal("1", sample.Label("z"));
        Assert.Null(sample.Label("y"));
        Assert.Equal("Grüße, 世界", Read("a{l=\"Grüße, 世界\"} 1\n")[0].Label("l"));
    }

    [Fact]
    public void Only_the_names_asked_for_are_read_whatever_stands_in_the_other_lines()
    {
        var samples = Read("b{broken 1\n{\"quoted.name\",l=\"v\"} 1\nab 1\nx:y{l=\"v\"} 2\na_totals 3\n\na 4\n" + new string('n', 300) + " 1\n");
        Assert.Equal(["x:y", "a"], samples.Select(sample => sample.Name));
    }

    [Fact]
    public void An_empty_text_has_no_samples() => Assert.Empty(Read(""));

    [Theory]
    [InlineData("a 1", "the metrics end within a line, so they were cut off")]
    [InlineData("a 1\n# EOF\na 2\n", "line 3 stands after # EOF")]
    [InlineData("a\n", "line 1 of a cannot be read: its value is no number")]
    [InlineData("a one\n", "line 1 of a cannot be read: its value is no number")]
    [InlineData("a 1,000\n", "line 1 of a cannot be read: its value is no number")]
    [InlineData("a 0x10\n", "line 1 of a cannot be read: its value is no number")]
    [InlineData("a +-1\n", "line 1 of a cannot be read: its value is no number")]
    [InlineData("a 1 soon\n", "line 1 of a cannot be read: its timestamp is no number")]
    [InlineData("a 1 2 3\n", "line 1 of a cannot be read: something follows its end")]
    [InlineData("a 1 # x\n", "line 1 of a cannot be read: an exemplar's labels are expected after #")]
    [InlineData("\na{l} 1\n", "line 2 of a cannot be read: an equals sign is expected after the label l")]
    [InlineData("a{l=v} 1\n", "line 1 of a cannot be read: the value of the label l does not start with a quote")]
    [InlineData("a{l=\"v} 1\n", "line 1 of a cannot be read: the value of the label l has no closing quote")]
    [InlineData("a{l=\"v\\\n", "line 1 of a cannot be read: the value of the label l has no closing quote")]
    [InlineData("a{l=\"v\" m=\"w\"} 1\n", "line 1 of a cannot be read: a comma or a brace is expected after the label l")]
    [InlineData("a{1=\"v\"} 1\n", "line 1 of a cannot be read: a label's name is expected")]
    [InlineData("a{l=\"v\",,} 1\n", "line 1 of a cannot be read: a label's name is expected")]
    [InlineData("a{l=\"v\",l=\"w\"} 1\n", "line 1 of a cannot be read: it has the label l twice")]
    [InlineData("a{l=\"v\"\n", "line 1 of a cannot be read: a comma or a brace is expected after the label l")]
    [InlineData("a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n", "line 2 gives a a second time with the same labels")]
    public void What_breaks_the_format_is_refused_in_one_sentence(string text, string sentence) =>
        Assert.Equal(sentence, Problem(text));

    [Fact]
    public void Bytes_lines_labels_and_samples_are_bounded()
    {
        Assert.Equal("the metrics are 4 bytes, more than the 3 that are read", Problem("a 1\n", new() { MaxBytes = 3 }));
        Assert.Equal("line 2 is 6 bytes, more than the 5 that are read", Problem("a 1\nbbbbbb\n", new() { MaxLineBytes = 5 }));
        Assert.Equal("line 1 of a cannot be read: it has more than 1 labels", Problem("a{l=\"\",m=\"\"} 1\n", new() { MaxLabels = 1 }));
        Assert.Equal("the metrics have more than 1 series of the names that are read",
            Problem("a 1\nx:y 1\n", new() { MaxSamples = 1 }));
    }

    private static readonly double[] Special = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0, -0.0];

    private static readonly Gen<string> LabelName = Gen.String[Gen.Char["abcXYZ_"], 1, 6];

    private static readonly Gen<ExpositionSample> AnySample = Gen.Select(
        Gen.Int[0, 2].Select(i => Names.Items[i]),
        Gen.Dictionary(LabelName, Gen.String[Gen.Char["ab \\\"\n,={}#é世"], 0, 8])[0, 5],
        Gen.OneOf(Gen.Double, Gen.Int[0, 4].Select(i => Special[i])),
        (name, labels, value) => new ExpositionSample(
            name, [.. labels.OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => new ExpositionLabel(label.Key, label.Value))], value));

    [Fact]
    public void What_is_written_by_the_format_is_read_back_as_it_was() =>
        AnySample.Array[0, 8].Sample(samples =>
        {
            var unique = samples.DistinctBy(Written).ToArray();
            var text = string.Concat(unique.Select(sample => $"# TYPE {sample.Name} gauge\n{Line(sample)}\nother_{Line(sample)}\n"));
            var read = Read(text);
            return read.Length == unique.Length
                && read.Zip(unique).All(pair => Line(pair.First) == Line(pair.Second) && pair.First.Value.Equals(pair.Second.Value));
        });

    [Fact]
    public void Whatever_the_bytes_it_ends_in_samples_or_in_a_sentence() =>
        Gen.Select(AnySample.Array[1, 4], Gen.Select(Gen.Int[0, 200], Gen.Byte).Array[0, 6]).Sample((samples, changes) =>
        {
            var bytes = Encoding.UTF8.GetBytes(string.Concat(samples.Select(sample => Line(sample) + "\n")));
            foreach (var (at, value) in changes) bytes[at % bytes.Length] = value;
            try
            {
                _ = Exposition.Read(bytes, Names, ExpositionLimits.Default);
            }
            catch (MetricsException problem)
            {
                Assert.DoesNotContain('\n', problem.Message);
            }
        });

    private static string Written(ExpositionSample sample) => Line(sample with { Value = 0 });

    private static string Line(ExpositionSample sample)
    {
        var labels = sample.Labels.Select(label => label.Name + "=\"" + label.Value.Replace("\\", "\\\\", StringComparison.Ordinal)
            .Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal) + "\"");
        var value = double.IsPositiveInfinity(sample.Value) ? "+Inf" : double.IsNegativeInfinity(sample.Value) ? "-Inf"
            : sample.Value.ToString("R", CultureInfo.InvariantCulture);
        return $"{sample.Name}{{{string.Join(',', labels)}}} {value}";
    }
}
