using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>
/// Reads a Kubernetes node's labels: GPU feature discovery's (whole devices, MIG single and mixed, shared ones),
/// Karpenter's and GKE's on nodes that don't have those yet, and the instance type last.
/// </summary>
public static class NodeLabels
{
    private const string Gpu = "nvidia.com/gpu";
    private const string Mig = "nvidia.com/mig-";
    private const string Karpenter = "karpenter.k8s.aws/instance-";
    private const int CountMax = 1024;

    /// <param name="catalogue">Where accelerators are looked up.</param>
    /// <param name="labels">The node's labels.</param>
    /// <param name="allocatable">The node's allocatable resources, where at hand: with mixed MIG the labels count sliced
    /// devices as whole ones too, and only this tells how many are whole.</param>
    public static NodeDevices Read(
        DeviceCatalogue catalogue, IReadOnlyDictionary<string, string> labels, IReadOnlyDictionary<string, long>? allocatable = null)
    {
        ArgumentNullException.ThrowIfNull(catalogue);
        ArgumentNullException.ThrowIfNull(labels);
        var node = new Reading(catalogue, labels, allocatable);
        node.Discovered();
        if (node.Groups.Count == 0) node.Amd();
        if (node.Groups.Count == 0) node.Cloud(Karpenter + "gpu-name", Karpenter + "gpu-count", Karpenter + "gpu-memory", Gpu);
        if (node.Groups.Count == 0) node.Cloud(Karpenter + "accelerator-name", Karpenter + "accelerator-count", null, "aws.amazon.com/neuron");
        if (node.Groups.Count == 0) node.Cloud("cloud.google.com/gke-accelerator", "cloud.google.com/gke-accelerator-count", null, Gpu);
        if (node.Groups.Count == 0) node.Cloud("cloud.google.com/gke-tpu-accelerator", "cloud.google.com/gke-accelerator-count", null, "google.com/tpu");
        if (node.Groups.Count == 0) node.InstanceType();
        return new NodeDevices([.. node.Groups.OrderBy(group => group.Resource, StringComparer.Ordinal)], [.. node.Notes]);
    }

    private sealed class Reading(
        DeviceCatalogue catalogue, IReadOnlyDictionary<string, string> labels, IReadOnlyDictionary<string, long>? allocatable)
    {
        public List<DeviceGroup> Groups { get; } = [];

        public List<string> Notes { get; } = [];

        /// <summary>GPU feature discovery's labels.</summary>
        public void Discovered()
        {
            var product = labels.GetValueOrDefault(Gpu + ".product");
            foreach (var profile in labels.Keys
                .Where(label => label.StartsWith(Mig, StringComparison.Ordinal) && label.EndsWith(".count", StringComparison.Ordinal))
                .Select(label => label[Mig.Length..^".count".Length]).Order(StringComparer.Ordinal))
            {
                var slice = labels.GetValueOrDefault($"{Mig}{profile}.product") ?? $"{Bare(product)}-MIG-{profile}";
                Add(Mig + profile, slice);
            }

            if (product is null) return;
            if (product.Contains("MIG-INVALID", StringComparison.OrdinalIgnoreCase))
                Notes.Add("the node's MIG devices are not all alike, which its strategy 'single' does not allow: it hands out none");
            else if (Groups.Count == 0) Add(Gpu, product);
            else if (allocatable is null) Notes.Add("devices that are not cut into slices are not counted: labels don't tell them from those that are");
            else if (allocatable.GetValueOrDefault(Gpu) is > 0 and var parts) Add(Gpu, product, parts);
        }

        /// <summary>The AMD operator's labels name the product; how many there are, only the resource tells.</summary>
        public void Amd()
        {
            if (labels.GetValueOrDefault("amd.com/gpu.product-name") is not { } product) return;
            if (allocatable?.GetValueOrDefault("amd.com/gpu") is not (> 0 and <= CountMax and var count))
                Notes.Add("labels name AMD's product and not its number; the node's allocatable amd.com/gpu would tell");
            else Match(product, null, "amd.com/gpu", (int)count, 1, DeviceSharing.None);
        }

        /// <summary>Labels that say a cloud's short name, a number and, sometimes, a memory in MiB.</summary>
        public void Cloud(string nameLabel, string countLabel, string? memoryLabel, string resource)
        {
            if (labels.GetValueOrDefault(nameLabel) is not { } name) return;
            var memory = memoryLabel is not null ? Mebibytes(memoryLabel) : null;
            if (Number(countLabel) is > 0 and <= CountMax and var count) Match(name, memory, resource, (int)count, 1, DeviceSharing.None);
            else Notes.Add($"{nameLabel} is {Shown(name)}, but {countLabel} says no number of devices");
        }

        public void InstanceType()
        {
            if (labels.GetValueOrDefault("node.kubernetes.io/instance-type") is { } type && catalogue.Instance(type) is { } instance)
                Match(instance.Accelerator, null, Gpu, instance.Devices, 1, DeviceSharing.None);
        }

        private void Add(string resource, string product, long? parts = null)
        {
            var replicas = Number(resource + ".replicas") ?? 1;
            // What is allocatable are the parts that a device is shared in, not devices.
            var count = parts is { } all && replicas > 0 ? all / replicas : Number(resource + ".count");
            if (count == 0) return;
            if (count is not (> 0 and <= CountMax) || replicas is not (> 0 and <= CountMax))
            {
                Notes.Add($"{resource}.count is '{Shown(labels.GetValueOrDefault(resource + ".count") ?? "")}' and .replicas "
                    + $"'{Shown(labels.GetValueOrDefault(resource + ".replicas") ?? "1")}'; expected whole numbers up to {CountMax}");
                return;
            }

            var sharing = replicas == 1 ? DeviceSharing.None
                : labels.GetValueOrDefault(Gpu + ".sharing-strategy") == "mps" ? DeviceSharing.Mps : DeviceSharing.TimeSlicing;
            var memory = Mebibytes(resource + ".memory");
            Match(product, memory, resource, (int)count, (int)replicas, sharing);
        }

        private Bytes? Mebibytes(string label) => Number(label) is > 0 and < 1L << 40 and var mebi ? Bytes.MiB(mebi) : null;

        private void Match(string product, Bytes? memory, string resource, int count, int replicas, DeviceSharing sharing)
        {
            var match = catalogue.ByProduct(product, memory);
            if (match.Accelerator is { } accelerator)
            {
                Groups.Add(new DeviceGroup
                {
                    Accelerator = accelerator,
                    Resource = resource,
                    Devices = count,
                    ReplicasPerDevice = replicas,
                    Sharing = sharing,
                });
            }
            else Notes.Add(match.Problem!);
        }

        private long? Number(string label) =>
            long.TryParse(labels.GetValueOrDefault(label), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

        // Under the strategy 'mixed' the device's own label names the whole one, but for its suffix when shared.
        private static string Bare(string? product) =>
            product is null ? "" : product.EndsWith("-SHARED", StringComparison.Ordinal) ? product[..^"-SHARED".Length] : product;

        private static string Shown(string text) => new([.. text.Take(60).Select(c => char.IsControl(c) ? '?' : c)]);
    }
}
