using Microsoft.Extensions.Time.Testing;

namespace Plimsoll.Kubernetes.Tests;

public sealed class DesiredScalesTests
{
    [Fact]
    public async Task A_scale_is_there_until_it_is_too_old_and_a_new_plan_wakes_who_waits()
    {
        var time = new FakeTimeProvider();
        var scales = new DesiredScales(time);
        var llama = new ObjectName("prod", "llama");
        var waiting = scales.WaitForChangeAsync(TestContext.Current.CancellationToken);
        Assert.False(scales.TryGet(llama, out _));
        Assert.False(waiting.IsCompleted);

        scales.Publish([new() { ScaledModel = llama, Replicas = 3, Active = true, DecidedAt = time.GetUtcNow(), Reason = "as wanted" }]);
        await waiting;
        time.Advance(TimeSpan.FromMinutes(2));
        Assert.True(scales.TryGet(llama, out var scale));
        Assert.Equal(3, scale.Replicas);

        time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(scales.TryGet(llama, out _));
    }

    [Theory]
    [InlineData("prod/llama", "prod", "llama")]
    [InlineData("llama", null, null)]
    [InlineData("prod/", null, null)]
    [InlineData("a/b/c", null, null)]
    public void A_name_is_namespace_and_name(string text, string? space, string? name) =>
        Assert.Equal(space is null ? null : new ObjectName(space, name!), ObjectName.Parse(text));
}
