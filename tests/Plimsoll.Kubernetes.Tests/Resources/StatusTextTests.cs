using k8s.Models;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class StatusTextTests
{
    [Theory]
    [InlineData(0d, 0d)]
    [InlineData(4.2501, 4.25)]
    [InlineData(0.012345, 0.012)]
    [InlineData(0.0001, 0d)]
    [InlineData(1234.5, 1234d)]
    [InlineData(999.6, 1000d)]
    [InlineData(double.NaN, null)]
    [InlineData(double.PositiveInfinity, null)]
    [InlineData(null, null)]
    public void Rates_are_written_as_exact_as_they_are_meant(double? rate, double? written) =>
        Assert.Equal(written, new ScaledModelStatus { DemandPerSecond = rate }.Writable().DemandPerSecond);

    [Fact]
    public void Empty_texts_are_left_out_and_strange_ones_made_harmless()
    {
        var written = new ScaledModelStatus
        {
            Hold = "",
            Reason = "a\u001b[2Jb" + new string('c', 5000),
            Conditions = [new V1Condition { Type = "Ready", Status = "True", Reason = "AsWanted", Message = "" }],
            Variants = [new VariantStatus { Name = "a", Reason = "" }],
        }.Writable();
        Assert.Null(written.Hold);
        Assert.StartsWith("a\\u{1B}[2Jbccc", written.Reason, StringComparison.Ordinal);
        Assert.Equal(1027, written.Reason!.Length);
        Assert.Equal("AsWanted", written.Conditions![0].Message);
        Assert.Null(written.Variants![0].Reason);
    }
}
