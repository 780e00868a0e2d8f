using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Tests.Fleets;

public sealed class ControllerHealthTests
{
    [Fact]
    public void A_controller_that_does_not_answer_is_not_taken_for_one_that_is_well()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        Assert.Equal(("the controller did not answer within 2 s, so that whether its ticks are recorded is not known", false), ControllerHealth.Of(At(silent)));
    }

    [Fact]
    public void Of_one_that_is_not_there_nothing_is_said()
    {
        FleetAddresses gone;
        using (var ended = new TcpListener(IPAddress.Loopback, 0))
        {
            ended.Start();
            gone = At(ended);
        }

        Assert.Equal((null, false), ControllerHealth.Of(gone));
        Assert.Equal((null, false), ControllerHealth.Of(null));
    }

    private static FleetAddresses At(TcpListener listener) => new(
        "fleet", "http://127.0.0.1:1", string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}"), 1, DateTimeOffset.UnixEpoch);
}
