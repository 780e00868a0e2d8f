using System.Text;
using CsCheck;

namespace Plimsoll.Tests.Devices;

public class DeviceCatalogueTests
{
    private static DeviceCatalogue BuiltIn => DeviceCatalogue.BuiltIn;

    // GiB as engines print them: 79.19 × 2^30 is 85029615042.56, and so on.
    [Theory]
    [InlineData("h100-80gb", 85_029_615_043, 3_350_000_000_000, 8)]
    [InlineData("h200-141gb", 150_023_207_649, 4_800_000_000_000, 8)]
    [InlineData("l40s-48gb", 47_695_611_822, 864_000_000_000, 1)]
    [InlineData("b200-180gb", 191_501_854_310, 7_700_000_000_000, 8)]
    [InlineData("gb200-186gb", 197_901_355_581, 8_000_000_000_000, 72)]
    public void An_accelerator_is_described_as_engines_see_it(string name, long memory, long bandwidth, int domain)
    {
        var found = BuiltIn.Find(name)!;

        Assert.Equal((memory, bandwidth, domain), (found.Memory.Value, found.MemoryBandwidth.Value, found.LinkDomainDevices));
        Assert.Equal(Certainty.Exact, found.MemoryCertainty);
    }

    [Theory]
    [InlineData("H100", "h100-80gb")]
    [InlineData("NVIDIA H100 80GB HBM3", "h100-80gb")]
    [InlineData("NVIDIA-H100-80GB-HBM3", "h100-80gb")]
    [InlineData("NVIDIA H100 PCIe", "h100-pcie-80gb")]
    [InlineData("A100-SXM4-40GB", "a100-40gb")]
    [InlineData("NVIDIA A100-SXM4-80GB", "a100-80gb")]
    [InlineData("NVIDIA A100 80GB PCIe", "a100-pcie-80gb")]
    [InlineData("Tesla-T4", "t4-16gb")]
    [InlineData("NVIDIA GeForce RTX 4090", "rtx-4090-24gb")]
    [InlineData("NVIDIA GeForce RTX 4060", "rtx-4060-8gb")]
    [InlineData("NVIDIA-GeForce-RTX-3070", "rtx-3070-8gb")]
    [InlineData("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada-48gb")]
    [InlineData("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", "rtx-pro-6000-96gb")]
    [InlineData("NVIDIA-B300-SXM6-AC", "b300-288gb")]
    [InlineData("AMD_Instinct_MI300X_OAM", "mi300x-192gb")]
    [InlineData("H100-80GB-3g.40gb", "h100-80gb-3g.40gb")]
    [InlineData("NVIDIA H200 MIG 1g.18gb", "h200-141gb-1g.18gb")]
    [InlineData("NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "a100-40gb-1g.5gb")]
    [InlineData("NVIDIA A100-SXM4-40GB MIG 1g.5gb+me", "a100-40gb-1g.5gb")]
    public void Names_of_tools_and_clouds_lead_to_it(string name, string found) => Assert.Equal(found, BuiltIn.Find(name)?.Name);

    [Theory]
    [InlineData("a100", 40960, "a100-40gb")]
    [InlineData("a100", 81920, "a100-80gb")]
    [InlineData("v100", 32768, "v100-32gb")]
    [InlineData("NVIDIA H100", 97871, "h100-96gb")]
    [InlineData("h100", 81920, "h100-80gb")]
    [InlineData("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb", 9984, "h100-80gb-1g.10gb")]
    public void The_reported_memory_tells_kinds_apart_that_share_a_name(string name, long mebibytes, string found) =>
        Assert.Equal(found, BuiltIn.ByProduct(name, Bytes.MiB(mebibytes)).Accelerator?.Name);

    [Fact]
    public void A_card_with_another_memory_than_its_name_says_is_not_guessed()
    {
        var match = BuiltIn.ByProduct("NVIDIA GeForce RTX 4090", Bytes.MiB(49140));

        Assert.Null(match.Accelerator);
        Assert.Equal("'NVIDIA GeForce RTX 4090' reports 48.0 GiB, but rtx-4090-24gb has 24.0 GiB; an entry of its own would tell", match.Problem);
    }

    [Fact]
    public void A_name_nobody_knows_is_answered_with_the_nearest()
    {
        Assert.Equal(["l40s", "l40s-48gb", "l40"], BuiltIn.Suggest("l40s"));
        Assert.Equal("h100-80gb", BuiltIn.Suggest("h10080gb")[0]);
        Assert.Empty(BuiltIn.Suggest("abacus"));
        Assert.Equal("the catalogue has no accelerator 'mi300z'; the nearest are mi300x, mi350, mi350x", BuiltIn.ByProduct("mi300z", null).Problem);
    }

    [Fact]
    public void A_slice_has_its_published_memory_and_no_link()
    {
        var slice = BuiltIn.Find("h100-80gb-3g.40gb")!;

        Assert.Equal("h100-80gb", slice.SliceOf);
        Assert.Equal(42_412_802_048, slice.Memory.Value); // 39.5 GiB
        Assert.Equal(1_675_000_000_000, slice.MemoryBandwidth.Value); // half of 3350 GB/s
        Assert.Equal(989e12 * 0.4545, slice.FlopsPerSecond["bfloat16"]); // 60 of 132 multiprocessors
        Assert.Equal((null, 1, 0L), (slice.Link, slice.LinkDomainDevices, slice.LinkBandwidth.Value));
    }

    [Theory]
    [InlineData("p5.48xlarge", "h100-80gb", 8, 55_040_000)]
    [InlineData("g6e.xlarge", "l40s-48gb", 1, 1_861_000)]
    [InlineData("p4de.24xlarge", "a100-80gb", 8, 27_447_050)]
    [InlineData("trn1.32xlarge", "trainium-32gb", 16, 21_500_000)]
    [InlineData("g6f.large", "l4-24gb-3gb", 1, 202_000)]
    public void An_instance_has_its_accelerators_and_its_price(string type, string accelerator, int devices, long microDollars)
    {
        var instance = BuiltIn.Instance(type)!;

        Assert.Equal((accelerator, devices, microDollars), (instance.Accelerator, instance.Devices, instance.Price!.Value.Micro));
        Assert.Equal(("aws", "us-east-1", "2026-07-20"), (instance.Provider, instance.Region, instance.Date));
    }

    [Fact]
    public void Old_prices_are_told_from_new_ones_by_their_date()
    {
        Assert.Equal("2025-03", BuiltIn.Instance("a2-highgpu-1g")!.Date);
        Assert.Null(BuiltIn.Instance("p5e.48xlarge")!.Price);
        Assert.Equal(2_097_152L * 1024 * 1024, BuiltIn.Instance("p5.48xlarge")!.Memory.Value);
        Assert.Equal(30_400_000_000_000, BuiltIn.Instance("p5.48xlarge")!.LocalDisk.Value);
        Assert.Equal(400_000_000_000, BuiltIn.Instance("p5.48xlarge")!.Network.Value); // 3.2 Tbit/s
    }

    [Fact]
    public void Every_entry_can_be_found_by_its_own_name_and_says_where_it_comes_from()
    {
        foreach (var one in BuiltIn.Accelerators)
        {
            Assert.Same(one, BuiltIn.Find(one.Name));
            Assert.Matches(@"\(\d{4}-\d{2}\)$", one.Source);
            Assert.True(one.Memory.Value > 0 && one.MemoryBandwidth.Value > 0 && one.FlopsPerSecond.Count > 0, one.Name);
            foreach (var alias in one.SliceOf is null ? one.Aliases : [])
                Assert.Equal(one.Name, BuiltIn.ByProduct(alias, one.DriverMemory.Value > 0 ? one.DriverMemory : one.Memory).Accelerator?.Name);
        }
    }

    [Fact]
    public void A_users_file_goes_over_the_built_in_entries()
    {
        var catalogue = DeviceCatalogue.BuiltInWith(Json("""
            {"format": 1,
             "accelerators": [
               {"name": "h100-80gb", "vendor": "nvidia", "memory": "78GiB", "source": "our lab", "date": "2026-09"},
               {"name": "rtx-4090-48gb", "vendor": "nvidia", "aliases": ["NVIDIA GeForce RTX 4090"], "memory": "47.4GiB",
                "driverMemory": "49140MiB", "memoryBandwidth": "1008GB/s", "source": "our lab", "date": "2026-09"}],
             "instanceLists": [{"provider": "ours", "date": "2026-09", "source": "our lab",
               "instances": [{"type": "big", "accelerator": "rtx-4090-48gb", "devices": 4}]}]}
            """), "devices.json");

        Assert.Equal(Bytes.GiB(78), catalogue.Find("NVIDIA H100 80GB HBM3")!.Memory);
        Assert.Null(catalogue.Find("h100-80gb-3g.40gb"));
        Assert.Equal("rtx-4090-48gb", catalogue.ByProduct("NVIDIA GeForce RTX 4090", Bytes.MiB(49140)).Accelerator?.Name);
        Assert.Equal("rtx-4090-24gb", catalogue.ByProduct("NVIDIA GeForce RTX 4090", Bytes.MiB(24564)).Accelerator?.Name);
        Assert.Equal(4, catalogue.Instance("big")!.Devices);
        Assert.NotNull(catalogue.Instance("p5.48xlarge"));
    }

    [Theory]
    [InlineData("""{"accelerators": []}""", "devices.json: format is not there; expected 1.")]
    [InlineData("""{"format": 2}""", "devices.json: format is 2; expected 1.")]
    [InlineData("""{"format": 1, "accelerator": []}""", "devices.json: accelerator is no field; expected 'accelerators'.")]
    [InlineData("""{"format": 1, "accelerators": {}}""", "devices.json: accelerators is an object; expected a list.")]
    [InlineData("""{"format": 1, "accelerators": [{"name": "x", "vendor": "y"}]}""",
        "devices.json: accelerators[0].memory is not there; expected a size such as 79.19GiB.")]
    [InlineData("""{"format": 1, "accelerators": [{"name": "x", "vendor": "y", "memory": "much"}]}""",
        "devices.json: accelerators[0].memory is 'much'; expected a size such as 79.19GiB.")]
    [InlineData("""{"format": 1, "accelerators": [{"name": "X Y"}]}""",
        "devices.json: accelerators[0].name is 'X Y'; expected up to 64 small letters, digits, dashes and dots, beginning with a letter or digit.")]
    [InlineData("""{"format": 1, "accelerators": [{"name": "-"}]}""",
        "devices.json: accelerators[0].name is '-'; expected up to 64 small letters, digits, dashes and dots, beginning with a letter or digit.")]
    [InlineData("""{"format": 1, "accelerators": [{"name": "x", "name": "x"}]}""", "devices.json: accelerators[0].name is there twice; expected it once.")]
    [InlineData("""{"format": 1, "instanceLists": [{"provider": "a", "date": "2026", "source": "s", "instances": [{"type": "t", "accelerator": "h101", "devices": 1}]}]}""",
        "devices.json: the instance t has the accelerator h101, which no entry describes; h100 is the nearest.")]
    public void A_mistake_is_one_sentence_that_says_where(string file, string sentence)
    {
        var mistake = Assert.Throws<CatalogueException>(() => DeviceCatalogue.BuiltInWith(Json(file), "devices.json"));

        Assert.Equal(sentence, mistake.Message);
    }

    [Fact]
    public void Strangers_files_are_bounded()
    {
        var deep = new string('[', 100_000);
        Assert.StartsWith("f is no JSON", Assert.Throws<CatalogueException>(() => DeviceCatalogue.Parse(Json(deep), "f")).Message, StringComparison.Ordinal);
        Assert.StartsWith("f has 4.00 MiB", Assert.Throws<CatalogueException>(() => DeviceCatalogue.Parse(new byte[(4 << 20) + 1], "f")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_with_a_byte_changed_is_read_or_refused_in_a_sentence()
    {
        var good = Json("""{"format": 1, "accelerators": [{"name": "x", "vendor": "y", "aliases": ["X 1"], "memory": "8GiB", "teraflops": {"int8": 4}, "source": "s", "date": "d", "slices": [{"profile": "h", "memory": "4GiB", "compute": 0.5, "bandwidth": 0.5}]}]}""").ToArray();
        Gen.Select(Gen.Int[0, good.Length - 1], Gen.Byte).Sample((at, changed) =>
        {
            var file = good.ToArray();
            file[at] = changed;
            try
            {
                DeviceCatalogue.Parse(file, "f");
            }
            catch (CatalogueException refused)
            {
                Assert.StartsWith("f", refused.Message, StringComparison.Ordinal);
            }
        }, iter: 5_000);
    }

    private static ReadOnlyMemory<byte> Json(string text) => Encoding.UTF8.GetBytes(text);
}
