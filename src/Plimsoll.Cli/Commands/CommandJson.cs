using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Plimsoll.Cli.Packing;
using Plimsoll.Cli.Plans;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Cli.Scenarios.Tuning;
using Plimsoll.Cli.Weighing;

namespace Plimsoll.Cli.Commands;

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StatusReport))]
[JsonSerializable(typeof(ExplainReport))]
[JsonSerializable(typeof(ExplainJobReport))]
[JsonSerializable(typeof(ImmutableArray<HistoryLine>))]
[JsonSerializable(typeof(ReplayOutcome))]
[JsonSerializable(typeof(ImmutableArray<ModelListing>))]
[JsonSerializable(typeof(InspectReport))]
[JsonSerializable(typeof(FitListing))]
[JsonSerializable(typeof(ShapesListing))]
[JsonSerializable(typeof(CapacityListing))]
[JsonSerializable(typeof(ProfiledCapacity))]
[JsonSerializable(typeof(SimulationListing))]
[JsonSerializable(typeof(TuneListing))]
[JsonSerializable(typeof(PlanListing))]
[JsonSerializable(typeof(TrainListing))]
[JsonSerializable(typeof(ImmutableArray<AcceleratorListing>))]
[JsonSerializable(typeof(ImmutableArray<InstanceListing>))]
[JsonSerializable(typeof(PackListing))]
[JsonSerializable(typeof(ImmutableArray<PackListing>))]
internal sealed partial class CommandJson : JsonSerializerContext;
