using System.Globalization;

namespace Plimsoll.Cli.Demo;

/// <summary>Says every few seconds how much of a model is written and how long the rest will take.</summary>
internal sealed class WritingProgress(string name, long weightBytes, Action<string> tell, TimeProvider time)
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(3);

    private readonly long _start = time.GetTimestamp();
    private TimeSpan _told;

    public string Took => Durations.Show(time.GetElapsedTime(_start));

    public void Written(long bytes)
    {
        var at = time.GetElapsedTime(_start);
        if (at - _told < Period) return;
        _told = at;
        var share = Math.Clamp((double)bytes / weightBytes, 0.001, 1);
        tell(string.Create(CultureInfo.InvariantCulture,
            $"  {name}: {share * 100:0} % of {new Bytes(weightBytes)}, about {Durations.Show(Math.Ceiling(at.TotalSeconds * (1 - share) / share))} left"));
    }
}
