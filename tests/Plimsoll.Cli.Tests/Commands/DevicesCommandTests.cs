using System.Text.Json;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Commands;

public sealed class DevicesCommandTests
{
    [Fact]
    public async Task The_whole_list_fits_80_columns_and_has_each_device_once()
    {
        var (code, output, _) = await RunAsync("devices");

        Assert.Equal(0, code);
        Assert.Single(output.Split('\n'), line => line.StartsWith("h100-80gb ", StringComparison.Ordinal));
        Assert.DoesNotContain("3g.40gb", output, StringComparison.Ordinal);
        Assert.All(output.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public async Task A_device_named_exactly_is_shown_with_its_slices_and_its_source()
    {
        var (_, output, _) = await RunAsync("devices", "h100-80gb");
        var lines = output.Split('\n');

        Assert.Matches(@"^device +memory +GB/s +bf16 +fp8 +link +GB/s +of$", lines[0]);
        Assert.Matches(@"^h100-80gb +79\.2 GiB +3350 +989 +1979 +nvlink4 +450 +8$", lines[1]);
        Assert.Contains(lines, line => System.Text.RegularExpressions.Regex.IsMatch(line, @"^  3g\.40gb +39\.5 GiB +1675 +450 +899$"));
        Assert.Contains(lines, line => line.StartsWith("source: NVIDIA data sheet H100 SXM5; memory: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_product_as_nvidia_smi_names_it_is_found()
    {
        var (code, output, _) = await RunAsync("devices", "NVIDIA A100-SXM4-40GB", "--json");

        using var json = JsonDocument.Parse(output);
        Assert.Equal(0, code);
        var first = json.RootElement[0];
        Assert.Equal("a100-40gb", first.GetProperty("name").GetString());
        Assert.Equal(42_283_953_029, first.GetProperty("memoryBytes").GetInt64()); // 39.38 GiB
        Assert.Equal(312e12, first.GetProperty("flopsPerSecond").GetProperty("bfloat16").GetDouble());
        Assert.Equal("assumed", first.GetProperty("memoryCertainty").GetString());
    }

    [Fact]
    public async Task Instances_are_listed_by_the_price_of_one_device_and_say_how_old_it_is()
    {
        var (_, output, _) = await RunAsync("devices", "h200", "--instances");
        var lines = output.TrimEnd().Split('\n');

        Assert.Equal(3, lines.Length);
        Assert.Matches(@"^p5en\.48xlarge +aws +8 +h200-141gb +63\.30 +7\.91 +2026-07-20$", lines[1]);
        Assert.Matches(@"^p5e\.48xlarge +aws +8 +h200-141gb +\? +\? +2026-07-20$", lines[2]);
    }

    [Fact]
    public async Task All_instances_fit_80_columns()
    {
        var (_, output, _) = await RunAsync("devices", "--instances");

        Assert.All(output.TrimEnd().Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public async Task The_beginning_of_a_name_lists_all_that_have_it()
    {
        var (_, output, _) = await RunAsync("devices", "h100");

        Assert.Equal(["h100-80gb", "h100-96gb", "h100-nvl-94gb", "h100-pcie-80gb"], output.Split('\n')[1..5].Select(line => line.Split(' ')[0]));
    }

    [Fact]
    public async Task What_is_not_known_is_answered_with_the_nearest()
    {
        var (code, output, error) = await RunAsync("devices", "h1000");

        Assert.Equal((1, ""), (code, output));
        Assert.Equal("plimsoll: the catalogue has nothing like 'h1000'; did you mean h100?\n", error);
    }

    [Fact]
    public async Task A_file_of_ones_own_is_read_or_refused_with_the_field()
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            await File.WriteAllTextAsync(path, """{"format": 1, "accelerators": [{"name": "ours-8gb", "vendor": "us", "memory": "8GiB", "source": "lab", "date": "2026-11"}]}""", TestContext.Current.CancellationToken);
            var (_, output, _) = await RunAsync("devices", "ours", "--catalogue", path);
            Assert.Matches(@"^ours-8gb +8\.00 GiB~ +\? +- +-$", output.Split('\n')[1]);

            await File.WriteAllTextAsync(path, """{"format": 1, "accelerators": [{"name": "ours-8gb", "vendor": "us", "memory": 8}]}""", TestContext.Current.CancellationToken);
            var (code, _, error) = await RunAsync("devices", "--catalogue", path);
            Assert.Equal(2, code);
            Assert.Equal($"plimsoll: {path}: accelerators[0].memory is 8; expected a text of 1 to 256 characters.\n", error);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await CommandLine.RunAsync(args, output, error, TimeProvider.System);
        return (code, output.ToString(), error.ToString());
    }
}
