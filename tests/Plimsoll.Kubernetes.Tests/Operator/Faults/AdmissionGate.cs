using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>
/// A validating webhook of the real API server: the test is asked of each write before it is done, while the writer waits.
/// </summary>
internal sealed class AdmissionGate : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly k8s.Kubernetes _client;

    private AdmissionGate(WebApplication application, k8s.Kubernetes client) => (_application, _client) = (application, client);

    /// <summary>Asks of every write of this kind; what is answered false is refused.</summary>
    /// <param name="plane">Whose writes.</param>
    /// <param name="rule">Which writes.</param>
    /// <param name="asked">Is given the request of the AdmissionReview.</param>
    public static async Task<AdmissionGate> OpenAsync(KubernetesControlPlane plane, V1RuleWithOperations rule, Func<JsonElement, Task<bool>> asked)
    {
        var pair = plane.Authority.IssueServer("localhost");
        using var pem = X509Certificate2.CreateFromPem(pair.CertificatePem, pair.KeyPem);
        var certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        builder.WebHost.UseKestrelHttpsConfiguration();
        var application = builder.Build();
        application.Run(async context =>
        {
            using var review = await JsonDocument.ParseAsync(context.Request.Body, KubeFields.Deep, context.RequestAborted);
            var request = review.RootElement.GetProperty("request");
            var allowed = await asked(request);
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync($$$"""
                {"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview",
                 "response":{"uid":"{{{request.Text("uid")}}}","allowed":{{{(allowed ? "true" : "false")}}}}}
                """, context.RequestAborted);
        });
        await application.StartAsync(TestContext.Current.CancellationToken);
        var address = application.Services.GetService(typeof(Microsoft.AspNetCore.Hosting.Server.IServer)) as Microsoft.AspNetCore.Hosting.Server.IServer;
        var port = new Uri(address!.Features.Get<Microsoft.AspNetCore.Hosting.Server.Features.IServerAddressesFeature>()!.Addresses.First()).Port;
        await plane.Client.AdmissionregistrationV1.CreateValidatingWebhookConfigurationAsync(
            new V1ValidatingWebhookConfiguration
            {
                Metadata = new() { Name = "gate.plimsoll.test" },
                Webhooks =
                [
                    new V1ValidatingWebhook
                    {
                        Name = "gate.plimsoll.test",
                        AdmissionReviewVersions = ["v1"],
                        SideEffects = "None",
                        FailurePolicy = "Fail",
                        TimeoutSeconds = 30,
                        ClientConfig = new() { Url = $"https://localhost:{port}/", CaBundle = System.Text.Encoding.ASCII.GetBytes(plane.Authority.CertificatePem) },
                        Rules = [rule],
                    },
                ],
            }, cancellationToken: TestContext.Current.CancellationToken);
        return new AdmissionGate(application, plane.Client);
    }

    /// <summary>Writes of replicas through a Deployment's scale subresource.</summary>
    public static V1RuleWithOperations Scales => new() { ApiGroups = ["apps"], ApiVersions = ["v1"], Operations = ["UPDATE"], Resources = ["deployments/scale"] };

    public async ValueTask DisposeAsync()
    {
        await _client.AdmissionregistrationV1.DeleteValidatingWebhookConfigurationAsync("gate.plimsoll.test");
        await _application.DisposeAsync();
    }
}
