using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Kubernetes.Resources.Import;
using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;
using Plimsoll.Simulation.Runs.Rules;

namespace Plimsoll.Cli.Scenarios;

/// <summary>Reads somebody's own HorizontalPodAutoscalers and ScaledObjects so that they can be run beside Plimsoll.</summary>
/// <param name="file">As it was named, for sentences.</param>
/// <param name="words">What their metrics read.</param>
internal sealed class OwnManifests(string file, MetricWords words)
{
    private const int ReplicasMax = 1000;
    private const int MetricsMax = 32;

    /// <summary>All in a text of any number of documents; other kinds are passed over.</summary>
    /// <exception cref="CommandException">None, or one that cannot be run; the sentence says which field and what would do.</exception>
    public ImmutableArray<OwnAutoscaler> Read(string yaml)
    {
        ImmutableArray<JsonElement> documents;
        try
        {
            documents = YamlDocuments.Read(yaml);
        }
        catch (YamlUnreadableException unreadable)
        {
            throw Refuse("", unreadable.Message);
        }

        var own = ImmutableArray.CreateBuilder<OwnAutoscaler>();
        foreach (var manifest in documents.SelectMany(Items))
        {
            switch (Kind(manifest))
            {
                case "HorizontalPodAutoscaler": own.Add(Hpa(manifest)); break;
                case "ScaledObject": own.Add(ScaledObject(manifest)); break;
            }
        }

        if (own.Count == 0) throw Refuse("", "no HorizontalPodAutoscaler and no ScaledObject is in it");
        if (own.GroupBy(one => one.Target, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw Refuse("", $"two of them scale {Show.Text(twice.Key)}; one would do");
        return own.ToImmutable();
    }

    private static IEnumerable<JsonElement> Items(JsonElement manifest) =>
        Kind(manifest)?.EndsWith("List", StringComparison.Ordinal) == true && manifest.TryGetProperty("items", out var items) && items.ValueKind == JsonValueKind.Array ? items.EnumerateArray() : [manifest];

    private static string? Kind(JsonElement manifest) =>
        manifest.ValueKind == JsonValueKind.Object && manifest.TryGetProperty("kind", out var kind) && kind.ValueKind == JsonValueKind.String ? kind.GetString() : null;

    private OwnAutoscaler Hpa(JsonElement manifest)
    {
        var hpa = Typed<V2HorizontalPodAutoscaler>(manifest);
        var of = $"HorizontalPodAutoscaler {Show.Text(hpa.Metadata?.Name ?? "without a name")}: ";
        if (hpa.Spec?.ScaleTargetRef?.Name is not { Length: > 0 } target) throw Refuse(of, "spec.scaleTargetRef.name is missing; the name of what it scales would do");
        var metrics = (hpa.Spec.Metrics ?? []).Take(MetricsMax + 1).Select((metric, i) => Metric(metric, string.Create(CultureInfo.InvariantCulture, $"{of}spec.metrics[{i}]"))).ToImmutableArray();
        if (metrics.IsEmpty && manifest.GetProperty("spec").TryGetProperty("targetCPUUtilizationPercentage", out var cpu) && cpu.TryGetInt32(out var percent))
            metrics = [Resource("cpu", new V2MetricTarget { Type = "Utilization", AverageUtilization = percent }, $"{of}spec.targetCPUUtilizationPercentage")];
        if (metrics.Length is 0 or > MetricsMax) throw Refuse(of, $"spec.metrics has {metrics.Length}; 1 to {MetricsMax} would do");
        var settings = new HpaSettings
        {
            MinReplicas = Replicas(of + "spec.minReplicas", hpa.Spec.MinReplicas ?? 1, 0),
            MaxReplicas = Replicas(of + "spec.maxReplicas", hpa.Spec.MaxReplicas, Math.Max(1, hpa.Spec.MinReplicas ?? 1)),
            Behavior = Behavior(hpa.Spec.Behavior, of + "spec.behavior"),
        };
        return new OwnAutoscaler(target, settings, null, metrics);
    }

    private OwnMetric Metric(V2MetricSpec metric, string at) => metric switch
    {
        { Pods: { } pods } => Targeted(Named(pods.Metric?.Name, null, at + ".pods.metric.name"), pods.Target, at + ".pods.target", perPod: true),
        { External: { } external } => Targeted(Named(external.Metric?.Name, null, at + ".external.metric.name"), external.Target, at + ".external.target"),
        { ObjectProperty: { } of } => Targeted(Named(of.Metric?.Name, null, at + ".object.metric.name"), of.Target, at + ".object.target"),
        { Resource: { } resource } => Resource(resource.Name, resource.Target, at + ".resource"),
        { ContainerResource: { } resource } => Resource(resource.Name, resource.Target, at + ".containerResource"),
        _ => throw Refuse(at, " has none of pods, external, object, resource and containerResource"),
    };

    // A server's processors tell little of its requests, so nothing here is cpu unless its user says what it moves with. A share is of what a pod
    // requests then, in percent or not: the HPA makes the percent itself.
    private OwnMetric Resource(string? name, V2MetricTarget? target, string at) => target?.AverageUtilization is { } percent
        ? Named(name, null, at + ".name") with { Scale = 1, Kind = MetricTarget.Utilization, Target = percent > 0 ? percent : throw Refuse(at, ".target.averageUtilization is not above 0") }
        : Targeted(Named(name, null, at + ".name") with { Scale = 1 }, target, at + ".target", perPod: true);

    private OwnMetric Targeted(OwnMetric metric, V2MetricTarget? target, string at, bool perPod = false)
    {
        var (kind, quantity, field) = target switch
        {
            { AverageValue: { } average } => (perPod ? MetricTarget.PerPod : MetricTarget.AverageValue, average, ".averageValue"),
            { Value: { } value } when !perPod => (MetricTarget.Value, value, ".value"),
            _ => throw Refuse(at, perPod ? ".averageValue is missing; a quantity such as 5 would do" : " has no averageValue and no value; a quantity such as 5 would do"),
        };
        return metric with { Kind = kind, Target = Amount(quantity.ToString(), at + field) };
    }

    private OwnAutoscaler ScaledObject(JsonElement manifest)
    {
        var scaled = Typed<ScaledObjectManifest>(manifest);
        var of = $"ScaledObject {Show.Text(scaled.Metadata?.Name ?? "without a name")}: ";
        if (scaled.Spec is not { ScaleTargetRef.Name: { Length: > 0 } target } spec) throw Refuse(of, "spec.scaleTargetRef.name is missing; the name of what it scales would do");
        if ((spec.Triggers?.Count ?? 0) is 0 or > MetricsMax) throw Refuse(of, $"spec.triggers has {spec.Triggers?.Count ?? 0}; 1 to {MetricsMax} would do");
        if (spec.Advanced?.ScalingModifiers?.Formula is { Length: > 0 }) throw Refuse(of, "spec.advanced.scalingModifiers.formula is not computed here; triggers without a formula would do");
        var least = Replicas(of + "spec.minReplicaCount", spec.MinReplicaCount ?? 0, 0);
        var keda = new KedaSettings
        {
            MinReplicaCount = least,
            MaxReplicaCount = Replicas(of + "spec.maxReplicaCount", spec.MaxReplicaCount ?? 100, Math.Max(1, least)),
            IdleReplicaCount = spec.IdleReplicaCount is { } idle ? Replicas(of + "spec.idleReplicaCount", idle, 0) : null,
            PollingInterval = Seconds(of + "spec.pollingInterval", spec.PollingInterval ?? 30, 1),
            CooldownPeriod = Seconds(of + "spec.cooldownPeriod", spec.CooldownPeriod ?? 300, 0),
            InitialCooldownPeriod = Seconds(of + "spec.initialCooldownPeriod", spec.InitialCooldownPeriod ?? 0, 0),
            HpaBehavior = Behavior(spec.Advanced?.HorizontalPodAutoscalerConfig?.Behavior, of + "spec.advanced.horizontalPodAutoscalerConfig.behavior"),
        };
        return new OwnAutoscaler(target, keda.ToHpa(), keda, [.. spec.Triggers!.Select((trigger, i) => Trigger(trigger, string.Create(CultureInfo.InvariantCulture, $"{of}spec.triggers[{i}]")))]);
    }

    private OwnMetric Trigger(ScaledObjectManifest.TriggerOf trigger, string at)
    {
        var data = trigger.Metadata ?? [];
        var query = data.GetValueOrDefault("query");
        var name = trigger.Name ?? data.GetValueOrDefault("metricName") ?? trigger.Type;
        var (field, text) = data.FirstOrDefault(one => one.Key is "threshold" or "targetValue" or "value");
        if (text is null) throw Refuse(at, ".metadata.threshold is missing; a number such as 5 would do");
        var activation = data.GetValueOrDefault("activationThreshold") ?? data.GetValueOrDefault("activationTargetValue") ?? data.GetValueOrDefault("activationValue");
        return Named(name, query, $"{at} ({Show.Text(trigger.Type ?? "")})") with
        {
            Kind = trigger.MetricType == "Value" ? MetricTarget.Value : MetricTarget.AverageValue,
            Target = Amount(text, $"{at}.metadata.{field}"),
            Activation = activation is null ? 0 : double.TryParse(activation, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number >= 0
                ? number : throw Refuse(at, $": its activation threshold is '{Show.Text(activation, 40)}'; a number would do"),
        };
    }

    private OwnMetric Named(string? name, string? query, string at)
    {
        if (name is not { Length: > 0 }) throw Refuse(at, " is missing; the metric's name would do");
        return words.Of(name, query) ?? throw Refuse(at, $" reads {Show.Text(query ?? name, 200)}, of which it is not known what the simulation has to show: --metric {Show.Text(name, 80)}=QUANTITY would say it, with one of {string.Join(", ", MetricWords.Quantities.Keys.Order(StringComparer.Ordinal))}");
    }

    private HpaBehavior? Behavior(V2HorizontalPodAutoscalerBehavior? behavior, string at)
    {
        if (behavior is null) return null;
        var usual = new HpaBehavior();
        return new HpaBehavior { ScaleUp = Rules(behavior.ScaleUp, usual.ScaleUp, at + ".scaleUp"), ScaleDown = Rules(behavior.ScaleDown, usual.ScaleDown, at + ".scaleDown") };
    }

    private HpaScalingRules Rules(V2HPAScalingRules? rules, HpaScalingRules usual, string at)
    {
        if (rules is null) return usual;
        HpaPolicy Policy(V2HPAScalingPolicy policy, int i) => policy is { Type: "Pods" or "Percent", Value: > 0 }
            ? new HpaPolicy(policy.Type == "Percent", policy.Value, Seconds(string.Create(CultureInfo.InvariantCulture, $"{at}.policies[{i}].periodSeconds"), policy.PeriodSeconds, 1))
            : throw Refuse(at, string.Create(CultureInfo.InvariantCulture, $".policies[{i}] is no policy; a type of Pods or Percent and a value above 0 would do"));
        return new HpaScalingRules
        {
            StabilizationWindow = rules.StabilizationWindowSeconds is { } window ? Seconds(at + ".stabilizationWindowSeconds", window, 0) : usual.StabilizationWindow,
            Policies = rules.Policies is { Count: > 0 and <= MetricsMax } policies ? [.. policies.Select(Policy)] : usual.Policies,
            SelectPolicy = rules.SelectPolicy switch
            {
                null or "Max" => HpaPolicySelect.Max,
                "Min" => HpaPolicySelect.Min,
                "Disabled" => HpaPolicySelect.Disabled,
                var other => throw Refuse(at, $".selectPolicy is '{Show.Text(other, 40)}'; Max, Min or Disabled would do"),
            },
            Tolerance = rules.Tolerance is { } tolerance ? tolerance.ToDouble() : null,
        };
    }

    private T Typed<T>(JsonElement manifest)
    {
        try
        {
            return KubernetesJson.Deserialize<T>(manifest.GetRawText());
        }
        catch (JsonException wrong) when (wrong.Path is { } path)
        {
            throw Refuse("", $"a {Kind(manifest)} has at {Show.Text(path.TrimStart('$', '.'), 100)} something else than its API says");
        }
        catch (Exception wrong) when (wrong is JsonException or FormatException or OverflowException or InvalidOperationException or NotSupportedException)
        {
            throw Refuse("", $"a {Kind(manifest)} has a number or quantity that is none: {Show.Text(wrong.Message, 200)}");
        }
    }

    private double Amount(string text, string at)
    {
        try
        {
            if (new ResourceQuantity(text).ToDouble() is > 0 and < 1e12 and var amount) return amount;
        }
        catch (Exception wrong) when (wrong is FormatException or OverflowException or ArgumentException)
        {
            // Said below.
        }

        throw Refuse(at, $" is '{Show.Text(text, 40)}'; a quantity above 0, such as 5 or 500m, would do");
    }

    private int Replicas(string at, int count, int least) =>
        count >= least && count <= ReplicasMax ? count : throw Refuse(at, string.Create(CultureInfo.InvariantCulture, $" is {count}; {least} to {ReplicasMax} would do"));

    private TimeSpan Seconds(string at, int seconds, int least) =>
        seconds >= least && seconds <= 86_400 ? TimeSpan.FromSeconds(seconds) : throw Refuse(at, string.Create(CultureInfo.InvariantCulture, $" is {seconds}; {least} to 86400 seconds would do"));

    private CommandException Refuse(string at, string what) => new(ExitCode.BadInput, $"{Show.Text(file, 200)}: {at}{what}");
}
