using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Artifacts;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Gateway;
using Plimsoll.Local;

namespace Plimsoll.Cli.Demo;

/// <summary>The demo's fleet: three models on the processor, as a fleet file would define them.</summary>
public static class DemoFleetSpec
{
    /// <summary>What the model server is given to do at once; batches form among them.</summary>
    private const int Concurrency = 8;

    /// <summary>Time between two regular looks.</summary>
    internal static readonly TimeSpan Review = TimeSpan.FromMilliseconds(500);

    private static readonly VariantId OnProcessor = VariantId.Of("onnx-cpu");

    /// <param name="models">The demo's models.</param>
    /// <param name="artifacts">Where each one's file is and what it weighs.</param>
    /// <param name="server">The model server's program.</param>
    /// <param name="bandwidth">The rate at which weights are read; null as fast as the disk.</param>
    /// <param name="measured">Memory as it was measured; priors where it was not.</param>
    /// <param name="minReplicas">Kept whatever the demand.</param>
    /// <param name="budget">Memory for all replicas together; null is what the machine has free.</param>
    public static FleetDefinition Of(
        ImmutableArray<DemoModel> models, ImmutableSortedDictionary<ModelId, SampleModelResult> artifacts, string server,
        BytesPerSecond? bandwidth, ImmutableSortedDictionary<ModelId, MemoryNeed> measured, int minReplicas, Bytes? budget)
    {
        ArgumentNullException.ThrowIfNull(artifacts);
        ArgumentNullException.ThrowIfNull(measured);
        var spec = new FleetSpec
        {
            Models = [.. models.Select(Model).OrderBy(model => model.Id)],
            Settings = FleetSettings.Planner(new PlannerDocument { Review = Review }),
        };
        return new FleetDefinition
        {
            Name = DemoFolders.FleetName,
            Spec = spec,
            Launches = models.ToImmutableSortedDictionary(model => model.Id, Launch),
            Node = new LocalNodeOptions { MemoryBudget = budget },
            // Free ports: a fleet that serves on 8080 is none of the demo's business.
            Gateway = new GatewayOptions { Port = 0, AdminPort = null },
        };

        ModelSpec Model(DemoModel model)
        {
            var artifact = artifacts[model.Id];
            var footprint = new Footprint
            {
                Format = ArtifactFormat.Onnx,
                Source = FootprintSource.Header,
                Digest = $"{artifact.Model.Name}-{artifact.Model.Parameters}-{artifact.Model.Seed}-{SampleModel.FormatVersion}",
                OnDisk = new Bytes(artifact.Files.Sum(file => file.Bytes)),
                Weights = new Bytes(artifact.Model.WeightBytes),
                Parameters = artifact.Model.Parameters,
            };
            var needs = EngineProfile.OnnxRuntime.Needs(footprint, 0, model.Cores, cached: false);
            return new ModelSpec
            {
                Id = model.Id,
                Version = footprint.Digest,
                Source = artifact.Path,
                Footprint = footprint,
                Slo = model.Slo,
                MinReplicas = minReplicas,
                Variants =
                [
                    new VariantSpec
                    {
                        Id = OnProcessor,
                        Engine = EngineProfile.OnnxRuntime.Name,
                        Needs = measured.TryGetValue(model.Id, out var memory) ? needs with { Host = Charged(memory) } : needs,
                        Concurrency = Concurrency,
                        LoadBandwidth = bandwidth,
                    },
                ],
            };
        }

        // As the planner will charge what it measures itself: a replica must not fit because it has not loaded yet.
        static MemoryNeed Charged(MemoryNeed memory) =>
            new(memory.LoadPeak.Scale(DemoBudget.Margin), memory.Steady.Scale(DemoBudget.Margin));

        LaunchSpec Launch(DemoModel model) => new()
        {
            Command =
            [
                server, "--model", artifacts[model.Id].Path, "--name", "{name}", "--port", "{port}", "--cores", "{cores}",
                "--max-batch", Concurrency.ToString(CultureInfo.InvariantCulture), "--load-bandwidth", "{load_bandwidth}",
            ],
            MetricsPath = "/metrics",
            ModelPath = artifacts[model.Id].Path,
        };
    }
}
