using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Processes;

public sealed class CommandTemplateTests
{
    private static readonly Placeholders Values = new()
    {
        Model = "/models/a {port} b",
        Name = "chat",
        Port = 4711,
        Devices = [DeviceId.Of("GPU-1"), DeviceId.Of("GPU-2")],
        Cores = Cores.Of(1.5),
    };

    [Fact]
    public void Every_placeholder_is_filled_in_and_values_are_not_read_again()
    {
        var filled = CommandTemplate.Fill(
            ["serve", "{model}", "--name={name}", "{port}", "{device}", "{cores}", "{threads}", "{other}", "a{b", "{folder}/x"], Values);

        Assert.Equal(
            ["serve", "/models/a {port} b", "--name=chat", "4711", "GPU-1,GPU-2", "1.5", "2", "{other}", "a{b", "/models/x"], filled);
    }

    [Fact]
    public void Without_a_bandwidth_its_argument_and_the_flag_before_it_are_left_out()
    {
        Assert.Equal(["serve", "--port", "4711"],
            CommandTemplate.Fill(["serve", "--load-bandwidth", "{load_bandwidth}", "--port", "{port}"], Values));
        Assert.Equal(["serve", "-x"], CommandTemplate.Fill(["serve", "-x", "--bandwidth={load_bandwidth}"], Values));
    }

    [Fact]
    public void A_bandwidth_is_given_in_bytes_per_second()
    {
        var limited = Values with { LoadBandwidth = BytesPerSecond.MiB(2) };
        Assert.Equal(["serve", "--load-bandwidth", "2097152"],
            CommandTemplate.Fill(["serve", "--load-bandwidth", "{load_bandwidth}"], limited));
    }
}
