using Plimsoll.Pages;

namespace Plimsoll.Simulation.Reports;

/// <summary>One model over time: what arrives, and the replicas below it, Plimsoll's as areas and the rivals' ready ones as lines.</summary>
internal static class ModelPlot
{
    /// <summary>Null where no run of the first controller kept its timeline.</summary>
    public static Markup? Of(ComparedRuns compared, int model)
    {
        if (compared.First.Runs[0].Timeline is not { At.Length: > 1 } own) return null;
        return new ReplicaPlot
        {
            Name = own.Models[model].Model.Value,
            Own = TimelineMoments.Of(own, model),
            Whose = compared.First.Name,
            Rivals =
            [
                .. compared.Controllers.Skip(1)
                    .Select((one, i) => (Index: i + 1, one.Name, one.Runs[0].Timeline))
                    .Where(one => one.Timeline is { At.Length: > 1 })
                    .Select(one => (one.Index, one.Name, TimelineMoments.Of(one.Timeline!, model))),
            ],
            To = Math.Max(compared.Report.Length.TotalSeconds, own.At[^1]),
        }.Draw();
    }
}
