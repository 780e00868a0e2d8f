using System.Text.Json.Serialization;
using k8s.Models;

namespace Plimsoll.Cli.Scenarios;

/// <summary>A ScaledObject of keda.sh/v1alpha1, as far as it is run here.</summary>
internal sealed record ScaledObjectManifest
{
    public V1ObjectMeta? Metadata { get; init; }

    public SpecOf? Spec { get; init; }

    internal sealed record SpecOf
    {
        public TargetOf? ScaleTargetRef { get; init; }

        public int? MinReplicaCount { get; init; }

        public int? MaxReplicaCount { get; init; }

        public int? IdleReplicaCount { get; init; }

        public int? PollingInterval { get; init; }

        public int? CooldownPeriod { get; init; }

        public int? InitialCooldownPeriod { get; init; }

        public AdvancedOf? Advanced { get; init; }

        public List<TriggerOf>? Triggers { get; init; }
    }

    internal sealed record TargetOf
    {
        public string? Name { get; init; }
    }

    internal sealed record AdvancedOf
    {
        public HpaOf? HorizontalPodAutoscalerConfig { get; init; }

        /// <summary>A formula over triggers.</summary>
        public ModifiersOf? ScalingModifiers { get; init; }
    }

    internal sealed record ModifiersOf
    {
        public string? Formula { get; init; }
    }

    internal sealed record HpaOf
    {
        public V2HorizontalPodAutoscalerBehavior? Behavior { get; init; }
    }

    internal sealed record TriggerOf
    {
        public string? Type { get; init; }

        public string? Name { get; init; }

        public string? MetricType { get; init; }

        [JsonConverter(typeof(TextsConverter))]
        public Dictionary<string, string>? Metadata { get; init; }
    }
}
