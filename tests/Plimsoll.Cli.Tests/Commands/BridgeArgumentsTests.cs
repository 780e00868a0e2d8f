using System.CommandLine;
using Plimsoll.Cli.Commands;

namespace Plimsoll.Cli.Tests.Commands;

public sealed class BridgeArgumentsTests
{
    [Fact]
    public void KEDAs_port_speaks_TLS_and_names_who_vouches_for_KEDA_where_it_is_said()
    {
        var arguments = new BridgeArguments();
        var command = new Command("operator");
        arguments.AddTo(command);

        var plain = arguments.Of(command.Parse("--keda-port 9090"));
        Assert.Equal((9090, 8080, false), (plain.KedaPort, plain.OperatorMetricsPort, plain.KedaTls));
        Assert.Null(plain.KedaClientAuthorityPath);

        var parsed = command.Parse("--keda-port 9090 --keda-tls --keda-client-authority ca.crt --tls-certificate tls.crt --tls-key tls.key --external-metrics-port 8443");
        Assert.Empty(parsed.Errors);
        var options = arguments.Of(parsed);
        Assert.Equal((true, "ca.crt", "tls.crt", "tls.key", 8443),
            (options.KedaTls, options.KedaClientAuthorityPath, options.CertificatePath, options.CertificateKeyPath, options.ExternalMetricsPort));
    }

    [Theory]
    [InlineData("--keda-tls")]
    [InlineData("--keda-client-authority")]
    [InlineData("--external-metrics-port")]
    public void The_operator_takes_them(string name) =>
        Assert.Contains(OperatorCommand.Create(TimeProvider.System).Options, option => option.Name == name);
}
