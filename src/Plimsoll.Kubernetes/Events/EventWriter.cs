using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Events;

/// <summary>
/// Writes Events (events.k8s.io/v1) about ScaledModels, which <c>kubectl describe</c> shows: what a plan changed, would
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
    private List<(ResolvedModel Model, ModelEvent Event)> _due = [];
    private long _number;
    private string _said = "";

    /// <summary>Takes down what a turn has to tell; <see cref="WriteAsync(CancellationToken)"/> writes it.</summary>
    /// <returns>Every model's conditions.</returns>
    internal IReadOnlyList<ModelConditions> Collect(ToldTurn told)
    {
        var verdicts = told.Tick.Plan.Models.ToDictionary(verdict => verdict.Model);
        var conditions = new List<ModelConditions>(told.Models.Length);
        var names = told.Models.Select(model => model.View.Name).ToHashSet();
        _budget.Turn(names);
        foreach (var gone in _seen.Keys.Where(name => !names.Contains(name)).ToArray()) _seen.Remove(gone);
        var due = new List<(ResolvedModel Model, ModelEvent Event)>();
        foreach (var model in told.Models)
        {
            var (verdict, name) = (verdicts.GetValueOrDefault(model.Id), model.View.Name);
            var findings = Conditions.Of(model, verdict, told.Unobserved.GetValueOrDefault(model.Id));
            conditions.Add(new ModelConditions(name, model.Weighed?.Footprint?.Weights, findings));
            var before = _seen.TryGetValue(name, out var seen) ? seen : ModelSeen.Of(model.View.Model?.Status);
            var (events, now) = ModelEvents.Of(model, told.Tick, told.Wanted.TryGetValue(model.Id, out var wanted) ? wanted : null, verdict, findings, before);
            _seen[name] = now;
            due.AddRange(events.Where(one => _budget.Allows(name, one)).Select(one => (model, one)));
        }

        lock (_gate) _due.AddRange(due.Take(DueMax - _due.Count));
        return conditions;
    }

    /// <summary>Writes what was taken down.</summary>
    public Task WriteAsync(CancellationToken cancellationToken)
    {
        List<(ResolvedModel Model, ModelEvent Event)> due;
        lock (_gate) (due, _due) = (_due, []);
        return Parallel.ForEachAsync(
            due, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            (one, token) => WriteAsync(one.Model, one.Event, token));
    }

    private async ValueTask WriteAsync(ResolvedModel model, ModelEvent one, CancellationToken cancellationToken)
    {
        if (!parts.MayWrite()) return;
        try
        {
            using var written = await parts.Cluster.Api.CreateAsync(
                $"apis/events.k8s.io/v1/namespaces/{model.View.Name.Namespace}/events", Body(model, one), cancellationToken).ConfigureAwait(false);
            _said = "";
        }
        catch (ApiException refused)
        {
            if (refused.Message != _said) parts.Log($"{model.Id}: an Event could not be written: {refused.Message}");
            _said = refused.Message;
        }
    }

    private byte[] Body(ResolvedModel model, ModelEvent one)
    {
        var (name, at) = (model.View.Name, parts.Time.GetUtcNow());
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
                ["kind"] = ScaledModel.KubeKind,
                ["namespace"] = name.Namespace,
                ["name"] = name.Name,
                ["uid"] = model.View.Uid,
                ["resourceVersion"] = model.View.ResourceVersion,
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
