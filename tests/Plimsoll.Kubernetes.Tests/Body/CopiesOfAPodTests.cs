using k8s.Models;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;
using Plimsoll.Kubernetes.Tests.Resources;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>Pods that serve data-parallel copies, weighed as one replica of them all.</summary>
public sealed class CopiesOfAPodTests
{
    [Fact]
    public void Eight_copies_of_a_mixture_hold_an_eighth_of_its_experts_each_and_fit()
    {
        // 256 GiB of experts, 4 GiB of attention: 36 on each device, where one alone would have had 260.
        var (needs, fit, why) = Needs(Mixture(), "vllm/vllm-openai:v0.19.0", "org/m", "-dp", "8", "--enable-expert-parallel", "--max-model-len", "4096");
        Assert.Null(why);
        Assert.InRange(fit!.PerDevice.Weights.Bytes.Value, Bytes.GiB(36).Value, Bytes.GiB(36.1).Value);
        Assert.Equal(8, needs!.Devices);
        // 8 × 3 GiB and 2; of the experts' matrices one GiB for each rank while they load.
        Assert.Equal(new MemoryNeed(Bytes.GiB(34), Bytes.GiB(26)), needs.Host);
    }

    [Fact]
    public void Without_copies_eight_devices_are_too_many_for_one_rank() =>
        Assert.Equal("its arguments split it over 1 devices and the pod asks for 8; the same number would do", Needs(Mixture(), "vllm/vllm-openai:v0.19.0", "org/m").Why);

    [Fact]
    public void Sglangs_data_parallel_attention_is_whole_on_every_device()
    {
        string[] split = ["sglang", "serve", "--model-path", "org/m", "--tp", "8", "--context-length", "4096"];
        var (_, ranks, _) = Needs(Mixture(), "x", split);
        var (_, groups, why) = Needs(Mixture(), "x", [.. split, "--dp", "8", "--enable-dp-attention"]);
        Assert.Null(why);
        // 4 GiB in place of half of one.
        Assert.InRange((groups!.PerDevice.Weights.Bytes - ranks!.PerDevice.Weights.Bytes).Value, Bytes.GiB(3.4).Value, Bytes.GiB(3.6).Value);
        Assert.Equal((8, 8), (groups.Variant.Devices, groups.Variant.AttentionGroups));
    }

    private static (ReplicaNeeds? Needs, FitReport? Fit, string? Why) Needs(Footprint footprint, string image, params string[] arguments)
    {
        var pod = new V1PodSpec
        {
            Containers =
            [
                new V1Container
                {
                    Name = "server",
                    Image = image,
                    Command = arguments[0] == "sglang" ? arguments : null,
                    Args = arguments[0] == "sglang" ? null : arguments,
                    Resources = new V1ResourceRequirements { Limits = new Dictionary<string, ResourceQuantity> { ["nvidia.com/gpu"] = new("8") } },
                },
            ],
        };
        var kind = new DeviceGroup { Accelerator = DeviceCatalogue.BuiltIn.Find("h200-141gb")!, Resource = "nvidia.com/gpu", Devices = 8 };
        var settings = ScaledModelSettings.Of(Written.Model("target: {name: m}"));
        return ModelResolver.OnDevice(footprint, kind, settings, ServedModel.Of(pod), arguments[0] == "sglang" ? "sglang" : "vllm", Cores.Of(8));
    }

    private static Footprint Mixture()
    {
        WeightGroup Group(string component, WeightSplit split, long gib) => new(component, split, gib << 29, Bytes.GiB(gib), "bfloat16");
        return new Footprint
        {
            Format = ArtifactFormat.HuggingFace,
            Source = FootprintSource.Architecture,
            Digest = "by hand",
            OnDisk = Bytes.GiB(260),
            Weights = Bytes.GiB(260),
            Shape = new ModelShape
            {
                Architecture = "SomeMixture",
                Task = ModelTask.Generate,
                HiddenSize = 4096,
                MaxPositions = 4096,
                AttentionHeads = 32,
                Layers =
                [
                    new LayerRun
                    {
                        First = 0,
                        Count = 1,
                        Experts = 64,
                        ExpertsPerToken = 2,
                        ExpertWidth = 2048,
                        ActiveWidth = 4096,
                        Cache = new LayerCache { Kind = CacheKind.KeyValue, KvHeads = 8, KeyWidth = 128, ValueWidth = 128 },
                        Weights = [Group("attention", WeightSplit.Tensor, 4), Group("experts", WeightSplit.Experts, 256)],
                    },
                ],
            },
        };
    }
}
