using CsCheck;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Bridges;

public sealed class LabelSelectorTests
{
    [Theory]
    [InlineData("", true)]
    [InlineData("  ", true)]
    [InlineData("scaledmodel=llama", true)]
    [InlineData("scaledmodel==llama", true)]
    [InlineData(" scaledmodel = llama ", true)]
    [InlineData("scaledmodel=mistral", false)]
    [InlineData("scaledmodel=", false)]
    [InlineData("scaledmodel!=mistral", true)]
    [InlineData("scaledmodel!=llama", false)]
    [InlineData("scaledmodel in (llama)", true)]
    [InlineData("scaledmodel in (mistral, llama)", true)]
    [InlineData("scaledmodel in(mistral,phi)", false)]
    [InlineData("scaledmodel in ()", false)]
    [InlineData("scaledmodel notin (mistral,phi)", true)]
    [InlineData("scaledmodel notin (llama)", false)]
    [InlineData("scaledmodel", true)]
    [InlineData("!scaledmodel", false)]
    [InlineData("tier", false)]
    [InlineData("!tier", true)]
    [InlineData("tier=gold", false)]
    [InlineData("tier!=gold", true)]
    [InlineData("tier notin (gold)", true)]
    [InlineData("scaledmodel=llama,!plimsoll.dev/tier", true)]
    [InlineData("scaledmodel=llama,scaledmodel=mistral", false)]
    [InlineData("in in (in)", false)]
    public void A_selector_selects_as_the_API_server_has_it(string text, bool selected)
    {
        Assert.True(LabelSelector.TryParse(text, out var selector, out _));
        Assert.Equal(selected, selector.Matches("scaledmodel", "llama"));
    }

    [Theory]
    [InlineData("=llama", "labelSelector: a label's key was expected at character 1")]
    [InlineData("scaledmodel llama", "labelSelector: '=', '!=', 'in' or 'notin' was expected at character 13")]
    [InlineData("scaledmodel=llama mistral", "labelSelector: a comma or the end was expected at character 19")]
    [InlineData("scaledmodel=llama,", "labelSelector: a label's key was expected at character 19")]
    [InlineData("scaledmodel in llama", "labelSelector: '(' was expected at character 16")]
    [InlineData("scaledmodel in (llama", "labelSelector: ',' or ')' was expected at character 22")]
    [InlineData("scaledmodel!llama", "labelSelector: '=' was expected at character 13")]
    [InlineData("scaledmodel>3", "labelSelector: '<' and '>' are not supported: these labels are names")]
    [InlineData("scaledmodel=-llama", "labelSelector: '-llama' is no label's value")]
    [InlineData("/a=b", "labelSelector: '/a' is no label's key")]
    [InlineData("\0", "labelSelector: '\0' is no label's key")]
    public void What_is_no_selector_is_refused_in_a_sentence(string text, string sentence)
    {
        Assert.False(LabelSelector.TryParse(text, out _, out var problem));
        Assert.Equal(sentence, problem);
    }

    [Fact]
    public void A_strangers_selector_is_bounded_in_length_and_number()
    {
        Assert.False(LabelSelector.TryParse(new string('a', 4097), out _, out var length));
        Assert.Equal("labelSelector has 4097 characters, and at most 4096 are read", length);
        Assert.True(LabelSelector.TryParse(string.Join(',', Enumerable.Repeat("a", 64)), out _, out _));
        Assert.False(LabelSelector.TryParse(string.Join(',', Enumerable.Repeat("a", 65)), out _, out var number));
        Assert.Equal("labelSelector: it has more than 64 requirements", number);
        Assert.False(LabelSelector.TryParse("scaledmodel=" + new string('a', 64), out _, out _));
    }

    [Fact]
    public void In_and_notin_split_all_models_between_them() =>
        Gen.Select(Gen.String[Gen.Char["abc.-"], 1, 4].Where(name => char.IsLetter(name[0]) && char.IsLetter(name[^1])).List[1, 6], Gen.Int[0, 5])
            .Sample((names, chosen) =>
            {
                var value = names[Math.Min(chosen, names.Count - 1)];
                var set = string.Join(", ", names.Where(name => name != value));
                Assert.True(LabelSelector.TryParse($"m in ({set})", out var within, out _));
                Assert.True(LabelSelector.TryParse($"m notin ({set})", out var without, out _));
                Assert.False(within.Matches("m", value));
                Assert.True(without.Matches("m", value));
                foreach (var name in names.Where(name => name != value)) Assert.True(within.Matches("m", name) && !without.Matches("m", name));
            });

    [Fact]
    public void No_text_throws() => Gen.String[Gen.Char["ab =!(),<>in\0\té"], 0, 40].Sample(text =>
        Assert.NotNull(LabelSelector.TryParse(text, out var selector, out var problem) ? selector : (object?)problem));
}
