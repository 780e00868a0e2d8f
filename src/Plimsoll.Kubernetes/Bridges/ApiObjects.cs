using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Serialization;

namespace Plimsoll.Kubernetes.Bridges;

// The objects of the API machinery that an aggregated API answers with, as far as this one needs them. KubernetesClient has
// them too, but none of the external metrics, and writes absent lists where clients want empty ones.

internal sealed record ApiGroupList
{
    public string Kind { get; } = "APIGroupList";

    public string ApiVersion { get; } = "v1";

    public required ImmutableArray<ApiGroup> Groups { get; init; }
}

internal sealed record ApiGroup
{
    public string Kind { get; } = "APIGroup";

    public string ApiVersion { get; } = "v1";

    public required string Name { get; init; }

    public required ImmutableArray<ApiGroupVersion> Versions { get; init; }

    public required ApiGroupVersion PreferredVersion { get; init; }
}

internal sealed record ApiGroupVersion(string GroupVersion, string Version);

internal sealed record ApiResourceList
{
    public string Kind { get; } = "APIResourceList";

    public string ApiVersion { get; } = "v1";

    public required string GroupVersion { get; init; }

    public required ImmutableArray<ApiResource> Resources { get; init; }
}

internal sealed record ApiResource
{
    public required string Name { get; init; }

    public string SingularName { get; init; } = "";

    public required bool Namespaced { get; init; }

    public required string Kind { get; init; }

    public required ImmutableArray<string> Verbs { get; init; }
}

internal sealed record ExternalMetricValueList
{
    public string Kind { get; } = "ExternalMetricValueList";

    public string ApiVersion { get; } = BridgeNames.GroupVersion;

    public NoMetadata Metadata { get; } = new();

    public required ImmutableArray<ExternalMetricValue> Items { get; init; }
}

internal sealed record ExternalMetricValue
{
    public required string MetricName { get; init; }

    public required ScaledModelLabels MetricLabels { get; init; }

    /// <summary>RFC 3339 in whole seconds: when it was decided.</summary>
    public required string Timestamp { get; init; }

    /// <summary>A quantity; whole numbers need no suffix.</summary>
    public required string Value { get; init; }

    public static ExternalMetricValue Of(DesiredScale scale) => new()
    {
        MetricName = BridgeNames.DesiredReplicas,
        MetricLabels = new(scale.ScaledModel.Name),
        Timestamp = scale.DecidedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        Value = scale.Replicas.ToString(CultureInfo.InvariantCulture),
    };
}

internal sealed record ScaledModelLabels([property: JsonPropertyName(BridgeNames.ScaledModelLabel)] string ScaledModel);

internal sealed record NoMetadata;

/// <summary>An error as the API machinery has it.</summary>
internal sealed record ApiStatus
{
    public string Kind { get; } = "Status";

    public string ApiVersion { get; } = "v1";

    public NoMetadata Metadata { get; } = new();

    public string Status { get; } = "Failure";

    public required string Message { get; init; }

    public required string Reason { get; init; }

    public ApiStatusDetails? Details { get; init; }

    public required int Code { get; init; }

    public static ApiStatus Of(int code, string message, ApiStatusDetails? details = null) => new()
    {
        Code = code,
        Reason = code switch
        {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            _ => "InternalError",
        },
        Message = message,
        Details = details,
    };
}

internal sealed record ApiStatusDetails(string? Name, string? Group, string? Kind);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ApiGroupList))]
[JsonSerializable(typeof(ApiGroup))]
[JsonSerializable(typeof(ApiResourceList))]
[JsonSerializable(typeof(ExternalMetricValueList))]
[JsonSerializable(typeof(ApiStatus))]
internal sealed partial class ApiJson : JsonSerializerContext;
