using System.Text.Json;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>One request that changes something, as the API server wrote it down when it had answered.</summary>
/// <param name="User">Who asked.</param>
/// <param name="Verb">What for ("patch").</param>
/// <param name="Resource">Of what ("deployments/scale").</param>
/// <param name="Name">Which one.</param>
/// <param name="Code">What was answered.</param>
/// <param name="Asked">When it came in.</param>
/// <param name="Answered">When it was answered.</param>
/// <param name="Holder">Who holds the lease after it; of leases.</param>
/// <param name="Replicas">How many are asked for; of scales.</param>
internal sealed record AuditEntry(
    string User, string Verb, string Resource, string Name, int Code, DateTimeOffset Asked, DateTimeOffset Answered, string? Holder, int? Replicas);

/// <summary>The API server's own record of who changed what: what an operator did is told by the one who was asked, not by the operator.</summary>
internal sealed class AuditLog : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-audit-").FullName;

    public AuditLog() => File.WriteAllText(Path.Combine(_folder, "policy.yaml"), """
        apiVersion: audit.k8s.io/v1
        kind: Policy
        omitStages: [RequestReceived, ResponseStarted]
        rules:
        - level: Request
          verbs: [create, update, patch, delete]
          resources:
          - {group: coordination.k8s.io, resources: [leases]}
          - {group: apps, resources: [deployments/scale]}
          - {group: plimsoll.dev, resources: [scaledmodels/status]}
          - {group: "", resources: [configmaps]}
        - level: None
        """);

    /// <summary>For the API server.</summary>
    public string[] Arguments =>
        [$"--audit-policy-file={Path.Combine(_folder, "policy.yaml")}", $"--audit-log-path={Path.Combine(_folder, "audit.log")}", "--audit-log-mode=blocking-strict"];

    /// <summary>All so far, in the order in which they were answered.</summary>
    public IReadOnlyList<AuditEntry> Read()
    {
        using var file = new FileStream(Path.Combine(_folder, "audit.log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        var entries = new List<AuditEntry>();
        while (reader.ReadLine() is { Length: > 0 } line)
        {
            if (!line.EndsWith('}')) continue;
            using var json = JsonDocument.Parse(line, KubeFields.Deep);
            entries.Add(Of(json.RootElement));
        }

        return [.. entries.OrderBy(entry => entry.Answered).ThenBy(entry => entry.Asked)];
    }

    /// <summary>Who wrote replicas, and with success.</summary>
    public IReadOnlyList<AuditEntry> Scales() => [.. Read().Where(entry => entry is { Resource: "deployments/scale", Code: 200 })];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static AuditEntry Of(JsonElement line)
    {
        var about = line.At("objectRef") ?? default;
        var part = about.Text("subresource") is { } sub ? "/" + sub : "";
        var spec = line.At("requestObject", "spec");
        return new AuditEntry(
            line.At("user")?.Text("username") ?? "", line.Text("verb") ?? "", about.Text("resource") + part, about.Text("name") ?? "",
            line.At("responseStatus")?.Number("code") ?? 0, line.Time("requestReceivedTimestamp")!.Value, line.Time("stageTimestamp")!.Value,
            spec?.Text("holderIdentity"), spec?.Number("replicas"));
    }
}
