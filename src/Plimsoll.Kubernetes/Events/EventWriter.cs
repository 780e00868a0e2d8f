using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Events;

/// <summary>
/// Writes Events (events.k8s.io/v1) about ScaledModels and PlannedJobs, which <c>kubectl describe</c> shows: what a plan changed, would
/// change or could not, with its own sentence. Made anew by each leader, and only it writes; what cannot be written is lost.
/// </summary>
public sealed class EventWriter(KubernetesFleetParts parts, string instance)
{
    private const string Controller = "plimsoll.dev/operator";
    private const int NoteBytesMax = 1000;
    private const int InstanceMax = 128;

    // While the server is too slow for all of them.
    private const int DueMax = 1000;

    private readonly EventBudget _budget = new(parts.Time);
    private readonly Dictionary<ObjectName, ModelSeen> _seen = [];
    private readonly Lock _gate = new();
    private List<(Subject Of, ModelEvent Event)> _due = [];
    private long _number;
    private string _said = "";

    // The object that an Event is about.
    private sealed record Subject(string Kind, ObjectName Name, string Uid, string ResourceVersion)
    {
        public static Subject Of(ScaledModelView view) => new(ScaledModel.KubeKind, view.Name, view.Uid, view.ResourceVersion);

        public static Subject Of(PlannedJobView view) => new(PlannedJob.KubeKind, view.Name, view.Uid, view.ResourceVersion);

        /// <summary>Apart from that of a ScaledModel of the same name, where it is no such.</summary>
        public static ObjectName BudgetOf(ResolvedJob job) => job.View.Name with { Name = $"{PlannedJob.KubePluralName}/{job.View.Name.Name}" };
    }

    /// <summary>Takes down what a turn has to tell; <see cref="WriteAsync(CancellationToken)"/> writes it.</summary>
    /// <returns>Every model's conditions.</returns>
    internal IReadOnlyList<ModelConditions> Collect(ToldTurn told)
    {
        var verdicts = told.Tick.Plan.Models.ToDictionary(verdict => verdict.Model);
        var conditions = new List<ModelConditions>(told.Models.Length);
        var names = told.Models.Select(model => model.View.Name).ToHashSet();
        _budget.Turn(names.Concat(told.Jobs.Select(Subject.BudgetOf)).ToHashSet());
        foreach (var gone in _seen.Keys.Where(name => !names.Contains(name)).ToArray()) _seen.Remove(gone);
        var due = new List<(Subject Of, ModelEvent Event)>();
        foreach (var model in told.Models)
        {
            var (verdict, name) = (verdicts.GetValueOrDefault(model.Id), model.View.Name);
            var findings = Conditions.Of(model, verdict, told.Unobserved.GetValueOrDefault(model.Id));
            conditions.Add(new ModelConditions(name, model.Weighed?.Footprint?.Weights, findings));
            var before = _seen.TryGetValue(name, out var seen) ? seen : ModelSeen.Of(model.View.Model?.Status);
            var (events, now) = ModelEvents.Of(model, told.Tick, told.Wanted.TryGetValue(model.Id, out var wanted) ? wanted : null, verdict, findings, before);
            _seen[name] = now;
            due.AddRange(events.Where(one => _budget.Allows(name, one)).Select(one => (Subject.Of(model.View), one)));
        }

        due.AddRange(Done(told).Where(one => _budget.Allows(Subject.BudgetOf(one.Job), one.Event)).Select(one => (Subject.Of(one.Job.View), one.Event)));
        lock (_gate) _due.AddRange(due.Take(DueMax - _due.Count));
        return conditions;
    }

    // What was done to jobs, which nothing else would tell of once they go on.
    private static IEnumerable<(ResolvedJob Job, ModelEvent Event)> Done(ToldTurn told)
    {
        if (told.Jobs.IsEmpty) yield break;
        var jobs = told.Jobs.ToDictionary(job => job.Id);
        foreach (var step in told.Tick.Plan.Steps.Where(step => told.Tick.Applied.Started.Contains(step.Id)))
        {
            var (job, reason) = step switch
            {
                Step.Launch launch => (launch.Job, "Launched"),
                Step.Suspend suspend => (suspend.Job, "Suspended"),
                Step.Resume resume => (resume.Job, "Resumed"),
                _ => (default, ""),
            };
            if (reason.Length > 0 && jobs.TryGetValue(job, out var its)) yield return (its, new ModelEvent(reason, null, step.Reason.ToString(), Warning: false));
        }
    }

    /// <summary>Writes what was taken down.</summary>
    public Task WriteAsync(CancellationToken cancellationToken)
    {
        List<(Subject Of, ModelEvent Event)> due;
        lock (_gate) (due, _due) = (_due, []);
        return Parallel.ForEachAsync(
            due, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            (one, token) => WriteAsync(one.Of, one.Event, token));
    }

    private async ValueTask WriteAsync(Subject of, ModelEvent one, CancellationToken cancellationToken)
    {
        if (!parts.MayWrite()) return;
        try
        {
            using var written = await parts.Cluster.Api.CreateAsync(
                $"apis/events.k8s.io/v1/namespaces/{of.Name.Namespace}/events", Body(of, one), cancellationToken).ConfigureAwait(false);
            _said = "";
        }
        catch (ApiException refused)
        {
            if (refused.Message != _said) parts.Log($"{of.Name}: an Event could not be written: {refused.Message}");
            _said = refused.Message;
        }
    }

    private byte[] Body(Subject of, ModelEvent one)
    {
        var (name, at) = (of.Name, parts.Time.GetUtcNow());
        var unique = string.Create(CultureInfo.InvariantCulture, $".{at.UtcTicks:x}{Interlocked.Increment(ref _number):x}");
        return Encoding.UTF8.GetBytes(new JsonObject
        {
            ["apiVersion"] = "events.k8s.io/v1",
            ["kind"] = "Event",
            ["metadata"] = new JsonObject { ["name"] = name.Name[..Math.Min(name.Name.Length, 200)].TrimEnd('.', '-') + unique, ["namespace"] = name.Namespace },
            ["eventTime"] = at.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
            ["reportingController"] = Controller,
            ["reportingInstance"] = instance[..Math.Min(instance.Length, InstanceMax)],
            ["action"] = "Plan",
            ["reason"] = one.Reason,
            ["regarding"] = new JsonObject
            {
                ["apiVersion"] = ResourceGroup.ApiVersion,
                ["kind"] = of.Kind,
                ["namespace"] = name.Namespace,
                ["name"] = name.Name,
                ["uid"] = of.Uid,
                ["resourceVersion"] = of.ResourceVersion,
            },
            ["note"] = Cut(Shown.Text(one.Note, NoteBytesMax)),
            ["type"] = one.Warning ? "Warning" : "Normal",
        }.ToJsonString());
    }

    // The server counts bytes.
    private static string Cut(string text)
    {
        var bytes = 0;
        var cut = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > NoteBytesMax) break;
            cut.Append(rune.ToString());
        }

        return cut.ToString();
    }
}
