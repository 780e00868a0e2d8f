using System.Text.Json;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>What PodDisruptionBudgets say, as the disruption controller reads them.</summary>
public sealed class BudgetViewTests
{
    [Theory]
    // A number is a floor; a share and what may be away go by what should be there, which a scale-down lowers too.
    [InlineData("\"minAvailable\":2", 3, 2, true)]
    [InlineData("\"minAvailable\":2", 3, 1, false)]
    [InlineData("\"minAvailable\":\"50%\"", 3, 2, true)]
    [InlineData("\"minAvailable\":\"50%\"", 3, 1, false)]
    [InlineData("\"minAvailable\":\"100%\"", 0, 0, true)]
    [InlineData("\"maxUnavailable\":1", 3, 2, true)]
    [InlineData("\"maxUnavailable\":1", 3, 1, false)]
    [InlineData("\"maxUnavailable\":0", 2, 2, true)]
    [InlineData("\"maxUnavailable\":\"25%\"", 5, 3, true)]
    [InlineData("\"maxUnavailable\":\"25%\"", 5, 2, false)]
    [InlineData("\"minAvailable\":\"half\"", 5, 0, true)]
    [InlineData("\"minAvailable\":-3", 5, 0, true)]
    public void Bounds_are_kept_or_not(string bound, int expected, int ready, bool keeps) =>
        Assert.Equal(keeps, Read($"{bound},\"selector\":{{}}").Keeps(expected, ready));

    [Theory]
    [InlineData("""{"matchLabels":{"app":"llama"}}""", true)]
    [InlineData("""{"matchLabels":{"app":"llama","tier":"none"}}""", false)]
    [InlineData("""{"matchExpressions":[{"key":"app","operator":"In","values":["a","llama"]},{"key":"tier","operator":"DoesNotExist"}]}""", true)]
    [InlineData("""{"matchExpressions":[{"key":"app","operator":"NotIn","values":["llama"]}]}""", false)]
    [InlineData("""{"matchExpressions":[{"key":"app","operator":"Exists"}]}""", true)]
    [InlineData("""{"matchExpressions":[{"key":"app","operator":"Gt","values":["1"]}]}""", false)]
    [InlineData("null", false)]
    public void Pods_are_selected_by_their_labels(string selector, bool covers)
    {
        var pod = JsonDocument.Parse("""{"metadata":{"namespace":"prod","name":"a","uid":"1","labels":{"app":"llama"}},"spec":{}}""");
        Assert.Equal(covers, Read($"\"selector\":{selector}").Covers(PodView.Of(pod.RootElement)!));
        Assert.False((Read($"\"selector\":{selector}") with { Name = new ObjectName("other", "two") }).Covers(PodView.Of(pod.RootElement)!));
    }

    [Fact]
    public void An_empty_selector_is_everything_in_v1_and_nothing_in_v1beta1()
    {
        Assert.NotNull(Read("\"selector\":{}").Selects);
        Assert.Null(Read("\"selector\":{}", emptySelectsAll: false).Selects);
        Assert.NotNull(Read("\"selector\":{\"matchLabels\":{\"a\":\"b\"}}", emptySelectsAll: false).Selects);
    }

    private static BudgetView Read(string spec, bool emptySelectsAll = true)
    {
        using var json = JsonDocument.Parse($"{{\"metadata\":{{\"namespace\":\"prod\",\"name\":\"two\"}},\"spec\":{{{spec}}}}}");
        return BudgetView.Of(json.RootElement, emptySelectsAll)!;
    }
}
