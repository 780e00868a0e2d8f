namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>Waiting for what a cluster does in its own time: polls, and says at last what was seen instead.</summary>
public static class Patience
{
    /// <summary>Enough for a busy machine; a test that passes never waits it out.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(180);

    /// <summary>Reads until the reading is as wanted and returns it; fails with the last reading after <see cref="Limit"/>.</summary>
    public static async Task<T> UntilAsync<T>(
        string what, Func<CancellationToken, Task<T>> read, Func<T, bool> wanted, Func<T, string>? describe = null)
    {
        var time = TimeProvider.System;
        var start = time.GetTimestamp();
        var cancel = TestContext.Current.CancellationToken;
        string last;
        do
        {
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                limit.CancelAfter(TimeSpan.FromSeconds(15)); // a server that stands still must not hold us past the limit
                var seen = await read(limit.Token);
                if (wanted(seen)) return seen;
                last = describe?.Invoke(seen) ?? seen?.ToString() ?? "nothing";
            }
            catch (Exception e) when (e is not Xunit.Sdk.IAssertionException && !cancel.IsCancellationRequested)
            {
                last = $"{e.GetType().Name}: {e.Message}";
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), time, cancel);
        }
        while (time.GetElapsedTime(start) < Limit);
        Assert.Fail($"{what}: not within {Limit.TotalSeconds} s; last seen: {last}");
        throw new System.Diagnostics.UnreachableException();
    }

    /// <summary>Asks until the answer is yes.</summary>
    public static Task UntilAsync(string what, Func<CancellationToken, Task<bool>> asked) => UntilAsync(what, asked, yes => yes);
}
